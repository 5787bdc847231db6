/* Crash records: which deaths leave one, what it says, who is shown what, and what is kept of them. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <dirent.h>
#include <sys/stat.h>

#include "crash_record.h"
#include "restart_rig.h"
#include "verbs.h"
#include "wire.h"

static struct crash_records *records(void) { return rig.primary->crash; }

static int start(void **unused)
{
	(void)unused;
	if (rig_prepare() || crash_records_init(rig.primary))
		return -1;
	snprintf(rig.primary->config.crash_dir, sizeof(rig.primary->config.crash_dir), "%s/crash", rig.dir);
	if (supervisor_init(rig.primary) || command_init(rig.primary))
		return -1;
	wait_until(rig_settled());
	return 0;
}

static int end(void **unused)
{
	crash_records_fini(rig.primary);
	return rig_end(unused);
}

/* What the worker's handler would have left. */
static void write_note(uint32_t slot, uint32_t incarnation, int number)
{
	struct crash_note *note = &state_control(&rig.primary->state, slot)->crash;

	*note = (struct crash_note){
		.modules = 1, .mark = CRASH_MARK, .incarnation = incarnation, .doing = CRASH_RUNNING, .signal = number,
		.code = SEGV_MAPERR, .address = 0x10, .ip = 0x7000123, .open = 1, .belt = 0, .position = 77, .frames = 1,
		.frame = {0x7000456}, .module = {{.base = 0x7000000, .start = 0x7000100, .end = 0x7001000}},
	};
}

/* The last record, to be freed; waits until there are so many. */
static json_t *recorded(uint64_t written)
{
	wait_until(records()->written >= written);
	assert_int_equal(records()->written, written);
	return crash_store_read(rig.primary, records()->last_id);
}

static json_t *killed(uint32_t worker, int number)
{
	uint64_t before = records()->written;

	assert_int_equal(kill(rig_pid(worker), number), 0);
	json_t *record = recorded(before + 1);
	assert_non_null(record);
	wait_until(rig_settled());
	return record;
}

static void is(json_t *record, const char *key, const char *value)
{
	const char *found = json_string_value(json_object_get(record, key));

	if ((found == NULL) != (value == NULL) || (value && strcmp(found, value) != 0))
		fail_msg("%s is '%s', not '%s'", key, found ? found : "absent", value ? value : "absent");
}

/* ---- which deaths, and what of ---- */

static void a_fault_is_recorded_with_what_the_worker_said(void **unused)
{
	uint32_t slot = rig_worker(1)->slot;
	struct death_entry *entry = &fake.death.entry;

	(void)unused;
	snprintf(rig.primary->config.service[1].name, BATON_NAME_BYTES, "battle");
	fake.death = (struct slot_death){.unsettled = 9, .undone = 4, .found = true, .exact = true};
	*entry = (struct death_entry){.position = 77, .kind = BELT_PACKET, .service = 1, .bucket = 5, .attempts = 1,
				      .len = 3, .kept = 3, .payload = {1, 0xab, 3}, .time_ns = 1500000000ull};
	write_note(slot, rig_slot(slot)->incarnation, SIGSEGV);
	json_t *record = killed(1, SIGSEGV);
	is(record, "what", "SIGSEGV at 0x10 in game.so+0x123");
	is(record, "cause", "fault");
	is(record, "signal", "SIGSEGV");
	is(record, "code", "SEGV_MAPERR");
	is(record, "address", "0x10");
	is(record, "worker", "game.1");
	is(record, "group", "game");
	is(record, "version", "1");
	is(record, "build_id", "1123456789abcdef0123456789abcdef01234567");
	is(record, "file", rig.plugin);
	is(record, "words", "signal 11 (Segmentation fault), SEGV_MAPERR at 0x10");
	is(json_object_get(record, "at"), "file_address", "0x123");
	is(json_array_get(json_object_get(record, "called_from"), 0), "file_address", "0x455");
	json_t *found = json_object_get(record, "entry");
	is(found, "kind", "packet");
	is(found, "service", "battle");
	is(found, "payload", "01ab03");
	is(found, "received", "1970-01-01T00:00:01.500000Z");
	assert_true(json_is_true(json_object_get(found, "exact")));
	assert_null(json_object_get(found, "game")); /* the plugin is none */
	assert_int_equal(number(record, "unsettled"), 9);
	assert_int_equal(number(record, "undone"), 4);
	const char *line = json_string_value(json_array_get(json_object_get(record, "log"), 0));
	assert_string_equal(line, "a line with another below");
	const char *command = json_string_value(json_array_get(json_object_get(record, "commands"), 0));
	assert_non_null(strstr(command, rig.plugin));
	assert_non_null(strstr(command, " 0x123 0x455"));
	assert_int_equal(fake.look[slot], 77); /* the I/O lcores were asked for that entry */
	json_decref(record);
}

