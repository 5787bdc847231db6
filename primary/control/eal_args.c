/* The arguments EAL is started with, from the configuration. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "eal.h"

#define SOCKETS_MAX 8u

static int add(struct eal_args *args, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int add(struct eal_args *args, const char *format, ...)
{
	size_t room = sizeof(args->bytes) - args->used;
	va_list list;
	int length;

	if (args->argc == (int)EAL_ARGS_MAX)
		return -E2BIG;
	va_start(list, format);
	length = vsnprintf(args->bytes + args->used, room, format, list);
	va_end(list);
	if (length < 0 || (size_t)length >= room)
		return -E2BIG;
	args->argv[args->argc++] = args->bytes + args->used;
	args->argv[args->argc] = NULL;
	args->used += (size_t)length + 1;
	return 0;
}

bool eal_is_pci(const char *device)
{
	size_t hex = strspn(device, "0123456789abcdefABCDEF");

	if (hex == 4 && device[4] == ':') { /* the domain */
		device += 5;
		hex = strspn(device, "0123456789abcdefABCDEF");
	}
	return hex == 2 && device[2] == ':' && strspn(device + 3, "0123456789abcdefABCDEF") == 2 && device[5] == '.' &&
	       device[6] >= '0' && device[6] <= '7' && (device[7] == '\0' || device[7] == ',');
}

void eal_device_name(const char *device, char *out, size_t size)
{
	snprintf(out, size, "%.*s", (int)strcspn(device, ","), device);
}

bool eal_device_argument(const char *device, const char *key, char *out, size_t size)
{
	size_t length = strlen(key);

	for (const char *at = strchr(device, ','); at != NULL; at = strchr(at + 1, ',')) {
		if (strncmp(at + 1, key, length) != 0 || at[1 + length] != '=')
			continue;
		at += 2 + length;
		snprintf(out, size, "%.*s", (int)strcspn(at, ","), at);
		return true;
	}
	return false;
}

/* NUMA node of a CPU as the kernel says; 0 where it says nothing. */
static uint32_t node_of_cpu(uint32_t cpu)
{
	char path[96];

	for (uint32_t node = 0; node < SOCKETS_MAX; node++) {
		FILE *file;

		snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/node%u/cpumap", cpu, node);
		file = fopen(path, "re");
		if (file != NULL) {
			fclose(file);
			return node;
		}
	}
	return 0;
}

/* Each I/O lcore's share on its own node: pools and belts are allocated there. */
static int add_memory(struct eal_args *args, const struct primary *primary)
{
	const struct config *config = &primary->config;
	uint64_t mib = primary->plan.eal_bytes >> 20, share = mib / config->io_cores / 2 * 2;
	uint64_t node[SOCKETS_MAX] = { 0 };
	uint32_t last = 0;
	char text[160];
	size_t at;

	for (uint32_t i = 0; i < config->io_cores; i++)
		node[node_of_cpu(config->io_core[i])] += share;
	node[node_of_cpu(config->main_core)] += mib - share * config->io_cores;
	for (uint32_t i = 0; i < SOCKETS_MAX; i++)
		if (node[i] != 0)
			last = i;
	at = (size_t)snprintf(text, sizeof(text), "--socket-mem=%llu", (unsigned long long)node[0]);
	for (uint32_t i = 1; i <= last; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, ",%llu", (unsigned long long)node[i]);
	return add(args, "%s", text);
}

/* EAL lcore 0 is the main lcore, i + 1 is I/O lcore i: ids stay unique where several share a CPU. */
static int add_lcores(struct eal_args *args, const struct config *config)
{
	char text[BATON_MAX_IO_LCORES * 12 + 32];
	size_t at = (size_t)snprintf(text, sizeof(text), "--lcores=0@%u", config->main_core);

	for (uint32_t i = 0; i < config->io_cores; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, ",%u@%u", i + 1, config->io_core[i]);
	return add(args, "%s", text);
}

static int add_devices(struct eal_args *args, const struct config *config)
{
	bool pci = false;
	int rc = 0;

	for (uint32_t i = 0; i < config->ports && rc == 0; i++) {
		const struct config_port *port = &config->port[i];

		if (port->driver != DRIVER_EAL)
			continue;
		if (eal_is_pci(port->device)) {
			pci = true;
			rc = add(args, "--allow=%s", port->device);
		} else {
			rc = add(args, "--vdev=%s", port->device);
		}
	}
	if (rc == 0 && !pci)
		rc = add(args, "--no-pci");
	/* Virtual devices know no physical addresses; with a card EAL chooses by what its driver and the IOMMU can do. */
	if (rc == 0 && !pci)
		rc = add(args, "--iova-mode=va");
	return rc;
}

static int add_extra(struct eal_args *args, const char *extra)
{
	int rc = 0;

	while (rc == 0 && *(extra += strspn(extra, " \t")) != '\0') {
		int length = (int)strcspn(extra, " \t");

		rc = add(args, "%.*s", length, extra);
		extra += length;
	}
	return rc;
}

int eal_args_build(struct eal_args *args, const struct primary *primary)
{
	const struct config *config = &primary->config;
	int rc;

	args->argc = 0;
	args->used = 0;
	rc = add(args, "batond");
	if (rc == 0)
		rc = add_lcores(args, config);
	if (rc == 0)
		rc = add(args, "--main-lcore=0");
	if (rc == 0)
		rc = add(args, "-n%u", config->memory_channels);
	if (rc == 0)
		rc = add(args, "--proc-type=primary");
	if (rc == 0)
		rc = add(args, "--huge-dir=%s", config->huge_dir);
	if (rc == 0)
		rc = add(args, "--file-prefix=%s", primary->file_prefix);
	if (rc == 0)
		rc = add_memory(args, primary);
	if (rc == 0)
		rc = add(args, "--base-virtaddr=0x%llx", BATON_BASE_VIRTADDR);
	if (rc == 0 && strstr(config->extra_args, "--telemetry") == NULL)
		rc = add(args, "--no-telemetry");
	if (rc == 0)
		rc = add_devices(args, config);
	if (rc == 0)
		rc = add_extra(args, config->extra_args);
	return rc;
}
