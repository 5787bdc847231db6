/* The door of CoreStats: what it gives out is for reading, nobody's to truncate, and is had whatever becomes of the
 * door. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core_stats.h"
#include "stats_door.h"

static char instance[BATON_NAME_BYTES], path[BATON_PATH_BYTES];

static int clean(void **state)
{
	(void)state;
	stats_unlink(instance);
	return 0;
}

static void expect_attach(int want)
{
	struct stats r = { 0 };
	int rc = stats_attach(&r, instance);

	if (rc == 0)
		stats_detach(&r);
	assert_int_equal(rc, want);
}

/* What a monitor gets from somebody else's door. */
static void expect_attach_to(const void *memory, size_t bytes, int seals, int want)
{
	struct stats_door *door = NULL;
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, memory, bytes), (ssize_t)bytes);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	assert_int_equal(stats_door_open(&door, path, fd), 0);
	expect_attach(want);
	stats_door_close(door);
	close(fd);
}

static void memory_that_could_shrink_or_is_too_short_is_refused(void **state)
{
	(void)state;
	struct stats w = { 0 };

	assert_int_equal(stats_create(&w, instance, 1, 1, 1, NULL), 0);
	expect_attach_to(w.header, w.bytes, F_SEAL_SHRINK, 0);
	expect_attach_to(w.header, w.bytes, F_SEAL_GROW, -EPROTO);
	expect_attach_to(w.header, w.bytes - 4096, F_SEAL_SHRINK, -EPROTO);
	expect_attach_to(w.header, 100, F_SEAL_SHRINK, -EPROTO);
	expect_attach_to(w.header, 0, F_SEAL_SHRINK, -EPROTO);
	stats_detach(&w);
}

static void nobody_can_truncate_what_others_have_mapped(void **state)
{
	(void)state;
	struct stats w = { 0 }, r = { 0 };
	int fd = -1;

	assert_int_equal(stats_create(&w, instance, 1, 2, 1, &fd), 0);
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(stats_attach(&r, instance), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, 0), -1); /* nor take the seals off, which nothing can, nor add others */
	assert_int_equal(truncate(path, 0), -1);
	stats_add(&stats_worker_page(&w, 1)->processed, 3);
	assert_int_equal(stats_worker_page(&r, 1)->processed, 3);
	stats_detach(&r);
	stats_detach(&w);
	close(fd);
}

static void what_monitors_get_is_read_only(void **state)
{
	(void)state;
	struct stats w = { 0 };

	assert_int_equal(stats_create(&w, instance, 1, 1, 1, NULL), 0);
	int fd = stats_door_ask(path);
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	assert_ptr_equal(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
	close(fd);
	stats_detach(&w);
}

static void a_door_that_is_removed_or_replaced_is_made_again(void **state)
{
	(void)state;
	struct stats w = { 0 }, r = { 0 };

	assert_int_equal(stats_create(&w, instance, 1, 1, 1, NULL), 0);
	assert_int_equal(stats_attach(&r, instance), 0);
	assert_int_equal(stats_keep(&w), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(unlink(path), 0);
		if (i == 1)
			close(open(path, O_CREAT | O_WRONLY, 0644));
		else if (i == 2)
			assert_int_equal(symlink("/etc/passwd", path), 0);
		expect_attach(i == 0 ? -ENOENT : -EPROTO);
		assert_int_equal(stats_keep(&w), 1);
		assert_int_equal(stats_keep(&w), 0);
		expect_attach(0);
	}
	unlink(path);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_true(stats_keep(&w) < 0);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(stats_keep(&w), 1);
	expect_attach(0);
	stats_add(&stats_io(&w, 0)->rx_packets, 5); /* it was the same memory all the time */
	assert_int_equal(stats_io(&r, 0)->rx_packets, 5);
	stats_detach(&r);
	assert_int_equal(stats_keep(&r), 0);
	stats_detach(&w);
}

/* Who connects and takes nothing, and who stands at a door and gives nothing. */
static void idlers_keep_nobody_waiting(void **state)
{
	(void)state;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct stats w = { 0 };
	int idle[200];

	assert_int_equal(stats_create(&w, instance, 1, 1, 1, NULL), 0);
	strcpy(address.sun_path, path);
	for (size_t i = 0; i < sizeof(idle) / sizeof(idle[0]); i++) {
		idle[i] = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
		assert_int_equal(connect(idle[i], (struct sockaddr *)&address, sizeof(address)), 0);
	}
	expect_attach(0);
	for (size_t i = 0; i < sizeof(idle) / sizeof(idle[0]); i++)
		close(idle[i]);
	expect_attach(0);
	stats_detach(&w);
	unlink(path);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 1), 0);
	expect_attach(-EAGAIN);
	close(fd);
}

/* Anybody may put a socket where doors are, and would show what he likes. */
static void a_strangers_door_is_not_entered(void **state)
{
	struct stats w = { 0 };

	(void)state;
	assert_int_equal(stats_door_look(path), -ENOENT);
	assert_int_equal(stats_create(&w, instance, 1, 1, 1, NULL), 0);
	assert_int_equal(stats_door_look(path), 0);
	if (geteuid() == 0) { /* nobody else can make somebody else's */
		assert_int_equal(chown(path, 12345, 12345), 0);
		assert_int_equal(stats_door_look(path), -EPERM);
		expect_attach(-EPERM);
		assert_int_equal(chown(path, 0, 0), 0);
	}
	expect_attach(0);
	stats_detach(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(nobody_can_truncate_what_others_have_mapped, clean),
		cmocka_unit_test_teardown(memory_that_could_shrink_or_is_too_short_is_refused, clean),
		cmocka_unit_test_teardown(what_monitors_get_is_read_only, clean),
		cmocka_unit_test_teardown(a_door_that_is_removed_or_replaced_is_made_again, clean),
		cmocka_unit_test_teardown(idlers_keep_nobody_waiting, clean),
		cmocka_unit_test_teardown(a_strangers_door_is_not_entered, clean),
	};

	snprintf(instance, sizeof(instance), "test-%d", (int)getpid());
	snprintf(path, sizeof(path), BATON_STATS_PATH_FMT, instance);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