static void the_entry_of_a_game_is_decoded(void **unused)
{
	struct GamePacketHeader header = {.packet_size = 48, .packet_type = PLAYER_ATTACK, .player_id = 4000000001u,
					  .sequence = 17};
	struct crash crash = {.death = {.found = true, .entry = {.kind = BELT_PACKET, .kept = 48, .len = 48}},
			      .plugin_name = "game", .image = -1};

	(void)unused;
	memcpy(crash.death.entry.payload, &header, sizeof(header));
	json_t *record = crash_json(rig.primary, &crash), *game = json_object_get(json_object_get(record, "entry"), "game");
	is(game, "type", "PLAYER_ATTACK");
	assert_int_equal(number(game, "player"), 4000000001u);
	assert_int_equal(number(game, "sequence"), 17);
	json_decref(record);
	crash.death.entry.payload[4] = 99; /* no such type */
	record = crash_json(rig.primary, &crash);
	game = json_object_get(json_object_get(record, "entry"), "game");
	is(game, "type", NULL);
	assert_int_equal(number(game, "packet_type"), 99);
	json_decref(record);
	crash.death.entry.kept = 23; /* not a whole header */
	record = crash_json(rig.primary, &crash);
	assert_null(json_object_get(json_object_get(record, "entry"), "game"));
	json_decref(record);
}

static void a_note_of_the_one_before_is_not_its_own(void **unused)
{
	uint32_t slot = rig_worker(0)->slot;

	(void)unused;
	write_note(slot, rig_slot(slot)->incarnation - 1, SIGSEGV);
	json_t *record = killed(0, SIGSEGV);
	is(record, "what", "SIGSEGV");
	assert_null(json_object_get(record, "at"));
	json_decref(record);
	slot = rig_worker(0)->slot;
	write_note(slot, rig_slot(slot)->incarnation, SIGFPE); /* and it did not die of that */
	record = killed(0, SIGSEGV);
	assert_null(json_object_get(record, "at"));
	json_decref(record);
}

static void a_kill_from_outside_and_a_fence_are_told_apart(void **unused)
{
	uint64_t before;

	(void)unused;
	json_t *record = killed(0, SIGKILL);
	is(record, "cause", "killed");
	assert_ptr_equal(strstr(text(record, "what"), "SIGKILL from outside"), text(record, "what"));
	json_decref(record);
	record = killed(1, SIGTERM);
	is(record, "cause", "signal");
	is(record, "what", "SIGTERM");
	json_decref(record);
	before = records()->written;
	fake.fence = rig_worker(1)->slot;
	record = recorded(before + 1);
	is(record, "cause", "fence");
	assert_ptr_equal(strstr(text(record, "what"), "wrote what no honest worker writes into its belt: a verdict"),
			 text(record, "what"));
	json_decref(record);
	wait_until(rig_settled());
}

static void a_start_that_fails_again_and_again_is_recorded_once(void **unused)
{
	(void)unused;
	rig_plugin("bad.so", "refuse no map");
	restart("game.0", "bad");
	json_t *record = recorded(1);
	is(record, "cause", "start");
	is(record, "what", "could not start: refuse no map");
	json_decref(record);
	for (int i = 0; i < 3; i++)
		restart("game.0", "bad");
	rig_plugin("bad.so", "crash");
	restart("game.0", "bad");
	record = recorded(2);
	assert_ptr_equal(strstr(text(record, "what"), "could not start: signal 11"), text(record, "what"));
	json_decref(record);
}

