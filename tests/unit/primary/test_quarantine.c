/* The control plane's side of the quarantine: which deaths count, what is written, and what the restart budget makes of
 * it. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <sys/stat.h>

#include "kept.h"
#include "quarantine_file.h"
#include "restart_rig.h"

#define NEVER UINT64_MAX
#define HOUR  3600000000000ull
#define MS    1000000ull

static struct config_group *group(void) { return &rig.primary->config.group[0]; }
static struct budget *budget(void) { return &rig.primary->supervisor->budget[0]; }
static struct quarantine *quarantine(void) { return &rig.primary->supervisor->quarantine; }
static const struct CoreStats *page(void) { return stats_main(&rig.primary->stats); }

static int begin(void **unused)
{
	struct config *config;

	if (rig_start(unused))
		return -1;
	config = &rig.primary->config;
	config->quarantine_attempts = 2;
	config->quarantine_files = 5;
	config->quarantine_bytes = 16u << 20;
	snprintf(config->service[0].name, BATON_NAME_BYTES, "arena");
	snprintf(config->port[0].name, BATON_NAME_BYTES, "lan");
	rig_path(config->quarantine_dir, "quarantine");
	group()->restart_burst = 2;
	group()->restart_window_ns = HOUR;
	group()->good_after_ns = NEVER;
	budget_fini(rig.primary->supervisor); /* what was good at once in the rig */
	return 0;
}

/* What the I/O lcores will say of the worker's next death: of a packet in whole, or of a tick. */
static void will_report(uint32_t worker, uint8_t kind, uint8_t deaths, bool left)
{
	fake.report = (struct death_report){
		.slot = rig_worker(worker)->slot, .kind = kind, .deaths = deaths, .left = left, .bucket = 17,
		.time_ns = 1700000000123456789ull, .len = 60, .kept = 60, .payload_at = 42,
	};
	for (uint32_t i = 0; i < fake.report.kept; i++)
		fake.report.data[i] = (uint8_t)i;
	fake.has_report = true;
}

static void die_of(uint32_t worker, int signal)
{
	uint32_t before = rig_worker(worker)->crashes;

	wait_until(rig_settled() && rig.primary->supervisor->restart.phase == RESTART_IDLE);
	kill(rig_pid(worker), signal);
	wait_until(rig_worker(worker)->crashes == before + 1);
}

/* Until what it died of is known. */
static void judged(void)
{
	wait_until(!quarantine_judging(rig.primary->supervisor, 0) && !fake.has_report);
}

static void faults_and_stalls_count_and_nothing_else_does(void **unused)
{
	static const struct { int signal; bool counts; } deaths[] = {
		{ SIGSEGV, true }, { SIGBUS, true }, { SIGILL, true }, { SIGFPE, true }, { SIGABRT, true }, { SIGSYS, true },
		{ SIGKILL, false }, { SIGTERM, false }, { SIGINT, false }, { SIGHUP, false }, { SIGPIPE, false },
		{ SIGUSR1, false },
	};

	(void)unused;
	group()->restart_burst = 0;
	for (size_t i = 0; i < sizeof(deaths) / sizeof(deaths[0]); i++) {
		uint32_t slot = rig_worker(0)->slot;

		fake.blame[slot] = (struct death_blame){ .attempts = 99 };
		die_of(0, deaths[i].signal);
		assert_int_equal(fake.blame[slot].attempts, 2);
		assert_int_equal(fake.blame[slot].counts, deaths[i].counts);
		wait_until(rig_settled());
	}
	/* An order is no death. */
	uint32_t slot = rig_worker(1)->slot;
	restart("game.1", NULL);
	assert_true(rig_ok());
	assert_false(fake.blame[slot].counts);
}

/* A worker that settles nothing. */
static void stall(uint32_t worker, bool stopped)
{
	uint32_t before = rig_worker(worker)->crashes, slot;

	wait_until(rig_settled());
	slot = rig_worker(worker)->slot;
	fake.blame[slot] = (struct death_blame){ .attempts = 99 };
	group()->stall_timeout_ns = 20 * MS;
	if (stopped)
		kill(rig_pid(worker), SIGSTOP);
	fake.progress[slot].waiting = 41;
	wait_until(rig_worker(worker)->crashes == before + 1);
	fake.progress[slot].waiting = 0;
	group()->stall_timeout_ns = 0;
	assert_int_equal(fake.blame[slot].attempts, 2);
	assert_int_equal(fake.blame[slot].counts, !stopped);
}

