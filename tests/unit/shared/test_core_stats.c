/* CoreStats: found at a door that is replaced in one step, refused if it is another's, read whole while it is
 * written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core_stats.h"

static char instance[BATON_NAME_BYTES], path[BATON_PATH_BYTES];

static int clean(void **state)
{
	(void)state;
	stats_unlink(instance);
	return 0;
}

static void monitor_sees_what_the_primary_counts(void **state)
{
	(void)state;
	struct stats w = { 0 }, r = { 0 };
	struct stat st;
	int fd = -1;

	mode_t before = umask(077); /* must not keep monitors out */
	assert_int_equal(stats_create(&w, instance, 2, 3, 2000000000, &fd), 0);
	umask(before);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644); /* or they could open what they get anew, to write */
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0666);
	assert_int_equal(w.header->pages, 6);
	assert_int_equal(stats_attach(&r, instance), 0);
	assert_int_equal(r.header->tsc_hz, 2000000000);
	assert_int_equal(r.header->primary_pid, getpid());
	assert_string_equal(r.header->instance, instance);
	stats_add(&stats_io(&w, 1)->rx_packets, 5);
	stats_add(&stats_worker_page(&w, 2)->processed, 7);
	stats_add(&stats_main(&w)->drop[DROP_stopping], 9);
	assert_int_equal(stats_io(&r, 1)->rx_packets, 5);
	assert_int_equal(core_counter(stats_worker_page(&r, 2), COUNTER_processed), 7);
	assert_int_equal(stats_main(&r)->drop[DROP_stopping], 9);
	stats_detach(&r);
	stats_detach(&w);
	assert_null(w.header);
	stats_detach(&w); /* twice is harmless */
	close(fd);
}

static void stale_file_is_replaced_and_its_readers_keep_theirs(void **state)
{
	(void)state;
	struct stats old = { 0 }, reader = { 0 }, fresh = { 0 }, again = { 0 };

	assert_int_equal(stats_create(&old, instance, 1, 1, 1, NULL), 0);
	stats_add(&stats_io(&old, 0)->rx_packets, 1000);
	uint64_t boot = old.header->boot_id;
	assert_int_equal(stats_attach(&reader, instance), 0);
	assert_int_equal(stats_create(&fresh, instance, 4, 8, 1, NULL), 0);
	assert_int_equal(stats_io(&reader, 0)->rx_packets, 1000);
	assert_int_equal(stats_attach(&again, instance), 0);
	assert_int_equal(again.header->io_lcores, 4);
	assert_int_equal(stats_io(&again, 0)->rx_packets, 0);
	assert_int_not_equal(again.header->boot_id, boot);
	stats_detach(&old);
	stats_detach(&reader);
	stats_detach(&fresh);
	stats_detach(&again);
}

