/* A zygote without EAL for tests of the supervisor: the test program itself, started anew. It speaks zygote.h, forks
 * real processes, and its workers do what the text behind their plugin's ELF header says:
 *
 *   ok VERSION        hello, ready, leaves when stopped        refuse TEXT   hello, refused
 *   silent            neither, but who forked it has said its pid
 *   crash             hello, then SIGSEGV                      mute          neither speaks nor leaves
 *   hang              hello, then nothing                      exit          leaves without a word
 *   schema            ready with another schema                stubborn      ready, does not leave when stopped
 *   spin              ready, never leaves nor sleeps
 *   only NAME         ok for that worker, refuses for others   early         ready without hello
 *   ok VERSION+       the same, and declares that it may run as a shadow
 *   shadow VERSION           ok, and says that it may run as a shadow
 *   other VERSION     described only: a plugin of another name
 *   of SCHEMA older OLDER down DOWN version VERSION
 *                     ok, with records of that schema; it migrates from OLDER (0: from none), DOWN 1: and back to it
 */
#ifndef TEST_FAKE_ZYGOTE_H
#define TEST_FAKE_ZYGOTE_H

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "baton.h"
#include "zygote.h"

#define FAKE_RECORD 48u
#define FAKE_SCHEMA 1u

/* In the file that stands for the state file: what a BELT_STOP is on a belt. w: test  r: fake workers */
struct fake_shared {
	_Atomic uint32_t stop[BATON_MAX_WORKERS]; /* incarnation that is to leave */
	_Atomic uint32_t spare_fails;             /* spares leave at once */
};

struct fake_plugin {
	Elf64_Ehdr elf;
	Elf64_Phdr segment;
	char text[256];
};

static pid_t fake_primary __attribute__((unused));

/* The file a worker is started from. */
static inline void fake_plugin_write(const char *path, const char *text)
{
	struct fake_plugin file = {
		.elf = { .e_type = ET_DYN,
			 .e_machine = EM_X86_64,
			 .e_version = EV_CURRENT,
			 .e_phoff = offsetof(struct fake_plugin, segment),
			 .e_phentsize = sizeof(Elf64_Phdr),
			 .e_phnum = 1 },
	};
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	memcpy(file.elf.e_ident, ELFMAG, SELFMAG);
	file.elf.e_ident[EI_CLASS] = ELFCLASS64;
	file.elf.e_ident[EI_DATA] = ELFDATA2LSB;
	snprintf(file.text, sizeof(file.text), "%s", text);
	if (fd < 0 || write(fd, &file, sizeof(file)) != (ssize_t)sizeof(file))
		abort();
	close(fd);
}

static inline void fake_say(int fd, uint32_t kind, const char *text)
{
	struct zygote_message message = { .magic = ZYGOTE_MAGIC, .abi = BATON_ABI, .kind = kind };

	snprintf(message.text, sizeof(message.text), "%s", text);
	if (zygote_send(fd, &message, -1, -1))
		_exit(1);
}

struct fake_schema {
	uint32_t schema, older, down;
	char version[BATON_NAME_BYTES];
};

static inline bool fake_schema_of(const char *text, struct fake_schema *out)
{
	return sscanf(text, "of %u older %u down %u version %31s", &out->schema, &out->older, &out->down, out->version) == 4;
}

static inline void fake_ready_with(int fd, const struct fake_schema *s)
{
	struct zygote_message message = {
		.magic = ZYGOTE_MAGIC, .abi = BATON_ABI, .kind = WORKER_READY,
		.ready = { .abi = BATON_PLUGIN_ABI, .key = BATON_KEY_FLOW, .schema = s->schema, .record_size = FAKE_RECORD,
			   .plugin_name = "fake", .build_id = "0123456789abcdef0123456789abcdef01234567",
			   .olders = s->older != 0,
			   .older = { { .schema = s->older, .record_size = FAKE_RECORD, .down = s->down } } },
	};

	snprintf(message.ready.version, sizeof(message.ready.version), "%s", s->version);
	message.ready.build_id[0] = s->version[0];
	if (zygote_send(fd, &message, -1, -1))
		_exit(1);
}

static inline void fake_ready(int fd, const char *version, uint32_t schema)
{
	struct zygote_message message = {
		.magic = ZYGOTE_MAGIC, .abi = BATON_ABI, .kind = WORKER_READY,
		.ready = { .abi = BATON_PLUGIN_ABI, .key = BATON_KEY_FLOW, .schema = schema, .record_size = FAKE_RECORD,
			   .plugin_name = "fake", .build_id = "0123456789abcdef0123456789abcdef01234567" },
	};

	message.ready.shadow = strchr(version, '+') ? READY_SHADOW : 0;
	if (!strncmp(version, "shadow ", 7)) {
		version += 7;
		message.ready.shadow = READY_SHADOW;
	}
	snprintf(message.ready.version, sizeof(message.ready.version), "%.31s", version);
	message.ready.build_id[0] = version[0]; /* versions are builds of their own */
	if (zygote_send(fd, &message, -1, -1))
		_exit(1);
}