static void a_worker_that_somebody_has_stopped_is_not_blamed_on_its_entry(void **unused)
{
	(void)unused;
	group()->restart_burst = 0;
	stall(0, false); /* a fake sleeps: to the kernel it is blocked */
	stall(0, true);
}

/* What the worker has written down of its end. */
static void will_note(uint32_t worker, int signal, int64_t sender, uint64_t position)
{
	struct crash_note *note = &state_control(&rig.primary->state, rig_worker(worker)->slot)->crash;

	crash_note_clear(note);
	note->incarnation = rig_slot(rig_worker(worker)->slot)->incarnation;
	note->signal = signal;
	note->address = 0xdead;
	note->sender = sender;
	note->belt = 0;
	note->position = position;
	atomic_store(&note->open, 1);
	atomic_store(&note->mark, CRASH_MARK);
}

static void a_note_says_who_sent_the_signal_and_where_it_was(void **unused)
{
	uint32_t slot = rig_worker(0)->slot;

	(void)unused;
	group()->restart_burst = 0;
	will_note(0, SIGSEGV, 0, 77);
	die_of(0, SIGSEGV);
	assert_true(fake.blame[slot].counts && fake.blame[slot].named);
	assert_int_equal(fake.blame[slot].position, 77);
	assert_true(quarantine()->death[slot].has_address);
	assert_int_equal(quarantine()->death[slot].address, 0xdead);

	wait_until(rig_settled());
	slot = rig_worker(0)->slot;
	will_note(0, SIGSEGV, 1, 77);
	die_of(0, SIGSEGV);
	assert_false(fake.blame[slot].counts);

	wait_until(rig_settled());
	slot = rig_worker(0)->slot;
	will_note(0, SIGABRT, rig_pid(0), 77); /* abort() */
	die_of(0, SIGABRT);
	assert_true(fake.blame[slot].counts);
	assert_false(quarantine()->death[slot].has_address);
}

static json_t *listed(void)
{
	json_t *list = NULL;

	assert_int_equal(quarantine_list(rig.primary->config.quarantine_dir, &list), 0);
	return list;
}

/* In the entry's file, whole, and not in what is only listed or shown. */
static void records_are_kept_in_the_same_file(void **unused)
{
	static uint8_t bytes[sizeof(struct kept_head)] __attribute__((aligned(8)));
	const struct kept_head head = { .magic = KEPT_MAGIC, .version = KEPT_VERSION, .records = 0, .schema = 3 };
	json_t *list, *one = NULL;

	(void)unused;
	memcpy(bytes, &head, sizeof(head));
	fake.kept = bytes;
	fake.kept_len = (int)sizeof(bytes);
	will_report(0, BELT_PACKET, 2, true);
	die_of(0, SIGSEGV);
	judged();
	list = listed();
	const char *name = text(json_array_get(list, 0), "name"), *directory = rig.primary->config.quarantine_dir;
	assert_string_equal(text(json_array_get(list, 0), "records"), "0 of schema 3");
	assert_null(json_object_get(json_array_get(list, 0), "kept"));
	assert_int_equal(quarantine_show(directory, name, QUARANTINE_ENTRY, &one), 0);
	assert_null(json_object_get(one, "kept"));
	json_decref(one);
	assert_int_equal(quarantine_show(directory, name, QUARANTINE_RECORDS, &one), 0);
	assert_int_equal(strlen(text(one, "kept")), 2 * sizeof(bytes));
	assert_memory_equal(text(one, "kept"), "4261746e4b505431", 16);
	assert_string_equal(text(one, "payload"), "2a2b2c2d2e2f303132333435363738393a3b");
	json_decref(one);
	json_decref(list);
}

/* Its worker is not undone yet: what it has changed may not be in the file. */
static void an_entry_waits_for_the_undo_and_no_longer(void **unused)
{
	(void)unused;
	fake.hold_undo = true;
	will_report(0, BELT_PACKET, 2, true);
	fake.has_report = false; /* the fake's comes no sooner than the undo, an I/O lcore's may */
	kill(rig_pid(0), SIGKILL);
	wait_until(rig_worker(0)->crashes == 1);
	quarantine()->waiting[0] = fake.report;
	quarantine()->waits = 1;
	for (int i = 0; i < 20; i++)
		rig_turn();
	assert_int_equal(quarantine()->waits, 1);
	assert_int_equal(quarantine()->kept, 0);
	fake.hold_undo = false;
	wait_until(quarantine()->waits == 0);
	assert_int_equal(quarantine()->kept, 1);
}