static void leftover_of_a_killed_start_is_no_obstacle(void **state)
{
	(void)state;
	struct stats w = { 0 };
	char fresh[BATON_PATH_BYTES + 8];

	snprintf(fresh, sizeof(fresh), "%s.new", path);
	int fd = open(fresh, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(stats_create(&w, instance, 1, 1, 1, NULL), 0);
	assert_int_equal(access(fresh, F_OK), -1);
	stats_detach(&w);
}

static void rollout_is_read_as_it_was_written(void **state)
{
	(void)state;
	struct stats w = { 0 }, r = { 0 };
	struct stats_rollout in = { .state = ROLLOUT_PAUSED, .phase = PHASE_PAUSE, .step = 3, .steps = 7, .weight = 100,
				    .want = 100, .until_ns = 1ull << 60, .why = "because" }, out;

	in.gate[GATE_STALLS] = (struct stats_gate){ STATS_GATE_FAIL, 2, 1, 0, 0, .awaited = 0 };
	memset(in.candidate, 'x', sizeof(in.candidate)); /* no NUL: readers get one */
	assert_int_equal(stats_create(&w, instance, 1, 1, 1, NULL), 0);
	assert_int_equal(stats_attach(&r, instance), 0);
	stats_rollout_write(&w, BATON_MAX_GROUPS - 1, &in);
	assert_int_equal(stats_rollout_read(&r, BATON_MAX_GROUPS - 1, &out), 0);
	assert_int_equal(strlen(out.candidate), sizeof(out.candidate) - 1);
	in.candidate[sizeof(in.candidate) - 1] = '\0';
	assert_memory_equal((const char *)&in + sizeof(in.seq), (const char *)&out + sizeof(out.seq),
			    sizeof(in) - sizeof(in.seq));
	assert_int_equal(stats_rollout_read(&r, 0, &out), 0);
	assert_int_equal(out.state, ROLLOUT_NONE);
	assert_int_equal(stats_rollout_read(&r, BATON_MAX_GROUPS, &out), -EINVAL);
	stats_detach(&r);
	stats_detach(&w);
}

static void monitors_cannot_write(void **state)
{
	(void)state;
	struct stats w = { 0 }, r = { 0 };
	char maps[65536], range[64];

	assert_int_equal(stats_create(&w, instance, 1, 1, 1, NULL), 0);
	assert_int_equal(stats_attach(&r, instance), 0);
	int fd = open("/proc/self/maps", O_RDONLY);
	size_t len = 0;
	for (ssize_t n; (n = read(fd, maps + len, sizeof(maps) - 1 - len)) > 0; )
		len += (size_t)n;
	maps[len] = 0;
	close(fd);
	snprintf(range, sizeof(range), "%llx-", (unsigned long long)(uintptr_t)r.header);
	char *line = strstr(maps, range);
	assert_non_null(line);
	assert_memory_equal(strchr(line, ' ') + 1, "r--s", 4);
	stats_detach(&r);
	stats_detach(&w);
}

static void expect_attach(int want)
{
	struct stats r = { 0 };
	int rc = stats_attach(&r, instance);

	if (rc == 0)
		stats_detach(&r);
	assert_int_equal(rc, want);
}

static void file_that_is_not_sound_is_refused(void **state)
{
	(void)state;
	struct stats w = { 0 };
	struct stats_header *h;

	assert_int_equal(stats_create(&w, instance, 2, 3, 1, NULL), 0);
	h = w.header;
	expect_attach(0);
#define REFUSED(field, value) do { \
		struct stats_header kept = *h; \
		h->field = value; \
		expect_attach(-EPROTO); \
		memcpy(h, &kept, sizeof(kept)); \
		expect_attach(0); \
	} while (0)
	REFUSED(magic, 0);
	REFUSED(version, STATS_VERSION + 1);
	REFUSED(pages, 7);
	REFUSED(io_lcores, 3);
	REFUSED(io_lcores, UINT32_MAX);
	REFUSED(slots, 4);
	REFUSED(slots, UINT32_MAX - 2);
	REFUSED(lanes, 3);
	REFUSED(ports, BATON_MAX_PORTS + 1);
	REFUSED(tsc_hz, 0);
	memset(h->build, 'x', sizeof(h->build));
	expect_attach(-EPROTO);
	h->build[0] = 0;
	expect_attach(0);
	stats_detach(&w);
	expect_attach(-ECONNREFUSED); /* as of a primary that was killed */
	unlink(path);
	expect_attach(-ENOENT);
	assert_int_equal(mkfifo(path, 0600), 0); /* must not hang */
	expect_attach(-EPROTO);
	unlink(path);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	expect_attach(-EPROTO);
	unlink(path);
	close(open(path, O_CREAT | O_WRONLY, 0644)); /* of a version that had a file */
	expect_attach(-EPROTO);
}

static void writer_of_another_abi_is_refused_readers_are_not(void **state)
{
	(void)state;
	struct stats w = { 0 }, other = { 0 };
	int fd = -1;

	assert_int_equal(stats_create(&w, instance, 1, 1, 1, &fd), 0);
	assert_int_equal(stats_attach_fd(&other, fd, true), 0);
	stats_detach(&other);
	w.header->abi = BATON_ABI + 1;
	assert_int_equal(stats_attach_fd(&other, fd, true), -EPROTO);
	assert_int_equal(stats_attach_fd(&other, fd, false), 0);
	stats_detach(&other);
	stats_detach(&w);
	close(fd);
}

