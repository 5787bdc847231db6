/* What the sources of the control socket's fuzz program share. */
#ifndef BATON_TEST_FUZZ_COMMAND_H
#define BATON_TEST_FUZZ_COMMAND_H

#include <stdint.h>

#include "primary.h"

extern struct primary primary;
extern uint64_t begun; /* token of the order under way, and 1; 0: none */

void broken(const char *file, int line, const char *what) __attribute__((noreturn));
#define must(condition) ((condition) ? (void)0 : broken(__FILE__, __LINE__, #condition))

#endif
