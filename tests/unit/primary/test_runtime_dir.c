/* Claims about the instance's lock and about what is removed of dead runs. Needs root, as batond does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "log.h"
#include "primary.h"

#define BOOT "0123456789abcdef"

static struct primary primary;
static char huge_dir[] = "/tmp/baton-test-pages-XXXXXX"; /* stands for a hugetlbfs mount */
static char path[512];

static int start(void **state)
{
	(void)state;
	log_init("test_runtime_dir", LEVEL_WARN);
	return mkdtemp(huge_dir) == NULL || (mkdir(PRIMARY_EAL_DIR, 0755) != 0 && errno != EEXIST) ||
	       (mkdir(PRIMARY_EAL_DIR "/dpdk", 0700) != 0 && errno != EEXIST);
}

static int end(void **state)
{
	(void)state;
	return rmdir(huge_dir);
}

static int setup(void **state)
{
	(void)state;
	memset(&primary, 0, sizeof(primary));
	snprintf(primary.config.name, sizeof(primary.config.name), "unitrun%d", (int)getpid());
	strcpy(primary.config.huge_dir, huge_dir);
	return 0;
}

static bool exists(const char *name)
{
	struct stat st;

	return lstat(name, &st) == 0;
}

static int make_file(const char *name)
{
	int fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	return fd;
}

/* "<dir>/baton-<instance><suffix>" */
static const char *boot_path(const char *dir, const char *suffix)
{
	snprintf(path, sizeof(path), "%s/baton-%s%s", dir, primary.config.name, suffix);
	return path;
}

static void the_directory_has_a_pid_and_goes_at_the_end(void **state)
{
	char pid[32] = "", expected[32];
	FILE *file;

	(void)state;
	assert_int_equal(runtime_dir_init(&primary), 0);
	assert_true(primary.boot_id != 0);
	snprintf(path, sizeof(path), "%s/pid", primary.run_dir);
	file = fopen(path, "r");
	assert_non_null(file);
	assert_non_null(fgets(pid, sizeof(pid), file));
	fclose(file);
	snprintf(expected, sizeof(expected), "%d\n", (int)getpid());
	assert_string_equal(pid, expected);
	runtime_dir_fini(&primary);
	assert_false(exists(path));
	assert_false(exists(primary.run_dir));
}

static void every_start_has_another_file_prefix(void **state)
{
	char first[80];

	(void)state;
	assert_int_equal(runtime_dir_init(&primary), 0);
	strcpy(first, primary.file_prefix);
	runtime_dir_fini(&primary);
	assert_int_equal(runtime_dir_init(&primary), 0);
	assert_string_not_equal(first, primary.file_prefix);
	runtime_dir_fini(&primary);
}

/* EAL's sockets are named <dir>/dpdk/<prefix>/mp_socket_<pid>_<16 hex digits>. */
static void the_longest_name_leaves_room_for_sockets_of_eal(void **state)
{
	struct sockaddr_un address;

	(void)state;
	memset(primary.config.name, 'n', sizeof(primary.config.name) - 1);
	assert_int_equal(runtime_dir_init(&primary), 0);
	assert_true(snprintf(path, sizeof(path), "%s/dpdk/%s/mp_socket_%d_%s", PRIMARY_EAL_DIR, primary.file_prefix,
			     4194304, BOOT) < (int)sizeof(address.sun_path));
	runtime_dir_fini(&primary);
}