static void names_and_counts_out_of_bounds_are_refused(void **state)
{
	(void)state;
	struct stats w = { 0 };

	assert_int_equal(stats_create(&w, "", 1, 1, 1, NULL), -EINVAL);
	assert_int_equal(stats_create(&w, "../etc", 1, 1, 1, NULL), -EINVAL);
	assert_int_equal(stats_create(&w, ".x", 1, 1, 1, NULL), -EINVAL);
	assert_int_equal(stats_create(&w, "a-name-of-more-than-31-characters", 1, 1, 1, NULL), -EINVAL);
	assert_int_equal(stats_create(&w, instance, BATON_MAX_IO_LCORES + 1, 1, 1, NULL), -EINVAL);
	assert_int_equal(stats_create(&w, instance, 1, BATON_MAX_WORKERS + 1, 1, NULL), -EINVAL);
	assert_int_equal(stats_create(&w, instance, 1, 1, 0, NULL), -EINVAL);
	assert_int_equal(stats_attach(&w, "a/b"), -EINVAL);
	assert_null(w.header);
	assert_int_equal(access(path, F_OK), -1);
}

static void names_and_helps_are_those_of_the_lists(void **state)
{
	(void)state;
	assert_string_equal(core_counter_name(COUNTER_rx_packets), "rx_packets");
	assert_string_equal(core_counter_name(COUNTER_COUNT - 1), "gen_gaps");
	assert_string_equal(core_drop_name(DROP_runt_frame), "runt_frame");
	assert_string_equal(core_drop_help(DROP_device_missed), "imissed of the devices");
	assert_string_equal(core_drop_name(DROP_COUNT), "?");
	assert_string_equal(core_counter_help(COUNTER_COUNT), "?");
	assert_string_equal(worker_state_name(WORKER_ACTIVE), "active");
	assert_string_equal(worker_state_name(WORKER_DEAD), "dead");
	assert_string_equal(worker_state_name(WORKER_STATE_COUNT), "?");
	assert_string_equal(port_state_name(PORT_NO_LINK), "no_link");
	assert_string_equal(port_state_name(PORT_STATE_COUNT), "?");
	assert_string_equal(core_kind_name(CORE_WORKER), "worker");
	assert_string_equal(core_kind_name(99), "?");
}

#define WRITES 200000u

static void *write_entries(void *arg)
{
	struct stats *w = arg;
	struct stats_worker entry = { 0 };

	for (uint32_t i = 1; i <= WRITES; i++) {
		entry.pid = entry.incarnation = entry.buckets = i;
		memset(entry.build_id, 'a' + (int)(i % 26), 40);
		entry.crashes = i;
		stats_worker_write(w, 0, &entry);
	}
	return NULL;
}

static void directory_entry_is_never_seen_torn(void **state)
{
	(void)state;
	struct stats w = { 0 };
	struct stats_worker e = { 0 };
	pthread_t writer;
	uint32_t last = 0;

	assert_int_equal(stats_create(&w, instance, 1, 1, 1, NULL), 0);
	assert_int_equal(pthread_create(&writer, NULL, write_entries, &w), 0);
	do {
		int rc = stats_worker_read(&w, 0, &e);
		if (rc != 0) { /* a writer preempted half way: the reader goes on with what it has */
			assert_int_equal(rc, -EAGAIN);
			continue;
		}
		assert_int_equal(e.pid, e.incarnation);
		assert_int_equal(e.pid, e.buckets);
		assert_int_equal(e.pid, e.crashes);
		assert_true(e.pid >= last);
		last = e.pid;
		for (int i = 1; i < 40 && e.pid > 0; i++)
			assert_int_equal(e.build_id[i], e.build_id[0]);
	} while (last < WRITES);
	pthread_join(writer, NULL);
	stats_detach(&w);
}

