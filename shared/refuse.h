/* Refuses with a reason: an errno for the program, one line for the person. */
#ifndef BATON_SHARED_REFUSE_H
#define BATON_SHARED_REFUSE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

/* Writes the line to why (bytes of room, cut if need be) and returns -error. error: an errno, above 0. */
static inline int refuse(int error, char *why, size_t bytes, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static inline int refuse(int error, char *why, size_t bytes, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, bytes, format, args);
	va_end(args);
	return -error;
}

#endif
