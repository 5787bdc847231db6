/* What tests of snapshots and restores share: a supervisor with workers and records, this program as the one that
 * writes snapshots, orders and how they end. */
#ifndef STATE_OP_RIG_H
#define STATE_OP_RIG_H

#include <sys/resource.h>
#include <sys/stat.h>

#include "scale_rig.h"
#include "schema_check.h"
#include "snap.h"

#define NEW     "of 2 older 1 down 1 version new"
#define RECORDS 3u /* of each bucket, in slots 1, 4, 7 */

static char file[BATON_PATH_BYTES];

static inline struct supervisor *sup(void) { return rig.primary->supervisor; }
static inline struct state_op *op(void) { return &sup()->state_op; }

/* ---- who writes it: this program, started as baton-zygote --snapshot ---- */

/* The rig's header stands behind a page of the fakes'. */
static inline int write_snapshot(char **argv)
{
	const char *how = getenv("SNAPSHOT_HOW");
	struct snap_report report;
	struct stat st;
	char why[300] = "";
	struct state state = { .fd = open(argv[2], O_RDONLY | O_CLOEXEC) };

	if (how && strcmp(how, "hang") == 0)
		fake_forever();
	if (how && strcmp(how, "die") == 0)
		raise(SIGKILL);
	if (how && strcmp(how, "full") == 0) {
		signal(SIGXFSZ, SIG_IGN);
		setrlimit(RLIMIT_FSIZE, &(struct rlimit){ 2048, 2048 });
	}
	if (state.fd < 0 || fstat(state.fd, &st) != 0)
		return 1;
	state.base = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, state.fd, 0);
	state.header = (struct state_header *)(void *)(state.base + 4096);
	if (snap_write(&state, argv[3], argv[4], &report, why, sizeof(why)) != 0) {
		fprintf(stderr, "%s\n", why);
		return 1;
	}
	printf("{\"buckets\":%llu,\"records\":%llu,\"bytes\":%llu,\"tries\":%llu}\n", (unsigned long long)report.buckets,
	       (unsigned long long)report.records, (unsigned long long)report.bytes, (unsigned long long)report.tries);
	return 0;
}

/* ---- the group's records ---- */

static inline struct baton_record *record_at(uint32_t b, uint32_t slot)
{
	return (void *)(state_records(&rig.primary->state, 0) + ((size_t)b * 16 + slot) * 64);
}

static inline void fill(uint32_t b, uint64_t value)
{
	for (uint32_t i = 0; i < RECORDS; i++) {
		struct baton_record *record = record_at(b, 1 + 3 * i);
		uint64_t bytes[6];

		for (uint32_t k = 0; k < 6; k++)
			bytes[k] = value * 1000 + i * 10 + k;
		record->key = b * 100 + i;
		record->state = BATON_RECORD_USED;
		memcpy(record + 1, bytes, sizeof(bytes));
	}
}

static inline bool is_filled(uint32_t b, uint64_t value)
{
	for (uint32_t slot = 0; slot < 16; slot++) {
		const struct baton_record *record = record_at(b, slot);
		bool used = slot % 3 == 1 && slot <= 7;
		uint64_t bytes[6];

		if (record->seq % 2 != 0 || (record->state == BATON_RECORD_USED) != used)
			return false;
		memcpy(bytes, record + 1, sizeof(bytes));
		for (uint32_t k = 0; used && k < 6; k++)
			if (bytes[k] != value * 1000 + slot / 3 * 10 + k)
				return false;
	}
	return true;
}

static inline void fill_all(uint64_t value)
{
	for (uint32_t b = 0; b < FAKE_BUCKETS; b++)
		fill(b, value);
}

/* Buckets that hold what fill(b, value) has put there. */
static inline uint32_t count_filled(uint64_t value)
{
	uint32_t count = 0;

	for (uint32_t b = 0; b < FAKE_BUCKETS; b++)
		count += is_filled(b, value);
	return count;
}

static inline void set_schema(uint32_t schema)
{
	for (uint32_t b = 0; b < FAKE_BUCKETS; b++)
		bucket_word_store(&state_words(&rig.primary->state, 0)[b], schema, 0, 0);
}

/* ---- the rig ---- */

static inline int start_with(const char *text)
{
	if (rig_prepare())
		return -1;
	rig_records();
	rig_plugin("game.so", text);
	snprintf(rig.primary->state_path, sizeof(rig.primary->state_path), "/proc/%d/fd/%d", (int)getpid(),
		 rig.primary->state.fd);
	unsetenv("SNAPSHOT_HOW");
	if (supervisor_init(rig.primary) || command_init(rig.primary))
		return -1;
	wait_until(rig_settled());
	rig.primary->ready = true;
	rig_path(file, "one.snap");
	fill_all(1);
	return 0;
}

static inline int start(void **unused)
{
	(void)unused;
	return start_with("ok 1");
}

static inline int start_new(void **unused)
{
	(void)unused;
	if (start_with(NEW))
		return -1;
	rig.primary->plugin[0].schema = rig.primary->state.header->group[0].newest = 2;
	rig.primary->plugin[0].older[0] = (struct baton_older){ .schema = 1, .record_size = FAKE_RECORD, .down = 1 };
	rig.primary->plugin[0].olders = 1;
	return 0;
}

static inline int begin_snapshot(const char *path, const char *group)
{
	rig_forget();
	return state_snapshot_begin(sup(), path, group, rig_done, 7, rig_why, sizeof(rig_why));
}

static inline int begin_restore(const char *buckets)
{
	rig_forget();
	return state_restore_begin(sup(), file, buckets, NULL, rig_done, 7, rig_why, sizeof(rig_why));
}

static inline void take(void)
{
	assert_int_equal(begin_snapshot(file, NULL), 0);
	wait_done();
	if (!rig_ok())
		fail_msg("%s", rig_error());
}

static inline void restore(const char *buckets, uint32_t count)
{
	if (begin_restore(buckets) != 0)
		fail_msg("%s", rig_why);
	wait_done();
	if (!rig_ok())
		fail_msg("%s", rig_error());
	assert_int_equal(number(rig.reply, "restored"), count);
}

/* It ended, and that was said once; the next one may begin. */
static inline void failed_with(const char *words)
{
	wait_done();
	assert_false(rig_ok());
	if (strstr(rig_error(), words) == NULL)
		fail_msg("'%s' says nothing of '%s'", rig_error(), words);
	assert_int_equal(op()->kind, STATE_OP_NONE);
}

static inline void refused_with(int rc, int wanted, const char *words)
{
	assert_int_equal(rc, wanted);
	if (strstr(rig_why, words) == NULL)
		fail_msg("'%s' says nothing of '%s'", rig_why, words);
}

static inline void settled(void) { wait_until(rig_settled() && sup()->restart.phase == RESTART_IDLE); }

#define TEST(name)     cmocka_unit_test_setup_teardown(name, start, rig_end)
#define TEST_NEW(name) cmocka_unit_test_setup_teardown(name, start_new, rig_end)

/* main() of a test program: also whoever writes snapshots, and a zygote. */
static inline void other_programs(int argc, char **argv)
{
	if (argc > 3 && strcmp(argv[1], "--snapshot") == 0)
		exit(write_snapshot(argv));
	fake_zygote_main(argc, argv);
	log_init("test", getenv("BATON_TEST_LOG") ? LEVEL_DEBUG : LEVEL_ERROR);
}

#endif