static inline void fake_crash(void)
{
	signal(SIGSEGV, SIG_DFL); /* not a sanitizer's */
	raise(SIGSEGV);
}

static inline void fake_forever(void)
{
	for (;;)
		pause();
}

static inline void fake_serve_until_stopped(const struct zygote_spawn *spawn)
{
	struct fake_shared *shared = mmap(NULL, sizeof(*shared), PROT_READ, MAP_SHARED, ZYGOTE_FD_STATE, 0);
	uint32_t seen;

	if (shared == MAP_FAILED)
		_exit(1);
	while ((seen = atomic_load_explicit(&shared->stop[spawn->slot], memory_order_acquire)) != spawn->incarnation)
		syscall(SYS_futex, &shared->stop[spawn->slot], FUTEX_WAIT, seen, NULL, NULL, 0);
	_exit(0);
}

/* From here on its end is the supervisor's to see, and the supervisor's end its own. */
static inline void fake_await_adoption(void)
{
	while (getppid() != fake_primary)
		sched_yield();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != fake_primary)
		_exit(1);
}

static inline void fake_worker(int fd, int image, const struct zygote_spawn *spawn)
{
	struct fake_plugin plugin;

	fake_await_adoption();
	if (pread(image, &plugin, sizeof(plugin), 0) != (ssize_t)sizeof(plugin))
		_exit(1);
	if (pwrite(image, "x", 1, 0) >= 0 || ftruncate(image, 0) == 0) {
		fake_say(fd, WORKER_REFUSED, "the copy of the plugin can be changed");
		_exit(1);
	}
	const char *text = plugin.text;
	if (!strcmp(text, "exit"))
		_exit(3);
	if (!strcmp(text, "mute") || !strcmp(text, "silent"))
		fake_forever();
	if (strcmp(text, "early") != 0)
		fake_say(fd, WORKER_HELLO, "");
	if (!strncmp(text, "refuse ", 7) || (!strncmp(text, "only ", 5) && strcmp(text + 5, spawn->name) != 0)) {
		fake_say(fd, WORKER_REFUSED, text);
		_exit(1);
	}
	if (!strcmp(text, "crash"))
		fake_crash();
	if (!strcmp(text, "hang"))
		fake_forever();
	fake_say(fd, WORKER_LOG, "a line\nwith another below");
	struct fake_schema of;
	if (fake_schema_of(text, &of)) {
		fake_ready_with(fd, &of);
		fake_serve_until_stopped(spawn);
	}
	fake_ready(fd, strncmp(text, "ok ", 3) ? text : text + 3,
		   strcmp(text, "schema") ? FAKE_SCHEMA : FAKE_SCHEMA + 1);
	if (!strcmp(text, "stubborn"))
		fake_forever();
	if (!strcmp(text, "spin"))
		for (volatile int i = 0;; i++)
			;
	fake_serve_until_stopped(spawn);
}

/* Of the fakes only "silent" is introduced before it speaks: the others show that it need not be. */
static inline void fake_say_born(const int fd[2], pid_t pid)
{
	struct zygote_message message = { .magic = ZYGOTE_MAGIC, .abi = BATON_ABI, .kind = WORKER_BORN, .born = pid };
	struct fake_plugin plugin;

	if (pread(fd[1], &plugin, sizeof(plugin), 0) == (ssize_t)sizeof(plugin) && !strcmp(plugin.text, "silent"))
		zygote_send(fd[0], &message, -1, -1);
}

/* As the real one: twice, so that the supervisor adopts it. */
static inline bool fake_fork_away(const int fd[2])
{
	pid_t pid = fork();

	if (pid == 0) {
		pid = fork();
		if (pid == 0)
			return true;
		fake_say_born(fd, pid);
		_exit(0);
	}
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return false;
}