static void what_leaves_is_in_a_file(void **unused)
{
	json_t *list, *one = NULL;

	(void)unused;
	will_report(0, BELT_PACKET, 2, true);
	die_of(0, SIGSEGV);
	judged();
	list = listed();
	assert_int_equal(json_array_size(list), 1);
	const char *name = text(json_array_get(list, 0), "name");
	assert_true(quarantine_is_name(name));
	assert_int_equal(quarantine_show(rig.primary->config.quarantine_dir, name, QUARANTINE_ENTRY, &one), 0);
	assert_string_equal(text(one, "entry"), "packet");
	assert_string_equal(text(one, "signal"), "SIGSEGV");
	assert_string_equal(text(one, "address"), "unknown");
	assert_string_equal(text(one, "worker"), "game.0");
	assert_string_equal(text(one, "service"), "arena");
	assert_string_equal(text(one, "plugin"), "fake");
	assert_string_equal(text(one, "version"), "1");
	assert_string_equal(text(one, "time"), "2023-11-14T22:13:20.123456789Z");
	assert_int_equal(number(one, "bucket"), 17);
	assert_int_equal(number(one, "deaths"), 2);
	assert_int_equal(strlen(text(one, "frame")), 120);
	assert_string_equal(text(one, "payload"), "2a2b2c2d2e2f303132333435363738393a3b");
	assert_int_equal(page()->quarantine_kept, 1);
	assert_int_equal(page()->quarantine_unkept, 0);
	json_decref(one);
	json_decref(list);
}

static void messages_are_kept_as_they_are(void **unused)
{
	json_t *list, *one = NULL;

	(void)unused;
	will_report(0, BELT_MESSAGE, 2, true);
	fake.report.payload_at = 0;
	die_of(0, SIGSEGV);
	judged();
	list = listed();
	assert_int_equal(quarantine_show(rig.primary->config.quarantine_dir, text(json_array_get(list, 0), "name"), QUARANTINE_RECORDS, &one), 0);
	assert_string_equal(text(one, "entry"), "message");
	assert_string_equal(text(one, "payload"), text(one, "frame"));
	json_decref(one);
	json_decref(list);
}

/* The first death counts; the second is the one it leaves with. */
static void kill_two_workers(uint32_t worker)
{
	will_report(worker, BELT_PACKET, 1, false);
	die_of(worker, SIGSEGV);
	judged();
	wait_until(rig_settled());
	will_report(worker, BELT_PACKET, 2, true);
	die_of(worker, SIGSEGV);
	judged();
}

static void one_poison_entry_does_not_spend_the_budget_and_a_second_may(void **unused)
{
	(void)unused;
	kill_two_workers(0);
	assert_false(budget()->spent);
	assert_int_equal(budget()->crashes, 1);
	wait_until(rig_settled());
	will_report(1, BELT_PACKET, 1, false);
	die_of(1, SIGSEGV);
	judged();
	assert_true(budget()->spent);
}

static void nothing_is_started_before_a_death_is_judged(void **unused)
{
	(void)unused;
	group()->restart_burst = 1;
	die_of(0, SIGSEGV);
	assert_true(quarantine_judging(rig.primary->supervisor, 0));
	assert_int_equal(rig_worker(0)->slot, SLOT_NONE);
	assert_false(budget()->spent);
	judged();
	assert_true(budget()->spent);
}

static void a_group_whose_ticks_kill_falls_back(void **unused)
{
	(void)unused;
	group()->restart_burst = 50;
	group()->good_after_ns = 0;
	wait_until(budget()->good[0].known);
	group()->good_after_ns = NEVER;
	restart("game", "two");
	assert_true(rig_ok());
	will_report(0, BELT_TICK, 1, false);
	die_of(0, SIGSEGV);
	judged();
	assert_false(budget()->fell_back);
	wait_until(rig_settled());
	will_report(0, BELT_TICK, 1, false);
	die_of(0, SIGSEGV);
	judged();
	assert_true(budget()->fell_back);
	assert_false(budget()->spent);
	wait_until(rig_settled() && rig.primary->supervisor->restart.phase == RESTART_IDLE);
	assert_string_equal(rig_slot(rig_worker(0)->slot)->ready.version, "1");
	assert_int_equal(quarantine()->left, 0);
}

