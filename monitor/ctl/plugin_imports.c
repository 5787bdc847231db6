/* Symbols that a plugin takes from others: what nobody has, and what a handler must not call. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdbool.h>
#include <string.h>

#include "plugin_report.h"

/* ---- libraries ---- */

/* Parts of the C library and the compiler, which every Debian has. */
static const char *const usual[] = {
	"libc.so.6", "ld-linux-x86-64.so.2", "libm.so.6", "libgcc_s.so.1", "libpthread.so.0", "libdl.so.2", "librt.so.1",
	"libstdc++.so.6",
};
#define USUAL (sizeof(usual) / sizeof(usual[0]))

static bool is_usual(const char *library)
{
	for (size_t i = 0; i < USUAL; i++)
		if (strcmp(library, usual[i]) == 0)
			return true;
	return false;
}

/* True if it needs a library that may have anything. */
static bool check_libraries(struct plugin_report *r, const struct plugin_elf *plugin)
{
	bool others = false;

	for (uint32_t i = 0; i < plugin->needed_count; i++) {
		if (is_usual(plugin->needed[i]))
			continue;
		others = true;
		plugin_say(r, PLUGIN_WARN, "library", "needs %s: it must be on every host, and each worker loads it under "
			"traffic; "
			   "link it statically if you can", plugin->needed[i]);
	}
	return others;
}

static bool has(const char *library, const char *name)
{
	void *handle = dlopen(library, RTLD_LAZY | RTLD_LOCAL);
	bool found = handle != NULL && dlsym(handle, name) != NULL;

	if (handle != NULL)
		dlclose(handle);
	return found;
}

/* In libc, which a worker has, or in another of the usual ones if the plugin says that it needs it. */
static bool library_has(const struct plugin_elf *plugin, const char *name)
{
	for (size_t i = 0; i < USUAL; i++) {
		bool there = i < 2; /* libc and the dynamic loader itself */

		for (uint32_t n = 0; n < plugin->needed_count; n++)
			there |= strcmp(plugin->needed[n], usual[i]) == 0;
		if (there && has(usual[i], name))
			return true;
	}
	return false;
}

/* ---- what a handler must not, or should not, call ---- */

static const char clock_why[] = "must not read a clock: ctx->time_ns is the time, the same when the datagram is "
	"handled again";
static const char random_why[] = "must not draw its own random numbers: baton_random(ctx) gives the same ones when "
	"the datagram "
				 "is handled again";
static const char process_why[] = "must not start threads or processes: the kernel refuses it (seccomp)";
static const char io_why[] = "must not do I/O: what is undone stays written, and players wait meanwhile";
static const char net_why[] = "must not use sockets: replies go back by baton_reply(), everything else is Baton's "
	"to send";
static const char wait_why[] = "must not wait: a worker that makes no progress is taken for dead";
static const char end_why[] = "must not end the worker: return a verdict";
static const char signal_why[] = "must not change signal handlers: they belong to the worker";
static const char memory_why[] = "should not allocate: what it holds is lost with the process, and nobody undoes "
	"it; records "
				 "are what stays";
static const char load_why[] = "must not load code";