static void an_orderly_end_is_no_crash(void **unused)
{
	(void)unused;
	restart("game", "two");
	assert_true(rig_ok());
	wait_until(rig_settled());
	supervisor_fini(rig.primary);
	crash_records_fini(rig.primary);
	assert_int_equal(access(rig.primary->config.crash_dir, F_OK), -1);
}

static void what_is_open_at_the_end_is_written(void **unused)
{
	(void)unused;
	assert_int_equal(kill(rig_pid(0), SIGKILL), 0);
	wait_until(records()->open != NULL);
	assert_int_equal(records()->written, 0);
	crash_records_fini(rig.primary);
	json_t *record = crash_store_read(rig.primary, 1);
	is(record, "worker", "game.0");
	json_decref(record);
}

/* ---- files ---- */

static uint32_t write_one(void)
{
	json_t *record = json_pack("{s:s}", "what", "tried");
	uint32_t id = crash_store_write(rig.primary, record);

	json_decref(record);
	return id;
}

static void the_oldest_file_goes(void **unused)
{
	uint32_t id[200];
	char path[BATON_PATH_BYTES + 32];

	(void)unused;
	for (uint32_t i = 1; i <= CRASH_FILES + 7; i++)
		assert_int_equal(write_one(), i);
	snprintf(path, sizeof(path), "%s/notes.json", rig.primary->config.crash_dir);
	assert_true(creat(path, 0600) >= 0);
	write_one();
	assert_int_equal(crash_store_ids(rig.primary, id, 200), CRASH_FILES);
	assert_int_equal(id[0], CRASH_FILES + 8);
	assert_int_equal(id[CRASH_FILES - 1], 9);
	assert_null(crash_store_read(rig.primary, 8));
	assert_int_equal(access(path, F_OK), 0); /* not one of ours */
	/* the next batond counts on */
	records()->last_id = 0;
	assert_int_equal(write_one(), CRASH_FILES + 9);
}

static void a_directory_that_cannot_be_written_stops_nothing(void **unused)
{
	const char *dir = rig.primary->config.crash_dir;

	(void)unused;
	assert_true(creat(dir, 0600) >= 0);
	assert_int_equal(write_one(), 0);
	assert_int_equal(write_one(), 0);
	assert_int_equal(records()->lost, 2);
	assert_true(records()->complained);
	assert_int_equal(kill(rig_pid(0), SIGKILL), 0);
	wait_until(records()->lost == 3);
	wait_until(rig_settled());
	json_t *status = status_build(rig.primary), *crashes = json_object_get(status, "crash_records");
	assert_int_equal(number(crashes, "lost"), 3);
	assert_true(json_is_false(json_object_get(crashes, "writable")));
	json_decref(status);
	assert_int_equal(unlink(dir), 0);
	assert_int_equal(write_one(), 1);
	assert_false(records()->complained);
}

