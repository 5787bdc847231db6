/* A whole worker, from its fork to its end, with a primary in memory and a plugin that tries what it must not. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "fake.h"
#include "plugin_cc.h"
#include "shadow_region.h"
#include "worker.h"

#define LCORES  2u
#define SLOTS   3u
#define SLOT    1u /* ours */
#define BUCKETS 16u
#define WAIT_MS 60000

/* Request: {operation, address}; reply: {operation, result}. */
#define PLUGIN_SOURCE \
	"#include \"baton.h\"\n#include <errno.h>\n#include <unistd.h>\n#include <dirent.h>\n" \
	"static int open_files(void) { int n = 0; DIR *d = opendir(\"/proc/self/fd\");\n" \
	"	while (readdir(d)) n++; closedir(d); return n - 3; }\n" \
	"static baton_verdict packet(struct baton_ctx *ctx, const struct baton_packet *p, uint8_t *data)\n" \
	"{ uint64_t r[2]; memcpy(r, data, 16);\n" \
	"	switch (r[0]) {\n" \
	"	case 1: *(volatile uint8_t *)r[1] += 1; break;\n" \
	"	case 2: errno = 0; r[1] = fork() == -1 ? errno : 0; break;\n" \
	"	case 3: r[1] = (uint64_t)open_files(); break;\n" \
	"	case 4: r[1] = (uint64_t)ctx->records; break;\n" \
	"	case 5: r[1] = (uint64_t)getpid(); break;\n" \
	"	}\n	memcpy(data, r, 16); return baton_reply(p->len); }\n" \
	"BATON_PLUGIN(.name = \"probe\", .version = \"1\", .key = KEY, .key_length = 4, .schema = 1,\n" \
	"	.record_size = SIZE,\n" \
	"	.max_undo_bytes = 64, .init = INIT, .packet = packet);\n"
#define PLUGIN_FLAGS "-DKEY=BATON_KEY_PAYLOAD -DSIZE=32 -DINIT=0"

static struct worker_host host;
static struct fake_primary primary[LCORES];
static struct zygote_spawn spawn;
static uint8_t *others; /* shared memory that is nobody's business here */
static pid_t worker;
static int control = -1;
static int region = -1; /* shadow region; -1: none */