static const struct { const char *names, *why; bool in_init; } forbidden[] = {
	{" clock_gettime gettimeofday time clock timespec_get ftime times ", clock_why, true},
	{" rand random rand_r random_r drand48 erand48 lrand48 nrand48 mrand48 jrand48 getrandom getentropy arc4random "
	 "arc4random_buf arc4random_uniform ", random_why, true},
	{" fork vfork clone pthread_create thrd_create execve execv execvp execl execlp execle execvpe fexecve system "
		"popen "
	 "posix_spawn posix_spawnp daemon ", process_why, false},
	{" socket connect bind listen accept accept4 send sendto sendmsg sendmmsg recv recvfrom recvmsg recvmmsg "
		"getaddrinfo "
	 "gethostbyname ", net_why, true},
	{" open open64 openat openat64 creat fopen fopen64 freopen fdopen fclose read write pread pwrite readv writev "
		"fread "
	 "fwrite fgets fputs fputc putc puts putchar printf vprintf fprintf vfprintf dprintf vdprintf __printf_chk "
	 "__fprintf_chk "
	 "__vprintf_chk __vfprintf_chk fflush perror syslog __syslog_chk unlink rename mkdir ioctl syscall mmap munmap "
	 "", io_why, true},
	{" sleep usleep nanosleep clock_nanosleep poll ppoll select pselect epoll_wait pause wait waitpid sem_wait "
	 "pthread_mutex_lock pthread_cond_wait pthread_join sched_yield ", wait_why, true},
	{" exit _exit _Exit quick_exit abort kill raise tgkill pthread_exit ", end_why, false},
	{" signal sigaction sigprocmask sigaltstack pthread_sigmask ", signal_why, false},
	{" malloc calloc realloc reallocarray posix_memalign aligned_alloc strdup strndup asprintf vasprintf _Znwm _Znam ",
	 memory_why, true},
	{" dlopen dlmopen ", load_why, true},
};

static const char *forbidden_why(const char *name, bool *in_init)
{
	char padded[64];

	if (strlen(name) > sizeof(padded) - 3)
		return NULL;
	snprintf(padded, sizeof(padded), " %s ", name);
	for (size_t i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++)
		if (strstr(forbidden[i].names, padded) != NULL) {
			*in_init = forbidden[i].in_init;
			return forbidden[i].why;
		}
	return NULL;
}

/* ---- undefined symbols ---- */

static const char *advice(const char *name)
{
	if (strncmp(name, "baton_", 6) == 0)
		return "this version's workers do not offer it: was it built for another baton.h, or is it misspelt?";
	if (strncmp(name, "rte_", 4) == 0)
		return "a plugin sees no DPDK: use baton.h, libc and libm alone";
	if (strncmp(name, "_Z", 2) == 0)
		return "a C++ name: define it, link with -lstdc++, or declare what is C as extern \"C\"";
	if (strncmp(name, "__asan", 6) == 0 || strncmp(name, "__ubsan", 7) == 0 || strncmp(name, "__tsan", 6) == 0)
		return "of a sanitizer: build the plugin without -fsanitize";
	if (strncmp(name, "__gcov", 6) == 0)
		return "of coverage: build the plugin without --coverage";
	if (has("libm.so.6", name))
		return "link with -lm, behind the sources";
	return "define it, or link the library that has it (-lNAME, best its static archive)";
}

unsigned plugin_imports(struct plugin_report *r, const struct plugin_elf *plugin, const struct plugin_elf *zygote)
{
	bool others = check_libraries(r, plugin);
	unsigned missing = 0, warned = 0, imports = 0;
	Elf64_Sym symbol;
	const char *name;

	for (size_t i = 1; (name = plugin_elf_symbol(plugin, i, &symbol)) != NULL; i++) {
		if (symbol.st_shndx != SHN_UNDEF || ELF64_ST_BIND(symbol.st_info) != STB_GLOBAL || name[0] == 0)
			continue;
		bool in_init = false;
		const char *why = forbidden_why(name, &in_init);
		imports++;
		if (why != NULL) {
			plugin_say(r, PLUGIN_WARN, "import", "%s: a handler %s%s", name, why, in_init ? " (in init it is allowed)" :
				"");
			warned++;
		}
		if (library_has(plugin, name) || plugin_elf_defines(zygote, name))
			continue;
		if (others) {
			plugin_say(r, PLUGIN_WARN, "import", "%s: in none of libc, libm and the worker; perhaps in a library it "
				"needs",
				   name);
			continue;
		}
		plugin_say(r, PLUGIN_ERROR, "import", "%s: undefined symbol, and no worker has it: %s", name, advice(name));
		missing++;
	}
	if (missing == 0 && warned == 0)
		plugin_say(r, PLUGIN_OK, "imports", "%u symbols, all of them in the worker, libc or libm", imports);
	return missing;
}
