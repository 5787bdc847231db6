/* What eal.c and eal_args.c share with each other and with their tests. */
#ifndef BATON_PRIMARY_EAL_H
#define BATON_PRIMARY_EAL_H

#include <stdbool.h>
#include <stddef.h>

#include "primary.h"

#define EAL_ARGS_MAX   96u
#define EAL_ARGS_BYTES 16384u

struct eal_args {
	char *argv[EAL_ARGS_MAX + 1]; /* NULL at the end */
	int argc;
	char bytes[EAL_ARGS_BYTES];
	size_t used;
};

/* The arguments for rte_eal_init(), from configuration, plan and file prefix. Returns 0 or -E2BIG. */
int eal_args_build(struct eal_args *args, const struct primary *primary);

/* True if the device string is a PCI address ("0000:03:00.0", "03:00.0"), perhaps with arguments behind a comma. */
bool eal_is_pci(const char *device);
/* The device's EAL name: what stands before the first comma. */
void eal_device_name(const char *device, char *out, size_t size);
/* Value of argument `key` of a device string; returns false if it has none. */
bool eal_device_argument(const char *device, const char *key, char *out, size_t size);

/* While on, error lines of EAL and its drivers go to the debug log; the first is kept for a message of ours. */
void eal_quiet(bool on);
/* The first error line since eal_quiet(true). */
const char *eal_first_error(void);

/* What went wrong while EAL started, if anything did. */
const char *eal_start_error(void);

/* Prints how full EAL's heap is, and warns if little is left: it must not grow while packets flow. */
void eal_report_heap(const struct primary *primary);

#endif