static void a_second_primary_is_refused_while_the_first_lives(void **state)
{
	int status = 0;
	pid_t child;

	(void)state;
	assert_int_equal(runtime_dir_init(&primary), 0);
	child = fork();
	if (child == 0) {
		static struct primary second;

		second.config = primary.config;
		log_init("test_runtime_dir", LEVEL_ERROR);
		_exit(runtime_dir_init(&second) == -EBUSY ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	runtime_dir_fini(&primary);
	assert_int_equal(runtime_dir_init(&primary), 0);
	runtime_dir_fini(&primary);
}

/* Many start at once, again and again: the file comes and goes, and never do two hold it. */
static void one_of_many_gets_the_lock_while_its_file_comes_and_goes(void **state)
{
	struct {
		_Atomic int holders, most, taken;
	} *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t child[4];
	int status;

	(void)state;
	assert_ptr_not_equal(shared, MAP_FAILED);
	for (size_t i = 0; i < 4; i++) {
		child[i] = fork();
		if (child[i] != 0)
			continue;
		if (freopen("/dev/null", "w", stderr) == NULL) /* to be refused is the rule here */
			_exit(1);
		for (int n = 0; n < 1000; n++) {
			if (runtime_dir_init(&primary) != 0)
				continue;
			if (++shared->holders > 1)
				shared->most = shared->holders;
			shared->taken++;
			sched_yield();
			shared->holders--;
			runtime_dir_fini(&primary);
		}
		_exit(0);
	}
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(waitpid(child[i], &status, 0), child[i]);
	assert_int_equal(shared->most, 0);
	assert_true(shared->taken >= 4);
	assert_false(exists(primary.run_dir));
	munmap(shared, sizeof(*shared));
}

/* A killed primary gives nothing back; the kernel gives back its lock. */
static void a_killed_primary_is_no_obstacle(void **state)
{
	int ready[2], status;
	pid_t child;
	char byte;

	(void)state;
	assert_int_equal(pipe(ready), 0);
	child = fork();
	if (child == 0) {
		if (runtime_dir_init(&primary) != 0 || write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(runtime_dir_init(&primary), 0);
	runtime_dir_fini(&primary);
}

/* Stands for a killed primary that is not through yet: a zombie, whose lock lives on in a process that inherited it.
 * That one lets go when somebody has tried to get the lock, in vain. */
static void a_start_waits_for_a_killed_primary_to_end(void **state)
{
	int ready[2], status;
	pid_t dying;
	char byte;

	(void)state;
	assert_int_equal(pipe(ready), 0);
	dying = fork();
	if (dying == 0) {
		if (runtime_dir_init(&primary) != 0)
			_exit(1);
		if (fork() == 0) {
			struct inotify_event event[16];
			int watch = inotify_init1(0);

			snprintf(path, sizeof(path), "%s/lock", primary.run_dir);
			if (inotify_add_watch(watch, path, IN_CLOSE_WRITE) < 0 || write(ready[1], "x", 1) != 1)
				_exit(1);
			_exit(read(watch, event, sizeof(event)) <= 0);
		}
		for (;;)
			pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	kill(dying, SIGKILL);
	assert_int_equal(waitid(P_PID, (id_t)dying, &(siginfo_t){ 0 }, WEXITED | WNOWAIT), 0);
	assert_int_equal(runtime_dir_init(&primary), 0);
	assert_int_equal(waitpid(dying, &status, 0), dying);
	runtime_dir_fini(&primary);
}

static void files_of_a_killed_run_are_removed(void **state)
{
	int fd;

	(void)state;
	assert_int_equal(mkdir(boot_path(PRIMARY_EAL_DIR "/dpdk", "-" BOOT), 0700), 0);
	close(make_file(boot_path(PRIMARY_EAL_DIR "/dpdk", "-" BOOT "/fbarray_memzone")));
	fd = make_file(boot_path(huge_dir, "-" BOOT "map_3"));
	close(fd);
	assert_int_equal(runtime_dir_init(&primary), 0);
	assert_false(exists(boot_path(PRIMARY_EAL_DIR "/dpdk", "-" BOOT)));
	assert_false(exists(boot_path(huge_dir, "-" BOOT "map_3")));
	runtime_dir_fini(&primary);
}

static void files_that_a_process_still_holds_stay(void **state)
{
	int array, page;

	(void)state;
	assert_int_equal(mkdir(boot_path(PRIMARY_EAL_DIR "/dpdk", "-" BOOT), 0700), 0);
	array = make_file(boot_path(PRIMARY_EAL_DIR "/dpdk", "-" BOOT "/fbarray_memzone"));
	page = make_file(boot_path(huge_dir, "-" BOOT "map_3"));
	assert_int_equal(flock(array, LOCK_SH), 0);
	assert_int_equal(flock(page, LOCK_SH), 0);
	assert_int_equal(runtime_dir_init(&primary), 0);
	assert_true(exists(boot_path(PRIMARY_EAL_DIR "/dpdk", "-" BOOT "/fbarray_memzone")));
	assert_true(exists(boot_path(huge_dir, "-" BOOT "map_3")));
	close(array);
	close(page);
	runtime_dir_fini(&primary); /* and go with the next look, once nobody does */
	assert_false(exists(boot_path(PRIMARY_EAL_DIR "/dpdk", "-" BOOT)));
	assert_false(exists(boot_path(huge_dir, "-" BOOT "map_3")));
}

/* As the threads of a dead primary's zygote: they let go while the next one starts. */
static void the_sweep_waits_for_who_is_about_to_let_go(void **state)
{
	int page = make_file(boot_path(huge_dir, "-" BOOT "map_3")), go[2], status;
	pid_t child;
	char byte;

	(void)state;
	assert_int_equal(flock(page, LOCK_SH), 0);
	assert_int_equal(pipe(go), 0);
	child = fork();
	if (child == 0) {
		close(go[1]);
		_exit(read(go[0], &byte, 1) != 1); /* holds the lock with the descriptor it inherited */
	}
	close(page);
	assert_int_equal(runtime_dir_init(&primary), 0);
	assert_true(exists(boot_path(huge_dir, "-" BOOT "map_3")));
	assert_int_equal(write(go[1], "x", 1), 1);
	assert_int_equal(runtime_dir_sweep(&primary), 0);
	assert_false(exists(boot_path(huge_dir, "-" BOOT "map_3")));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	close(go[0]);
	close(go[1]);
	runtime_dir_fini(&primary);
}

static void files_of_other_instances_stay(void **state)
{
	static const char *const others[] = { "-x-" BOOT "map_0", "x-" BOOT "map_0", "-" BOOT "-" BOOT "map_0",
					      "-0123456789abcdeXmap_0", "map_0" };

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		close(make_file(boot_path(huge_dir, others[i])));
	assert_int_equal(runtime_dir_init(&primary), 0);
	runtime_dir_fini(&primary);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_int_equal(unlink(boot_path(huge_dir, others[i])), 0);
}

/* Returns what runtime_dir_init() returned when `name` had been planted in the directory as a link to a file. */
static int init_with_link(const char *name, bool dangling)
{
	char target[64], directory[256], link[300];
	struct stat st;
	int rc;

	snprintf(target, sizeof(target), "%s/target", huge_dir);
	snprintf(directory, sizeof(directory), BATON_RUN_DIR_FMT, primary.config.name);
	assert_int_equal(mkdir(directory, 0755), 0);
	snprintf(link, sizeof(link), "%s/%s", directory, name);
	if (!dangling) {
		int fd = make_file(target);
		assert_int_equal(write(fd, "precious", 8), 8);
		close(fd);
	}
	assert_int_equal(symlink(target, link), 0);
	rc = runtime_dir_init(&primary);
	if (rc == 0)
		runtime_dir_fini(&primary);
	assert_int_equal(stat(target, &st), dangling ? -1 : 0);
	assert_true(dangling || st.st_size == 8);
	unlink(target);
	unlink(link);
	snprintf(link, sizeof(link), "%s/lock", directory);
	unlink(link);
	rmdir(directory);
	return rc;
}

static void a_planted_link_is_not_followed(void **state)
{
	(void)state;
	for (int dangling = 0; dangling < 2; dangling++) {
		assert_int_equal(init_with_link("lock", dangling), -EPERM);
		assert_int_equal(init_with_link("pid", dangling), -EPERM);
	}
}

static void a_directory_of_somebody_else_is_refused(void **state)
{
	char directory[256];

	(void)state;
	snprintf(directory, sizeof(directory), BATON_RUN_DIR_FMT, primary.config.name);
	assert_int_equal(symlink(huge_dir, directory), 0);
	assert_int_equal(runtime_dir_init(&primary), -EPERM);
	assert_int_equal(unlink(directory), 0);
	assert_int_equal(mkdir(directory, 0755), 0);
	assert_int_equal(chown(directory, 65534, 65534), 0);
	assert_int_equal(runtime_dir_init(&primary), -EPERM);
	assert_int_equal(chown(directory, 0, 0), 0);
	assert_int_equal(chmod(directory, 0777), 0);
	assert_int_equal(runtime_dir_init(&primary), -EPERM);
	assert_int_equal(rmdir(directory), 0); /* nothing was made in it */
}

int main(void)
{
#define IN_DIR(claim) cmocka_unit_test_setup(claim, setup)
	const struct CMUnitTest tests[] = {
		IN_DIR(the_directory_has_a_pid_and_goes_at_the_end),
		IN_DIR(every_start_has_another_file_prefix),
		IN_DIR(the_longest_name_leaves_room_for_sockets_of_eal),
		IN_DIR(a_planted_link_is_not_followed),
		IN_DIR(a_directory_of_somebody_else_is_refused),
		IN_DIR(a_second_primary_is_refused_while_the_first_lives),
		IN_DIR(one_of_many_gets_the_lock_while_its_file_comes_and_goes),
		IN_DIR(a_killed_primary_is_no_obstacle),
		IN_DIR(a_start_waits_for_a_killed_primary_to_end),
		IN_DIR(files_of_a_killed_run_are_removed),
		IN_DIR(files_that_a_process_still_holds_stay),
		IN_DIR(the_sweep_waits_for_who_is_about_to_let_go),
		IN_DIR(files_of_other_instances_stay),
	};

	return cmocka_run_group_tests(tests, start, end);
}
