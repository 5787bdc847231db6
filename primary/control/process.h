/* Small things about child processes, all by pidfd: no wait for "any child" that could take another's exit status. */
#ifndef BATON_PRIMARY_PROCESS_H
#define BATON_PRIMARY_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

uint64_t process_now_ns(void); /* CLOCK_MONOTONIC */

/* Returns a close-on-exec pidfd or -errno. The process must be a child that nobody has reaped, else its pid may name
 * another process by now. */
int process_open(pid_t pid);

/* True when the process has ended, reaped or not. */
bool process_ended(int pidfd);

struct process_end {
	bool known;  /* false: its status went to another parent */
	bool killed; /* by signal `code`, else exit status `code` */
	bool dumped; /* killed, and a core dump was written first */
	int code;
};

/* Reaps an ended child. Returns 0, -EAGAIN while it runs, or -ECHILD: it has ended but is not our child (yet: its
 * first parent may still be on its way out). */
int process_reap(int pidfd, struct process_end *end);

int process_kill(int pidfd, int signal); /* 0 or -errno */

/* "signal 11 (Segmentation fault)", "exit status 3". */
const char *process_end_text(const struct process_end *end, char *text, size_t bytes);

/* Pid of an ended child that nobody has reaped, 0 if there is none. */
pid_t process_any_ended(void);
/* Reaps exactly this child if it has ended. */
void process_reap_pid(pid_t pid);

/* True if any process of that pid, child or not, has been killed and is on its way out: it may take seconds until it
 * gives back its locks and pages. False also if there is none. A guess: the pid may name another one by now. */
bool process_is_dying(pid_t pid);

/* CPU time of a child that nobody has reaped, and whether it is stopped, traced or asleep, not running nor waiting for
 * a CPU; false if that cannot be told. Returns 0 or -errno: it has ended. */
int process_clock(pid_t pid, uint64_t *cpu_ns, bool *blocked);

/* True if it has been stopped by a signal, or is traced. */
bool process_is_stopped(pid_t pid);

/* At the end: kills every child there still is, adopted ones too, and reaps them, for at most timeout_ms.
 * Returns the number that had to be killed. */
uint32_t process_end_children(uint32_t timeout_ms);

#endif
