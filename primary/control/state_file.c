/* Opens the state file and makes it sound before any worker exists. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "held_store.h"
#include "log.h"
#include "plan.h"
#include "primary.h"
#include "schema_check.h"
#include "snap.h"

static char fresh_path[BATON_PATH_BYTES * 2]; /* of a file that this start has made; empty: it was there */

#define LOCK_WAIT_MS 5000u /* for the workers of a dead primary to leave: their death signal is on its way */

/* R3: every slot, valid or not, before any worker starts. */
static void roll_back_all(struct primary *primary)
{
	uint32_t bursts = 0, undone = 0;

	for (uint32_t slot = 0; slot < primary->config.worker_slots; slot++) {
		struct journal_report report = { 0 };
		int rc = BATON_SABOTAGE(start_without_undo) ? 0 : state_roll_back(&primary->state, slot, &report);

		if (rc != 0) {
			log_warn("slot %u: its journal was damaged (%s): what was sound is undone, the rest of the group's "
				 "records is suspect", slot, strerror(-rc));
			continue;
		}
		BATON_POINT(start_rolled_back);
		bursts += report.valid != 0;
		undone += report.undone;
	}
	if (bursts > 0)
		log_info("state: %u unsettled bursts of the last run undone (%u changes)", bursts, undone);
}

/* Every bucket must be in a schema that the version takes that is about to be started. */
static int check_schemas(const struct primary *primary, uint32_t group)
{
	const struct state_group *g = &primary->state.header->group[group];
	const struct plugin_info *info = &primary->plugin[group];

	for (uint32_t bucket = 0; bucket < g->buckets && g->record_size != 0; bucket++) {
		struct bucket_word word = bucket_word_load(&state_words(&primary->state, group)[bucket]);
		uint32_t schema = word.schema != 0 ? word.schema : g->schema;
		bool half = word.to != 0 && info->schema != (word.to > schema ? word.to : schema);

		if (held_readable(primary, group, bucket) || held_was(primary, group, bucket))
			continue;
		log_error("state file %s: group %s has records of schema %u in bucket %u%s; version %s has schema %u and does "
			  "not migrate from it: start with the version that wrote them, or move the file away to start "
			  "empty", primary->state_path, g->name, schema, bucket,
			  half ? ", half of them converted" : "", info->version, info->schema);
		return -ESTALE;
	}
	return 0;
}

int state_file_init(struct primary *primary)
{
	char path[BATON_PATH_BYTES * 2];
	bool fresh = false;
	uint64_t salt;
	int rc;

	plan_state_path(&primary->config, path, sizeof(path));
	if (getrandom(&salt, sizeof(salt), 0) != sizeof(salt))
		return -EIO;
	rc = state_open(&primary->state, path, primary->state_group, primary->config.groups,
			primary->config.worker_slots, primary->config.io_cores, salt, LOCK_WAIT_MS, &fresh);
	if (rc != 0)
		return rc; /* state_open() has said why and what to do */
	memcpy(primary->state_path, path, sizeof(path));
	snprintf(fresh_path, sizeof(fresh_path), "%s", fresh ? path : "");
#ifdef BATON_POINTS
	baton_point_use(primary->state.header);
#endif
	log_info("state file %s: %s", path, fresh ? "created" : "taken over from the last run");
	roll_back_all(primary);
	if (state_restore_undo(&primary->state))
		log_warn("state: a restore of a bucket was cut off by the end of the last run: the bucket is as it was before");
	held_load(primary);
	for (uint32_t g = 0; g < primary->config.groups && rc == 0; g++) {
		struct state_group *group = &primary->state.header->group[g];

		rc = check_schemas(primary, g);
		if (rc == 0 && primary->plugin[g].record_size != 0 && primary->plugin[g].schema > group->newest)
			group->newest = primary->plugin[g].schema;
	}
	if (rc != 0)
		state_close(&primary->state);
	return rc;
}

void state_file_fini(struct primary *primary)
{
	/* Of a start that failed: nobody is in it, but it would hold pages, and bind the next configuration to its layout.
	 * While the lock is held, as the next one waits for it and then looks again. */
	if (!primary->served && fresh_path[0] != '\0')
		unlink(fresh_path);
	state_close(&primary->state);
}
