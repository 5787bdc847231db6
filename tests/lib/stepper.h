/* Runs a function in a child process one instruction at a time, so that a test can look at shared memory as a SIGKILL
 * after each instruction would leave it: whatever the compiler made of the source. */
#ifndef BATON_TEST_STEPPER_H
#define BATON_TEST_STEPPER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Forks; the child stands before fn(arg) and ends with _exit(0) after it. Parent and child share one CPU from here on:
 * that makes a step several times cheaper. Aborts if ptrace is refused. */
pid_t stepper_start(void (*fn)(void *arg), void *arg);

/* One instruction. False: the child is gone (fn has returned). Aborts if it was killed by a signal. */
bool stepper_step(pid_t pid);

/* Where the child stands: the address of its next instruction. */
uint64_t stepper_at(pid_t pid);

/* Lets the child run to the `nth` time (1: the first) that it stands at this address, by a breakpoint of the CPU:
 * nothing of its memory is changed. Aborts if it never gets there. The place where it stands now counts. */
void stepper_run_to(pid_t pid, uint64_t address, uint32_t nth);

/* The end by `signal`, between two instructions: SIGKILL; one that kills unless it is caught, as SIGSEGV; or SIGSTOP
 * and, once the child has stopped, SIGKILL. Returns when it is over. */
void stepper_end(pid_t pid, int signal);

/* SIGKILL between two instructions; returns when no store of the child can come any more. */
void stepper_kill(pid_t pid);

#endif