/* Pages of every belt of an lcore, as the primary's memzone has them. */
static uint8_t *map_belts(uint32_t lcore)
{
	size_t bytes = (size_t)SLOTS * BATON_HUGE_PAGE;
	uint8_t *at = mmap(NULL, bytes + BATON_HUGE_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	at = (uint8_t *)(((uintptr_t)at + BATON_HUGE_PAGE - 1) & ~(uintptr_t)(BATON_HUGE_PAGE - 1));
	at = mmap(at, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	assert_ptr_not_equal(at, MAP_FAILED);
	for (uint32_t slot = 0; slot < SLOTS; slot++)
		belt_init((struct belt *)(void *)(at + (size_t)slot * BATON_HUGE_PAGE), lcore, slot);
	return at;
}

static int set_up(void **state)
{
	char instance[32];
	int fd = -1;

	(void)state;
	snprintf(instance, sizeof(instance), "test.%d", (int)getpid());
	fake_state_create(&host.state, BUCKETS, 32, 64, SLOTS, LCORES);
	assert_int_equal(stats_create(&host.stats, instance, LCORES, SLOTS, 1000000000, &fd), 0);
	stats_unlink(instance);
	host.header = *host.state.header;
	host.state.header = &host.header;
	host.primary = getpid();
	host.io_lcores = LCORES;
	host.slots = SLOTS;
	for (uint32_t i = 0; i < LCORES; i++) {
		host.belts[i] = map_belts(i);
		primary[i].belt = (struct belt *)(void *)(host.belts[i] + (size_t)SLOT * BATON_HUGE_PAGE);
		primary[i].commit = &state_control(&host.state, SLOT)->commit[i];
		belt_producer_init(&primary[i].producer, primary[i].belt, primary[i].commit, primary[i].shadow);
	}
	others = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_int_equal(confine_filter_build(&host.filter), 0);
	assert_int_equal(confine_maps_read(&host.maps), 0);
	spawn = (struct zygote_spawn){
		.slot = SLOT, .incarnation = 7, .group = 0, .io_lcores = LCORES, .cpu = -1, .buckets = BUCKETS,
		.key = BATON_KEY_PAYLOAD, .name = "game.1", .plugin = "/plugins/probe.so",
	};
	return 0;
}

static void start(int plugin)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	fflush(NULL);
	worker = fork();
	assert_true(worker >= 0);
	if (worker == 0 && region >= 0) { /* away from the number that is the region's */
		pair[1] = fcntl(pair[1], F_DUPFD, 64);
		plugin = fcntl(plugin, F_DUPFD, 64);
		host.state.fd = fcntl(host.state.fd, F_DUPFD, 64);
		dup2(region, ZYGOTE_FD_SHADOW);
	}
	if (worker == 0)
		worker_run(&host, &spawn, pair[1], plugin);
	close(pair[1]);
	close(plugin);
	control = pair[0];
}

/* The next message of the worker, 0 at hang-up. */
static uint32_t hear(struct zygote_message *message)
{
	struct pollfd p = {.fd = control, .events = POLLIN};

	assert_int_equal(poll(&p, 1, WAIT_MS), 1);
	int rc = zygote_receive(control, message, NULL, NULL);
	assert_in_range(rc, 0, 1);
	return rc == 0 ? 0 : message->kind;
}

static int end_status(void)
{
	int status;

	assert_int_equal(waitpid(worker, &status, 0), worker);
	close(control);
	return status;
}

static void start_probe(void)
{
	struct zygote_message message;

	start(plugin_cc_fd(PLUGIN_SOURCE, PLUGIN_FLAGS));
	assert_int_equal(hear(&message), WORKER_HELLO);
	assert_int_equal(hear(&message), WORKER_READY);
}

static uint64_t answer;

static void note(void *arg, const struct fake_entry *entry, uint32_t verdict, const uint8_t *reply)
{
	(void)arg;
	(void)entry;
	assert_int_equal(verdict, baton_reply(16));
	memcpy(&answer, reply + 8, 8);
}

static void offer(uint32_t lcore, uint8_t kind, uint64_t operation, uint64_t value)
{
	static struct fake_entry entry;

	entry = (struct fake_entry){.kind = kind, .bucket = 3, .len = kind == BELT_PACKET ? 16 : 0, .time_ns = 5};
	memcpy(entry.data, &operation, 8);
	memcpy(entry.data + 8, &value, 8);
	assert_true(fake_offer(&primary[lcore], &entry));
	atomic_fetch_add(&primary[lcore].belt->doorbell, 1); /* found at the latest when its sleep of 100 ms ends */
}

static uint64_t ask(uint32_t lcore, uint64_t operation, uint64_t value)
{
	uint32_t waited = 0;

	offer(lcore, BELT_PACKET, operation, value);
	while (fake_reap(&primary[lcore], note, NULL) == 0) {
		assert_true(waited++ < WAIT_MS);
		poll(NULL, 0, 1);
	}
	return answer;
}

static int stop_worker(void)
{
	offer(0, BELT_STOP, 0, 0);
	int status = end_status();
	assert_int_equal(fake_reap(&primary[0], NULL, NULL), 1);
	return status;
}

static void a_worker_says_what_it_loaded_serves_and_leaves(void **state)
{
	struct zygote_message message;

	(void)state;
	start(plugin_cc_fd(PLUGIN_SOURCE, PLUGIN_FLAGS));
	assert_int_equal(hear(&message), WORKER_HELLO);
	assert_int_equal(hear(&message), WORKER_READY);
	assert_string_equal(message.ready.plugin_name, "probe");
	assert_int_equal(message.ready.record_size, 32);
	assert_int_equal(strlen(message.ready.build_id), 40);
	assert_int_equal(ask(0, 5, 0), worker);
	assert_int_equal(ask(1, 5, 0), worker);
	struct CoreStats *page = stats_worker_page(&host.stats, SLOT);
	assert_int_equal(page->kind, CORE_WORKER);
	assert_int_equal(page->index, SLOT);
	assert_int_equal(page->incarnation, 7);
	assert_string_equal(page->name, "game.1");
	assert_int_equal(stop_worker(), 0);
	assert_int_equal(page->processed, 3);
}

static void a_worker_keeps_its_socket_and_the_state_file_alone(void **state)
{
	int extra = open("/dev/null", O_RDONLY);

	(void)state;
	start_probe();
	assert_int_equal(ask(0, 3, 0), 5); /* 0 to 2 are /dev/null */
	assert_int_equal(ask(0, 2, 0), EPERM);
	assert_int_equal(stop_worker(), 0);
	close(extra);
}

/* The probe goes round the SDK, so in a debug build verify mode runs it twice and cannot undo the first. */
#ifdef BATON_DEBUG
#define RUNS 2
#else
#define RUNS 1
#endif

static void a_worker_writes_where_it_must(void **state)
{
	(void)state;
	start_probe();
	uint64_t own[] = {(uintptr_t)state_records(&host.state, 0) + 100, (uintptr_t)state_words(&host.state, 0),
			  (uintptr_t)state_control(&host.state, SLOT)->journal.records,
			  (uintptr_t)stats_worker_page(&host.stats, SLOT) + 4095,
			  (uintptr_t)primary[1].belt->long_cells};
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		uint8_t before = *(uint8_t *)(uintptr_t)own[i];
		ask(0, 1, own[i]);
		assert_int_equal(*(uint8_t *)(uintptr_t)own[i], (uint8_t)(before + RUNS));
		*(uint8_t *)(uintptr_t)own[i] = before;
	}
	assert_int_equal(stop_worker(), 0);
}

