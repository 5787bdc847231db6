/* One line, one write(2): lines of several threads or processes never mix, and there is no lock a fork could copy. */
#include "log.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "sabotage.h"

#define LINE_BYTES 1024u
#define ROOM_WAIT_MS 20 /* for a reader who is slow, once; one who has stopped is not waited for again until he reads */

static const char *const level_name[] = { "error", "warn", "info", "debug" };
static const int level_priority[] = { 3, 4, 6, 7 }; /* syslog's */

/* w: log_init(), before other threads start  r: all */
static char log_ident[32] = "baton";
static _Atomic enum log_level log_level = LEVEL_INFO; /* and log_set_level(), at any time */
static bool log_journal;
/* w, r: all */
static _Atomic uint64_t log_lost;  /* lines, since the last that found room */
static _Atomic bool log_blocked;   /* the last found none */

/* True if standard error is the journal's stream. The variable alone proves nothing: it is inherited by programs
 * whose standard error went elsewhere (systemd.exec(5), JOURNAL_STREAM). */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;

	if (stream == NULL || sscanf(stream, "%llu:%llu", &device, &inode) != 2 || fstat(STDERR_FILENO, &st) != 0)
		return false;
	return st.st_dev == device && st.st_ino == inode;
}

void log_init(const char *ident, enum log_level level)
{
	snprintf(log_ident, sizeof(log_ident), "%s", ident);
	log_set_level(level);
	log_journal = stderr_is_journal();
}

void log_set_level(enum log_level level)
{
	/* relaxed: a line more or less of other threads harms nobody */
	atomic_store_explicit(&log_level, level, memory_order_relaxed);
}

/* UTC without gmtime_r(), which takes a lock of the C library. Days since 1970 to year, month, day. */
static void civil_date(uint64_t days, unsigned *year, unsigned *month, unsigned *day)
{
	static const uint8_t month_days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	unsigned y = 1970, m = 0;

	for (;; y++) {
		unsigned leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
		if (days < 365 + leap)
			break;
		days -= 365 + leap;
	}
	for (;; m++) {
		unsigned leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
		unsigned in_month = month_days[m] + (m == 1 ? leap : 0);
		if (days < in_month)
			break;
		days -= in_month;
	}
	*year = y;
	*month = m + 1;
	*day = (unsigned)days + 1;
}

static int print_prefix(char *line, size_t size, enum log_level level)
{
	struct timespec now;
	unsigned year, month, day;

	if (log_journal)
		return snprintf(line, size, "<%d>%s: ", level_priority[level], log_ident);
	clock_gettime(CLOCK_REALTIME, &now);
	uint64_t seconds = (uint64_t)now.tv_sec, of_day = seconds % 86400;
	civil_date(seconds / 86400, &year, &month, &day);
	return snprintf(line, size, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ %s %s: ", year, month, day,
			(unsigned)(of_day / 3600), (unsigned)(of_day / 60 % 60), (unsigned)(of_day % 60),
			(unsigned)(now.tv_nsec / 1000000), log_ident, level_name[level]);
}

/* Whoever reads standard error may have stopped: a pager, a terminal after ^S, a log daemon that hangs. A pipe, a
 * terminal and a socket say whether they take a line without waiting; a file always does. */
static bool has_room(void)
{
	struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
	/* relaxed, here and below: they order nothing */
	int wait_ms = atomic_load_explicit(&log_blocked, memory_order_relaxed) ? 0 : ROOM_WAIT_MS;
	bool room = poll(&out, 1, wait_ms) != 0 || BATON_SABOTAGE(log_waits); /* an error is write()'s to find */

	atomic_store_explicit(&log_blocked, !room, memory_order_relaxed);
	return room;
}

/* In front of a line, in one write(2) with it: how many are missing. Returns its length. */
static size_t print_missing(char *line, size_t size, uint64_t lines)
{
	int len = print_prefix(line, size, LEVEL_WARN);

	len += snprintf(line + len, size - (size_t)len, "%" PRIu64 " lines are missing here: standard error was not read\n",
			lines);
	return (size_t)len;
}

static void put(char *line, size_t len)
{
	char missing[LINE_BYTES / 2];
	struct iovec part[2] = {{missing, 0}, {line, len}};

	if (!has_room()) {
		atomic_fetch_add_explicit(&log_lost, 1, memory_order_relaxed);
		return;
	}
	uint64_t lost = atomic_exchange_explicit(&log_lost, 0, memory_order_relaxed);
	if (lost != 0)
		part[0].iov_len = print_missing(missing, sizeof(missing), lost);
	while (writev(STDERR_FILENO, part, 2) < 0 && errno == EINTR)
		;
}

void log_line(enum log_level level, const char *format, ...)
{
	char line[LINE_BYTES];
	va_list args;
	int saved = errno;

	if (level > atomic_load_explicit(&log_level, memory_order_relaxed))
		return;
	size_t start = (size_t)print_prefix(line, sizeof(line), level);
	va_start(args, format);
	errno = saved; /* for %m */
	int wanted = vsnprintf(line + start, sizeof(line) - start, format, args);
	va_end(args);
	size_t len = wanted < 0 ? start : start + (size_t)wanted;
	if (len > sizeof(line) - 1) {
		len = sizeof(line) - 1;
		memcpy(line + len - 3, "...", 3);
	}
	/* Text may come from plugins and clients: it must not forge lines or drive a terminal. */
	for (size_t i = start; i < len; i++)
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = ' ';
	line[len++] = '\n';
	put(line, len);
	errno = saved;
}
