/* Which worker has a key: what is asked for, found, and refused with the reason. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <arpa/inet.h>

#include "baton.h"
#include "hash.h"
#include "reload.h"
#include "scale_rig.h"

#define SALT 0x0123456789abcdefull

/* Two services of group game: arena, steered by four bytes of the payload, and lobby, by flow, at port 7. */
static int start(void **state)
{
	int rc = rig_start(state);
	struct primary *primary = rig.primary;

	if (rc)
		return rc;
	primary->state.header->salt = SALT;
	snprintf(primary->config.service[0].name, BATON_NAME_BYTES, "arena");
	snprintf(primary->config.service[1].name, BATON_NAME_BYTES, "lobby");
	primary->config.service[1].udp_port = 7;
	primary->setup.key[0] = (struct datapath_key){ .key = BATON_KEY_PAYLOAD, .offset = 8, .length = 4 };
	primary->setup.key[1] = (struct datapath_key){ .key = BATON_KEY_FLOW };
	return 0;
}

/* Asks for the keys, separated by blanks. The reply is rig.reply. */
static void find(const char *service, const char *keys)
{
	json_t *list = json_array();
	char text[256], *rest = text;

	snprintf(text, sizeof(text), "%s", keys);
	for (char *word; (word = strsep(&rest, " ")) != NULL;)
		json_array_append_new(list, json_string(word));
	json_decref(rig.reply);
	rig.reply = scale_find(rig.primary, service, list);
	json_decref(list);
}

static json_t *row(size_t i) { return json_array_get(json_object_get(rig.reply, "keys"), i); }

static void refused(const char *service, const char *keys, const char *code, const char *why)
{
	find(service, keys);
	assert_false(rig_ok());
	assert_string_equal(text(rig.reply, "code"), code);
	if (!strstr(rig_error(), why))
		fail_msg("'%s' does not say '%s'", rig_error(), why);
	assert_null(strchr(rig_error(), '\n'));
}

/* ---- found ---- */

static void a_key_is_found_where_its_packets_go(void **unused)
{
	uint8_t bytes[8] = { 0x44, 0x33, 0x22, 0x11, 0xff, 0xff, 0xff, 0xff }; /* player 0x11223344, and what follows */
	uint32_t bucket = hash_key(hash_key_bytes(bytes, 4), SALT) & (FAKE_BUCKETS - 1);
	uint32_t slot = fake.owner[0][bucket];

	(void)unused;
	find("arena", "0x11223344 287454020 0X11223344 0000287454020");
	assert_true(rig_ok());
	assert_string_equal(text(rig.reply, "service"), "arena");
	assert_string_equal(text(rig.reply, "group"), "game");
	assert_string_equal(text(rig.reply, "steered_by"), "payload");
	assert_int_equal(number(rig.reply, "buckets"), FAKE_BUCKETS);
	assert_int_equal(json_array_size(json_object_get(rig.reply, "keys")), 4);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(number(row(i), "key"), 0x11223344);
		assert_int_equal(number(row(i), "bucket"), bucket);
		assert_int_equal(number(row(i), "slot"), slot);
		assert_string_equal(text(row(i), "worker"), rig_worker(rig_slot(slot)->worker)->name);
		assert_int_equal(number(row(i), "pid"), rig_slot(slot)->pid);
		assert_string_equal(text(row(i), "state"), "active");
		assert_true(json_is_null(json_object_get(row(i), "moving_to")));
	}
}

/* A thousand of them, whoever owns them by then: no bucket and no worker is left out, none is somebody else's. */
static void every_bucket_has_the_owner_it_is_said_to_have(void **unused)
{
	uint64_t seen = 0;
	char word[16];

	(void)unused;
	start_worker_of("game");
	for (uint32_t key = 0; key < 1000; key++) {
		snprintf(word, sizeof(word), "%u", key);
		find("arena", word);
		long long bucket = number(row(0), "bucket");
		assert_in_range(bucket, 0, FAKE_BUCKETS - 1);
		assert_int_equal(bucket, hash_key(key, SALT) % FAKE_BUCKETS);
		assert_int_equal(number(row(0), "slot"), fake.owner[0][bucket]);
		seen |= 1ull << bucket;
	}
	assert_true(seen == UINT64_MAX);
}

/* Bytes as they travel, in memory order of the key: the service's port, the client's port, the client's address. */
static void a_flow_is_found_by_the_client(void **unused)
{
	const uint8_t bytes[8] = { 0, 7, 40000 >> 8, 40000 & 255, 2, 0, 0, 10 };
	uint32_t ip = htonl(0x0a000002);
	uint64_t key;

	(void)unused;
	memcpy(&key, bytes, 4);
	key = (key & UINT32_MAX) | (uint64_t)ip << 32;
	uint32_t bucket = hash_key(key, SALT) % FAKE_BUCKETS;
	uint8_t owner = (uint8_t)fake.owner[0][bucket];
	fake.owner[0][bucket] = SLOT_NONE; /* of the other service */
	find("lobby", "10.0.0.2:40000");
	fake.owner[0][bucket] = owner;
	assert_true(rig_ok());
	assert_string_equal(text(rig.reply, "steered_by"), "flow");
	assert_string_equal(text(row(0), "key"), "10.0.0.2:40000");
	assert_int_equal(number(row(0), "bucket"), bucket);
	assert_int_equal(number(row(0), "slot"), fake.owner[1][bucket]);
}

static void the_only_service_needs_no_name(void **unused)
{
	(void)unused;
	rig.primary->config.services = 1;
	find(NULL, "1");
	assert_true(rig_ok());
	find("game", "1"); /* a group that has one */
	assert_true(rig_ok());
	assert_string_equal(text(rig.reply, "service"), "arena");
	rig.primary->config.services = FAKE_SERVICES;
	snprintf(rig.primary->config.service[1].name, BATON_NAME_BYTES, "game"); /* a service's name goes first */
	find("game", "10.0.0.2:1");
	assert_true(rig_ok());
}