static void a_wild_write_is_a_crash_and_leaves_no_trace(void **state)
{
	uint8_t *wild[] = {
		host.belts[0], host.belts[0] + (size_t)(SLOT + 1) * BATON_HUGE_PAGE,
		host.belts[1] + (size_t)SLOT * BATON_HUGE_PAGE - 1, host.state.base,
		(uint8_t *)state_control(&host.state, SLOT - 1), (uint8_t *)state_control(&host.state, SLOT + 1),
		(uint8_t *)host.stats.header, (uint8_t *)stats_worker_page(&host.stats, SLOT - 1),
		(uint8_t *)stats_worker_page(&host.stats, SLOT + 1), others,
	};

	struct crash_note *there = &state_control(&host.state, SLOT)->crash;
	static struct crash_note said;

	(void)state;
	for (size_t i = 0; i < sizeof(wild) / sizeof(wild[0]); i++) {
		uint8_t before = *wild[i];

		crash_note_clear(there);
		start_probe();
		offer(1, BELT_PACKET, 1, (uintptr_t)wild[i]);
		int status = end_status();
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
		assert_int_equal(*wild[i], before);
		assert_true(crash_note_read(there, spawn.incarnation, SIGSEGV, &said));
		assert_true(said.open == 1 && said.belt == 1 && said.address == (uintptr_t)wild[i]);
		/* as the primary would: nothing was settled; positions go on (R4) */
		assert_int_equal(fake_reap(&primary[1], NULL, NULL), 0);
		static const struct fake_entry *entries[BELT_SLOTS];
		assert_int_equal(fake_take_back(&primary[1], entries), 1);
	}
}

static void refused(int plugin, const char *what, const char *fix)
{
	struct zygote_message message;

	start(plugin);
	assert_int_equal(hear(&message), WORKER_HELLO);
	assert_int_equal(hear(&message), WORKER_REFUSED);
	if (strstr(message.text, what) == NULL || strstr(message.text, fix) == NULL)
		fail_msg("\"%s\" lacks \"%s\" or \"%s\"", message.text, what, fix);
	assert_int_equal(hear(&message), 0);
	int status = end_status();
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
}

/* The signal that an entry ended the worker by; SIGKILL: by none, the worker has settled it. */
static int ended_by(const struct belt_producer *belt)
{
	int status;

	while (waitpid(worker, &status, WNOHANG) == 0) {
		if (atomic_load(&belt->commit->done) == belt->offered)
			kill(worker, SIGKILL);
		sched_yield();
	}
	close(control);
	return WTERMSIG(status);
}