static void writer_that_died_half_way_does_not_stop_readers(void **state)
{
	(void)state;
	struct stats w = { 0 };
	struct stats_worker e = { 0 };

	assert_int_equal(stats_create(&w, instance, 1, 1, 1, NULL), 0);
	atomic_store(&w.header->worker[0].seq, 5);
	assert_int_equal(stats_worker_read(&w, 0, &e), -EAGAIN);
	assert_int_equal(stats_worker_read(&w, BATON_MAX_WORKERS, &e), -EINVAL);
	assert_int_equal(stats_version_read(&w, STATS_LANES_MAX, NULL), -EINVAL);
	assert_int_equal(stats_port_read(&w, BATON_MAX_PORTS, NULL), -EINVAL);
	stats_worker_write(&w, 0, &(struct stats_worker){ .pid = 3 });
	assert_int_equal(stats_worker_read(&w, 0, &e), 0);
	assert_int_equal(e.pid, 3);
	stats_detach(&w);
}

static void gaps_since_a_number_are_found_and_overwritten_ones_told(void **state)
{
	(void)state;
	static struct CoreStats page;
	struct stats_gap gap[STATS_GAPS];
	uint64_t missed = 99;

	assert_int_equal(stats_gaps_read(&page, 0, gap, &missed), 0);
	assert_int_equal(missed, 0);
	for (uint64_t i = 0; i < 10; i++)
		stats_gap_add(&page, 900 + i, 1000 + i, 5000 + i);
	assert_int_equal(stats_gaps_read(&page, 7, gap, &missed), 3);
	assert_int_equal(missed, 0);
	assert_int_equal(gap[0].end_tsc, 1007);
	assert_int_equal(gap[2].ns, 5009);
	for (uint64_t i = 10; i < 200; i++)
		stats_gap_add(&page, 900 + i, 1000 + i, 5000 + i);
	uint32_t n = stats_gaps_read(&page, 7, gap, &missed);
	assert_int_equal(n + missed, 193);
	assert_int_equal(n, STATS_GAPS - 1); /* the oldest may be under the writer's pen */
	assert_int_equal(gap[n - 1].end_tsc, 1199);
	assert_int_equal(stats_gaps_read(&page, 200, gap, &missed), 0);
	assert_int_equal(missed, 0);
}

static void gap_belongs_to_the_move_it_overlaps(void **state)
{
	(void)state;
	static struct CoreStats page;

	stats_gap_add(&page, 100, 200, 9000); /* no move ever */
	assert_int_equal(page.move_gap_ns, 0);
	page.move_began = 1000;
	stats_gap_add(&page, 900, 1100, 5000); /* under way */
	stats_gap_add(&page, 1100, 1200, 4000);
	assert_int_equal(page.move_gap_ns, 5000);
	page.move_ended = 1300;
	stats_gap_add(&page, 1250, 1300, 7000); /* ends it */
	assert_int_equal(page.move_gap_ns, 7000);
	stats_gap_add(&page, 1301, 1400, 90000);
	assert_int_equal(page.move_gap_ns, 7000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(monitor_sees_what_the_primary_counts, clean),
		cmocka_unit_test_teardown(stale_file_is_replaced_and_its_readers_keep_theirs, clean),
		cmocka_unit_test_teardown(leftover_of_a_killed_start_is_no_obstacle, clean),
		cmocka_unit_test_teardown(rollout_is_read_as_it_was_written, clean),
		cmocka_unit_test_teardown(monitors_cannot_write, clean),
		cmocka_unit_test_teardown(file_that_is_not_sound_is_refused, clean),
		cmocka_unit_test_teardown(writer_of_another_abi_is_refused_readers_are_not, clean),
		cmocka_unit_test_teardown(names_and_counts_out_of_bounds_are_refused, clean),
		cmocka_unit_test(names_and_helps_are_those_of_the_lists),
		cmocka_unit_test_teardown(directory_entry_is_never_seen_torn, clean),
		cmocka_unit_test_teardown(writer_that_died_half_way_does_not_stop_readers, clean),
		cmocka_unit_test(gaps_since_a_number_are_found_and_overwritten_ones_told),
		cmocka_unit_test(gap_belongs_to_the_move_it_overlaps),
	};

	snprintf(instance, sizeof(instance), "test-%d", (int)getpid());
	snprintf(path, sizeof(path), BATON_STATS_PATH_FMT, instance);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