static inline void fake_serve(int control)
{
	struct fake_shared *shared = mmap(NULL, sizeof(*shared), PROT_READ, MAP_SHARED, ZYGOTE_FD_STATE, 0);
	struct zygote_message message;
	int fd[2];

	fake_say(control, ZYGOTE_READY, "fake DPDK");
	for (;;) {
		struct pollfd p = { .fd = control, .events = POLLIN };
		poll(&p, 1, -1);
		int rc = zygote_receive(control, &message, fd, NULL);
		if (rc == -EAGAIN)
			continue;
		if (rc != 1)
			_exit(0);
		if (fake_fork_away(fd)) {
			close(control);
			if (message.kind == ZYGOTE_SPAWN)
				fake_worker(fd[0], fd[1], &message.spawn);
			if (shared != MAP_FAILED && atomic_load_explicit(&shared->spare_fails, memory_order_acquire))
				_exit(4);
			fake_await_adoption();
			control = fd[0];
			fake_say(control, ZYGOTE_READY, "fake DPDK");
			continue;
		}
		for (int i = 0; i < 2; i++)
			if (fd[i] >= 0)
				close(fd[i]);
	}
}

/* --describe prints what the plugin's text says, so that a test decides what is described. */
static inline int fake_describe(const char *path)
{
	struct fake_plugin plugin;
	const char *name = "fake";
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || pread(fd, &plugin, sizeof(plugin), 0) != (ssize_t)sizeof(plugin)) {
		fputs("cannot be opened: is the path right?\n", stderr);
		return 1;
	}
	if (!strcmp(plugin.text, "hang"))
		fake_forever();
	if (!strcmp(plugin.text, "crash"))
		fake_crash();
	if (!strncmp(plugin.text, "raw ", 4)) {
		puts(plugin.text + 4);
		return 0;
	}
	if (!strncmp(plugin.text, "other ", 6)) {
		name = "other";
		memmove(plugin.text, plugin.text + 6, strlen(plugin.text) - 5);
	}
	struct fake_schema of;
	if (fake_schema_of(plugin.text, &of)) {
		printf("{\"abi\":%u,\"name\":\"fake\",\"version\":\"%s\",\"build_id\":\"\",\"key\":\"flow\",\"key_offset\":0,"
		       "\"key_length\":0,\"schema\":%u,\"record_size\":%u,\"max_undo_bytes\":64", BATON_PLUGIN_ABI, of.version,
		       of.schema, FAKE_RECORD);
		if (of.older != 0)
			printf(",\"older\":[{\"schema\":%u,\"record_size\":%u,\"down\":%s}]", of.older, FAKE_RECORD,
			       of.down ? "true" : "false");
		puts("}");
		return 0;
	}
	/* Of a version whose name begins with r, a rollout's, also the build that its workers say. */
	const char *version = !strncmp(plugin.text, "ok ", 3) ? plugin.text + 3 :
			      !strncmp(plugin.text, "shadow ", 7) ? plugin.text + 7 : plugin.text;
	const char *build = version[0] == 'r' ? "r123456789abcdef0123456789abcdef01234567" : "";

	printf("{\"abi\":%u,\"name\":\"%s\",\"version\":\"%s\",\"build_id\":\"%s\",\"key\":\"flow\",\"key_offset\":0,"
	       "\"key_length\":0,\"schema\":%u,\"record_size\":%u,\"max_undo_bytes\":64,\"shadow\":%s}\n",
	       BATON_PLUGIN_ABI, name, version, build, FAKE_SCHEMA, FAKE_RECORD,
	       strchr(version, '+') || !strncmp(plugin.text, "shadow ", 7) ? "true" : "false");
	return 0;
}

/* --snapshot STATE FILE GROUP. STATE says how that goes: "full", "dies", "hangs", or well. */
static inline int fake_snapshot(char **argv)
{
	int fd = open(argv[3], O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, argv[4], strlen(argv[4])) < 0) {
		fputs("cannot make it\n", stderr);
		return 1;
	}
	close(fd);
	if (!strcmp(argv[2], "dies"))
		fake_crash();
	if (!strcmp(argv[2], "hangs"))
		fake_forever();
	if (!strcmp(argv[2], "full")) {
		unlink(argv[3]);
		fputs("cannot write: is its file system full?\n", stderr);
		return 1;
	}
	puts("{\"buckets\":64,\"records\":7}");
	return 0;
}

/* Call first in main(): does not return in a process that was started as zygote. */
static inline void fake_zygote_main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "--describe"))
		exit(fake_describe(argv[2]));
	if (argc == 5 && !strcmp(argv[1], "--snapshot"))
		exit(fake_snapshot(argv));
	if (argc > 2 && !strcmp(argv[1], "--parent")) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		fake_primary = atoi(argv[2]);
		if (getppid() != fake_primary)
			_exit(1);
		if (getenv("FAKE_ZYGOTE_FAILS")) {
			fake_say(ZYGOTE_FD_CONTROL, ZYGOTE_FAILED, "no memory to attach to");
			_exit(1);
		}
		if (getenv("FAKE_ZYGOTE_DIES"))
			_exit(9);
		fake_serve(ZYGOTE_FD_CONTROL);
	}
}

#endif