/* Whoever put it there: what is read is a plain file of a sane size. */
static void what_is_no_record_is_not_read(void **unused)
{
	char path[BATON_PATH_BYTES + 32], elsewhere[BATON_PATH_BYTES];

	(void)unused;
	assert_int_equal(write_one(), 1);
	snprintf(path, sizeof(path), "%s/00000002.json", rig.primary->config.crash_dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_null(crash_store_read(rig.primary, 2));
	unlink(path);
	rig_path(elsewhere, "secret.json");
	FILE *file = fopen(elsewhere, "w");
	fputs("{\"secret\":1}", file);
	fclose(file);
	assert_int_equal(symlink(elsewhere, path), 0);
	assert_null(crash_store_read(rig.primary, 2));
	unlink(path);
	file = fopen(path, "w");
	fputs("[1, 2", file);
	fclose(file);
	assert_null(crash_store_read(rig.primary, 2));
}

/* ---- the verbs ---- */

static json_t *call(json_t *(*verb)(const struct command_call *), enum peer_role role, const char *args)
{
	json_t *object = json_loads(args, 0, NULL);
	json_t *reply = verb(&(struct command_call){.primary = rig.primary, .args = object, .role = role});

	json_decref(object);
	return reply;
}

static void viewers_are_not_shown_what_players_sent(void **unused)
{
	(void)unused;
	fake.death = (struct slot_death){.unsettled = 1, .found = true};
	fake.death.entry = (struct death_entry){.kind = BELT_PACKET, .len = 2, .kept = 2, .payload = {7, 8}};
	json_decref(killed(0, SIGKILL));
	json_t *reply = call(verb_crash_show, ROLE_OPERATOR, "{\"id\":\"last\"}"), *crash = json_object_get(reply, "crash");
	is(json_object_get(crash, "entry"), "payload", "0708");
	assert_true(json_array_size(json_object_get(crash, "log")) > 0);
	assert_null(json_object_get(reply, "withheld"));
	json_decref(reply);
	reply = call(verb_crash_show, ROLE_VIEWER, "{\"id\":1}");
	crash = json_object_get(reply, "crash");
	is(crash, "worker", "game.0");
	assert_int_equal(number(json_object_get(crash, "entry"), "length"), 2);
	assert_null(json_object_get(json_object_get(crash, "entry"), "payload"));
	assert_null(json_object_get(crash, "log"));
	assert_int_equal(json_array_size(json_object_get(reply, "withheld")), 3);
	json_decref(reply);
}

static void the_latest_is_listed_first(void **unused)
{
	(void)unused;
	json_decref(killed(0, SIGKILL));
	json_decref(killed(1, SIGTERM));
	json_t *reply = call(verb_crash_list, ROLE_VIEWER, "{}"), *rows = json_object_get(reply, "crashes");
	assert_int_equal(json_array_size(rows), 2);
	is(json_array_get(rows, 0), "what", "SIGTERM");
	is(json_array_get(rows, 0), "worker", "game.1");
	assert_null(json_object_get(json_array_get(rows, 0), "entry"));
	json_decref(reply);
	reply = call(verb_crash_list, ROLE_VIEWER, "{\"last\":1}");
	assert_int_equal(json_array_size(json_object_get(reply, "crashes")), 1);
	json_decref(reply);
}

static void a_bad_question_gets_an_answer(void **unused)
{
	static const struct {
		json_t *(*verb)(const struct command_call *);
		const char *args, *code;
	} bad[] = {
		{verb_crash_list, "{\"last\":0}", "usage"}, {verb_crash_list, "{\"last\":\"x\"}", "usage"},
		{verb_crash_show, "{}", "usage"}, {verb_crash_show, "{\"id\":\"../1\"}", "usage"},
		{verb_crash_show, "{\"id\":-1}", "usage"}, {verb_crash_show, "{\"id\":7}", "not_found"},
		{verb_crash_show, "{\"id\":\"last\"}", "not_found"},
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		json_t *reply = call(bad[i].verb, ROLE_OPERATOR, bad[i].args);

		is(reply, "code", bad[i].code);
		json_decref(reply);
	}
}

#define claim(test) cmocka_unit_test_setup_teardown(test, start, end)

int main(int argc, char **argv)
{
	fake_zygote_main(argc, argv);
	const struct CMUnitTest tests[] = {
		claim(a_fault_is_recorded_with_what_the_worker_said),
		claim(the_entry_of_a_game_is_decoded),
		claim(a_note_of_the_one_before_is_not_its_own),
		claim(a_kill_from_outside_and_a_fence_are_told_apart),
		claim(a_start_that_fails_again_and_again_is_recorded_once),
		claim(an_orderly_end_is_no_crash),
		claim(what_is_open_at_the_end_is_written),
		claim(the_oldest_file_goes),
		claim(a_directory_that_cannot_be_written_stops_nothing),
		claim(what_is_no_record_is_not_read),
		claim(viewers_are_not_shown_what_players_sent),
		claim(the_latest_is_listed_first),
		claim(a_bad_question_gets_an_answer),
	};

	log_init("test", getenv("BATON_TEST_LOG") ? LEVEL_DEBUG : LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