/* Whatever a shadow does, it does to copies: the group's records are not there. */
static void a_shadow_has_copies_and_not_the_records(void **state)
{
	uint8_t *there[] = {state_records(&host.state, 0) + 100, (uint8_t *)state_words(&host.state, 0)};

	(void)state;
	region = memfd_create("shadow", MFD_CLOEXEC);
	assert_int_equal(ftruncate(region, (off_t)shadow_region_bytes(&host.header)), 0);
	spawn.shadow = 2;
#ifndef BATON_DEBUG /* verify mode runs a call in a place of its own first, whose records stand elsewhere */
	start_probe();
	uint8_t *copies = (uint8_t *)(uintptr_t)ask(0, 4, 0);
	uint64_t records_at, bytes, byte = 0;
	assert_int_equal(ask(0, 1, (uintptr_t)copies + 5), (uintptr_t)copies + 5);
	shadow_region_at(&host.header, 0, 1, &records_at, &bytes);
	assert_int_equal(pread(region, &byte, 1, (off_t)(records_at + 5)), 1);
	assert_int_equal(byte, RUNS);
	assert_int_equal(stop_worker(), 0);
#endif
	for (size_t i = 0; i < sizeof(there) / sizeof(there[0]); i++) {
		uint8_t before = *there[i];

		start_probe();
		offer(0, BELT_PACKET, 1, (uintptr_t)there[i]);
		assert_int_equal(ended_by(&primary[0].producer), SIGSEGV);
		assert_int_equal(*there[i], before);
		/* as recovery would */
		assert_int_equal(atomic_load(&state_control(&host.state, SLOT)->journal.used), 0);
		primary[0].producer.reaped = primary[0].producer.offered;
		atomic_store(&primary[0].commit->done, primary[0].producer.offered);
	}
	spawn.shadow = 0;
	close(region);
	region = -1;
}

static void an_unfit_plugin_is_refused_with_the_fix(void **state)
{
	(void)state;
	refused(plugin_cc_fd(PLUGIN_SOURCE, "-DKEY=BATON_KEY_FLOW -DSIZE=32 -DINIT=0"), "needs key flow",
		"`key: flow`");
	refused(plugin_cc_fd(PLUGIN_SOURCE, "-DKEY=BATON_KEY_PAYLOAD -DSIZE=49 -DINIT=0"), "49 bytes", "state_file");
	refused(plugin_cc_fd("int x;\n", ""), "/plugins/probe.so", "BATON_PLUGIN(");
	refused(plugin_cc_fd("#include \"baton.h\"\n"
			     "static int init(struct baton_ctx *c) { (void)c; return -28; }\n" PLUGIN_SOURCE,
			     "-DKEY=BATON_KEY_PAYLOAD -DSIZE=32 -DINIT=init"),
		"init refused", "No space left");
}

static void a_plugin_that_crashes_at_init_is_a_death(void **state)
{
	struct zygote_message message;

	(void)state;
	start(plugin_cc_fd("#include <stdlib.h>\n#include \"baton.h\"\n"
			   "static int init(struct baton_ctx *c) { (void)c; abort(); }\n" PLUGIN_SOURCE,
			   "-DKEY=BATON_KEY_PAYLOAD -DSIZE=32 -DINIT=init"));
	assert_int_equal(hear(&message), WORKER_HELLO);
	assert_int_equal(hear(&message), 0);
	int status = end_status();
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void an_order_that_makes_no_sense_is_refused(void **state)
{
	struct zygote_spawn good = spawn;
	struct zygote_message message;

	(void)state;
	for (int i = 0; i < 5; i++) {
		spawn = good;
		switch (i) {
		case 0: spawn.slot = SLOTS; break;
		case 1: spawn.io_lcores = LCORES + 1; break;
		case 2: spawn.group = 1; break;
		case 3: spawn.buckets = BUCKETS * 2; break;
		case 4: memset(spawn.name, 'x', sizeof(spawn.name)); break;
		}
		start(open("/dev/null", O_RDONLY));
		assert_int_equal(hear(&message), WORKER_REFUSED);
		assert_non_null(strstr(message.text, "install"));
		assert_int_equal(WEXITSTATUS(end_status()), 1);
	}
	spawn = good;
	spawn.cpu = 1000;
	start(open("/dev/null", O_RDONLY));
	assert_int_equal(hear(&message), WORKER_REFUSED);
	assert_non_null(strstr(message.text, "`cores`"));
	assert_int_equal(WEXITSTATUS(end_status()), 1);
	spawn = good;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_worker_says_what_it_loaded_serves_and_leaves),
		cmocka_unit_test(a_worker_keeps_its_socket_and_the_state_file_alone),
		cmocka_unit_test(a_worker_writes_where_it_must),
		cmocka_unit_test(a_wild_write_is_a_crash_and_leaves_no_trace),
		cmocka_unit_test(a_shadow_has_copies_and_not_the_records),
		cmocka_unit_test(an_unfit_plugin_is_refused_with_the_fix),
		cmocka_unit_test(a_plugin_that_crashes_at_init_is_a_death),
		cmocka_unit_test(an_order_that_makes_no_sense_is_refused),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
