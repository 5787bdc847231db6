/* A plugin looks at records; see look.h. */
#define _GNU_SOURCE
#include "look.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "outbox.h"
#include "plugin.h"
#include "state_verify.h"

/* What is not printable, or JSON's own, becomes a dot. */
static void print_text(FILE *out, const char *text)
{
	for (size_t i = 0; text[i] != 0 && i < 120; i++)
		fputc(text[i] >= ' ' && text[i] <= '~' && text[i] != '"' && text[i] != '\\' ? text[i] : '.', out);
}

/* Returns the number of records, or -1 if the stream is none. */
static int64_t look_at_all(const struct baton_verify *verify, FILE *out)
{
	struct state_records_head head;
	struct state_record_head record;
	int64_t count = 0;

	if (fread(&head, sizeof(head), 1, stdin) != 1 || head.magic != STATE_RECORDS_MAGIC ||
	    head.record_size > STATE_MAX_RECORD)
		return -1;
	uint8_t *data = aligned_alloc(64, STATE_MAX_RECORD + 16);
	struct outbox outbox = {.salt = head.salt};
	if (data == NULL)
		return -1;
	for (; fread(&record, sizeof(record), 1, stdin) == 1; count++) {
		struct baton_ctx ctx = {.bucket = record.bucket, .buckets = head.buckets, .outbox = &outbox};

		if (fread(data, 1, head.record_size, stdin) != head.record_size)
			break;
		const char *wrong = verify->record(&ctx, record.key, data);
		if (wrong == NULL)
			continue;
		fprintf(out, "{\"bucket\":%u,\"record\":%u,\"key\":\"%#" PRIx64 "\",\"text\":\"", record.bucket, record.record,
			record.key);
		print_text(out, wrong);
		fputs("\"}\n", out);
	}
	free(data);
	return count;
}

int look_at_records(const char *path)
{
	struct plugin plugin;
	char why[PLUGIN_WHY_BYTES];
	int copy = fcntl(1, F_DUPFD_CLOEXEC, 100); /* no number that a plugin would guess */
	FILE *out = copy < 0 || dup2(2, 1) < 0 ? NULL : fdopen(copy, "w");
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc;

	if (out == NULL)
		return 1;
	rc = fd < 0 ? -errno : plugin_load(&plugin, fd, path, why, sizeof(why));
	if (rc != 0) {
		fprintf(stderr, "%s\n", fd < 0 ? strerror(-rc) : why);
		return 1;
	}
	bool has = plugin.verify != NULL && plugin.verify->record != NULL;
	fprintf(out, "{\"has\":%s,\"record_size\":%u}\n", has ? "true" : "false", plugin.descriptor->record_size);
	int64_t count = has ? look_at_all(plugin.verify, out) : 0;
	if (count < 0)
		return 1;
	fprintf(out, "{\"done\":%" PRId64 "}\n", count);
	return fclose(out) == 0 ? 0 : 1;
}