static void a_key_that_nobody_has_and_one_that_moves(void **unused)
{
	char word[16];
	uint32_t key = 0, bucket;

	(void)unused;
	while ((bucket = hash_key(key, SALT) % FAKE_BUCKETS) % 2 != 0) /* game.0's */
		key++;
	fake.hold_moves = true;
	snprintf(word, sizeof(word), "%u", bucket);
	assert_int_equal(begin_buckets(word, "game.1"), 0);
	wait_until(rig_worker(1)->transfer.id > 0);
	snprintf(word, sizeof(word), "%u", key);
	find("arena", word);
	assert_string_equal(text(row(0), "moving_to"), "game.1");
	assert_int_equal(number(row(0), "moving_to_slot"), rig_worker(1)->slot);
	for (uint32_t other = key + 1;; other++)
		if (hash_key(other, SALT) % FAKE_BUCKETS != bucket) {
			snprintf(word, sizeof(word), "%u", other);
			find("arena", word);
			assert_true(json_is_null(json_object_get(row(0), "moving_to")));
			break;
		}
	json_decref(rig.reply);
	rig.reply = NULL;
	fake.hold_moves = false;
	done_well();
	uint8_t owner = (uint8_t)fake.owner[0][bucket];
	fake.owner[0][bucket] = SLOT_NONE;
	snprintf(word, sizeof(word), "%u", key);
	find("arena", word);
	fake.owner[0][bucket] = owner;
	assert_true(json_is_null(json_object_get(row(0), "worker")));
	assert_true(json_is_null(json_object_get(row(0), "pid")));
	assert_string_equal(text(row(0), "state"), "none");
}

static void keys_beyond_2_to_the_53_are_exact(void **unused)
{
	(void)unused;
	rig.primary->setup.key[0].length = 8;
	find("arena", "18446744073709551615");
	assert_true(rig_ok());
	assert_string_equal(text(row(0), "key"), "18446744073709551615");
	assert_int_equal(number(row(0), "bucket"), hash_key(UINT64_MAX, SALT) % FAKE_BUCKETS);
	refused("arena", "18446744073709551616", "usage", "0 to 18446744073709551615");
}

/* ---- refused ---- */

static void what_is_no_key_is_refused_with_what_would_be_one(void **unused)
{
	static const char *const number[] = { "x", "0x", "12a", "-1", "+1", "1.5", "0xg", "10.0.0.2:40000", "4294967296",
					      "99999999999999999999999", "1 x", "\xc3\xa4\xc3\xa4" };
	static const char *const flow[] = { "123", "0x7b", "10.0.0.2", "10.0.0.2:", ":40000", "10.0.0.2:0", "10.0.0:1",
					    "10.0.0.2:65536", "10.0.0.256:1", "10.0.0.2:1:1", "10.0.0.200000000000:1",
					    "[::1]:40000" };

	(void)unused;
	for (size_t i = 0; i < sizeof(number) / sizeof(number[0]); i++)
		refused("arena", number[i], "usage", "steered by 4 bytes of the payload: give a number from 0 to 4294967295");
	for (size_t i = 0; i < sizeof(flow) / sizeof(flow[0]); i++)
		refused("lobby", flow[i], "usage", "give ADDRESS:PORT");
	refused("arena", "", "usage", "give a number");
	rig.primary->setup.key[0].length = 1;
	refused("arena", "256", "usage", "1 byte of the payload: give a number from 0 to 255");
	find("arena", "255");
	assert_true(rig_ok());
}

static void one_service_must_be_meant(void **unused)
{
	(void)unused;
	refused(NULL, "1", "usage", "name it before the keys; there are arena, lobby");
	refused("game", "1", "usage", "there are arena, lobby");
	refused("gmae", "1", "not_found", "no service and no group 'gmae': services are arena, lobby");
	refused("", "1", "not_found", "services are arena, lobby");
}

static void a_question_without_keys_or_with_too_many_is_refused(void **unused)
{
	json_t *list = json_array();

	(void)unused;
	for (int i = 0; i < 1001; i++) {
		json_decref(rig.reply);
		rig.reply = scale_find(rig.primary, "arena", i == 0 ? NULL : list);
		assert_int_equal(rig_ok(), i > 0);
		json_array_append_new(list, json_string("1"));
	}
	json_decref(rig.reply);
	rig.reply = scale_find(rig.primary, "arena", list);
	assert_string_equal(text(rig.reply, "code"), "usage");
	json_decref(list);
	list = json_pack("[i]", 1);
	json_decref(rig.reply);
	rig.reply = scale_find(rig.primary, "arena", list);
	assert_string_equal(text(rig.reply, "code"), "usage");
	json_decref(list);
}

#define claim(test) cmocka_unit_test_setup_teardown(test, start, rig_end)

int main(int argc, char **argv)
{
	fake_zygote_main(argc, argv);
	const struct CMUnitTest tests[] = {
		claim(a_key_is_found_where_its_packets_go),
		claim(every_bucket_has_the_owner_it_is_said_to_have),
		claim(a_flow_is_found_by_the_client),
		claim(the_only_service_needs_no_name),
		claim(a_key_that_nobody_has_and_one_that_moves),
		claim(keys_beyond_2_to_the_53_are_exact),
		claim(what_is_no_key_is_refused_with_what_would_be_one),
		claim(one_service_must_be_meant),
		claim(a_question_without_keys_or_with_too_many_is_refused),
	};

	log_init("test", getenv("BATON_TEST_LOG") ? LEVEL_DEBUG : LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
