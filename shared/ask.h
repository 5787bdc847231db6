/* Asking another program: it is started with nothing but its arguments, its two streams are read as they come, and it
 * is killed if it takes too long. Nobody has to wait for it. */
#ifndef BATON_SHARED_ASK_H
#define BATON_SHARED_ASK_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct ask {
	pid_t pid;    /* 0: nobody is asked; of all zeroes is a sound beginning */
	int out, err; /* our ends of its standard output and error; -1: it has ended */
	int timeout_ms;
	int64_t deadline_ms; /* CLOCK_MONOTONIC */
	char text[8192]; /* of its standard output, the beginning; text_len bytes */
	size_t text_len;
	char complaint[1024]; /* of its standard error */
	size_t complaint_len;
	uint64_t complaint_total; /* bytes that came, also those that did not fit */
	/* NULL: text takes standard output. Else it gets it as it comes, and nothing is kept. */
	void (*take)(void *arg, const char *bytes, size_t count);
	void *arg;
	int in; /* ask_begin_with(): its standard input */
};

/* Path of a program of ours: `variable` of the environment if it is set, else beside the running one. Returns 0,
 * -ENOENT (it is not there or cannot be run) or -ENAMETOOLONG. */
int ask_find(const char *name, const char *variable, char *path, size_t bytes);

/* Starts argv[0], a path. take and arg stay as they are. Returns 0 or -errno. */
int ask_begin(struct ask *ask, char *const *argv, int timeout_ms);
/* The same with a file to read from, ask->in, which stays the caller's. */
int ask_begin_with(struct ask *ask, char *const *argv, int timeout_ms);
/* Never waits. Returns -EAGAIN until it is over; then 0 and its wait status, -ETIMEDOUT (it has been killed) or -ECHILD
 * (somebody else has reaped it). It is gone then. */
int ask_poll(struct ask *ask, int *status);
/* The same, waiting. */
int ask_wait(struct ask *ask, int *status);
/* Kills and reaps it; nothing to do if nobody is asked. */
void ask_cancel(struct ask *ask);

#endif