static void a_directory_that_cannot_be_written_is_counted(void **unused)
{
	(void)unused;
	snprintf(rig.primary->config.quarantine_dir, BATON_PATH_BYTES, "/proc/nowhere");
	will_report(0, BELT_PACKET, 2, true);
	die_of(0, SIGSEGV);
	judged();
	assert_int_equal(page()->quarantine_kept, 0);
	assert_int_equal(page()->quarantine_unkept, 1);
	assert_true(quarantine()->failing);
	wait_until(rig_settled());
}

static void the_oldest_files_go_and_what_is_not_ours_stays(void **unused)
{
	struct pcapng entry = { .link = PCAPNG_ETHERNET, .interface = "lan", .program = "test", .comment = "a: b" };
	char name[20][QUARANTINE_NAME], why[400], path[BATON_PATH_BYTES + 100];
	uint8_t data[20000] = { 0 };
	json_t *list;
	FILE *file;

	(void)unused;
	entry.data = data;
	entry.len = entry.kept = 100;
	assert_int_equal(quarantine_write(rig.primary, &entry, "arena", 1, name[0], why, sizeof(why)), 0);
	snprintf(path, sizeof(path), "%s/of-somebody-else.pcapng", rig.primary->config.quarantine_dir);
	file = fopen(path, "w");
	assert_non_null(file);
	fclose(file);
	for (uint32_t i = 1; i < 20; i++)
		assert_int_equal(quarantine_write(rig.primary, &entry, "arena", i, name[i], why, sizeof(why)), 0);
	list = listed();
	assert_int_equal(json_array_size(list), 5);
	for (uint32_t i = 0; i < 5; i++)
		assert_string_equal(text(json_array_get(list, i), "name"), name[15 + i]);
	json_decref(list);
	assert_int_equal(access(path, F_OK), 0);
	/* Bytes are limited too, but the latest stays. */
	entry.len = entry.kept = sizeof(data);
	rig.primary->config.quarantine_bytes = 50000;
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(quarantine_write(rig.primary, &entry, "arena", i, name[i], why, sizeof(why)), 0);
	list = listed();
	assert_int_equal(json_array_size(list), 2);
	json_decref(list);
	rig.primary->config.quarantine_bytes = 1;
	assert_int_equal(quarantine_write(rig.primary, &entry, "arena", 9, name[9], why, sizeof(why)), 0);
	list = listed();
	assert_int_equal(json_array_size(list), 1);
	assert_string_equal(text(json_array_get(list, 0), "name"), name[9]);
	json_decref(list);
}

static void names_are_no_paths(void **unused)
{
	(void)unused;
	assert_true(quarantine_is_name("20261127T142103.123456789Z-game-1.pcapng"));
	assert_false(quarantine_is_name("20261127T142103.123456789Z-../1.pcapng"));
	assert_false(quarantine_is_name("../20261127T142103.123456789Z-game-1.pcapng"));
	assert_false(quarantine_is_name(".20261127T142103.123456789Z-game-1.pcapng.new"));
	assert_false(quarantine_is_name("20261127T142103.123456789Z.pcapng"));
	assert_false(quarantine_is_name(""));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, rig_end)

int main(int argc, char **argv)
{
	fake_zygote_main(argc, argv);
	const struct CMUnitTest tests[] = {
		CASE(faults_and_stalls_count_and_nothing_else_does),
		CASE(a_worker_that_somebody_has_stopped_is_not_blamed_on_its_entry),
		CASE(a_note_says_who_sent_the_signal_and_where_it_was),
		CASE(records_are_kept_in_the_same_file),
		CASE(an_entry_waits_for_the_undo_and_no_longer),
		CASE(what_leaves_is_in_a_file),
		CASE(messages_are_kept_as_they_are),
		CASE(one_poison_entry_does_not_spend_the_budget_and_a_second_may),
		CASE(nothing_is_started_before_a_death_is_judged),
		CASE(a_group_whose_ticks_kill_falls_back),
		CASE(a_directory_that_cannot_be_written_is_counted),
		CASE(the_oldest_files_go_and_what_is_not_ours_stays),
		cmocka_unit_test(names_are_no_paths),
	};

	log_init("test", getenv("BATON_TEST_LOG") ? LEVEL_DEBUG : LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
