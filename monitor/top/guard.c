/* Signals of the live screen, and the bytes that leave it. */
#include "guard.h"

#include <curses.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <term.h>
#include <termios.h>
#include <unistd.h>

#include "sabotage.h"

static volatile sig_atomic_t stop_signal, continued;
static struct termios sane;
static char goodbye[512]; /* bytes that leave the alternate screen, show the cursor, end all attributes */
static size_t goodbye_len;

static int collect(int c)
{
	if (goodbye_len < sizeof(goodbye))
		goodbye[goodbye_len++] = (char)c;
	return c;
}

/* Prepared while all is well: a handler of SIGSEGV may not ask ncurses for anything. */
static void prepare_goodbye(void)
{
	char *const text[] = { exit_attribute_mode, keypad_local, cursor_normal, exit_ca_mode };

	goodbye_len = 0;
	for (size_t i = 0; i < sizeof(text) / sizeof(text[0]); i++)
		if (text[i] != NULL)
			tputs(text[i], 1, collect);
}

static void on_stop(int number)
{
	stop_signal = number;
}

static void on_continue(int number)
{
	(void)number;
	continued = 1;
}

/* SA_RESETHAND: raising it again ends the process as if there had been no handler, core dump included. */
static void on_crash(int number)
{
	size_t done = 0;

	while (done < goodbye_len) {
		ssize_t n = write(STDOUT_FILENO, goodbye + done, goodbye_len - done);
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	tcsetattr(STDIN_FILENO, TCSANOW, &sane);
	raise(number);
}

static void handle(int number, void (*handler)(int), int flags)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = flags };

	sigemptyset(&action.sa_mask);
	sigaction(number, &action, NULL);
}

/* SIGTSTP and SIGWINCH are ncurses' own. */
static void catch_signals(void)
{
	static const int stops[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	static const int crashes[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT };
	static uint64_t stack[8192]; /* the ordinary one may be what overflowed */
	const stack_t alternate = { .ss_sp = stack, .ss_size = sizeof(stack) };

	sigaltstack(&alternate, NULL);
	for (size_t i = 0; i < sizeof(stops) / sizeof(stops[0]); i++)
		handle(stops[i], on_stop, 0);
	for (size_t i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++)
		handle(crashes[i], on_crash, (int)(SA_RESETHAND | SA_NODEFER | SA_ONSTACK));
	handle(SIGCONT, on_continue, SA_RESTART);
}

void guard_save(void)
{
	tcgetattr(STDIN_FILENO, &sane);
}

void guard_start(void)
{
	prepare_goodbye();
	catch_signals();
}

int guard_stopped(void)
{
	return stop_signal;
}

bool guard_continued(void)
{
	bool was = continued != 0;

	continued = 0;
	return was;
}

bool guard_abandoned(void)
{
	struct pollfd terminal = { .fd = STDIN_FILENO };

	return poll(&terminal, 1, 0) == 1 && (terminal.revents & (POLLHUP | POLLERR)) != 0 &&
	       !BATON_SABOTAGE(terminal_gone_unseen);
}

void guard_finish(void)
{
	if (stop_signal == 0)
		return;
	signal(stop_signal, SIG_DFL);
	raise(stop_signal);
}
