/* Checks across values. Each looks only at values that were read without an error: one mistake, one message. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <string.h>

#include "loader.h"

/* Reports at the place where `field` was written, or where the section that lacks it begins. */
#define wrong(l, field, ...) loader_error(l, field_place(l, field), __VA_ARGS__)

static struct place field_place(const struct loader *l, const void *field)
{
	const struct spot *spot = loader_spot(l, field, false);

	return spot ? spot->place : (struct place){ 0, 0 };
}

static bool given(const struct loader *l, const void *field)
{
	const struct spot *spot = loader_spot(l, field, false);

	return spot && spot->given && !spot->bad;
}

static uint32_t mask_of(uint8_t prefix)
{
	return htonl(prefix == 0 ? 0 : 0xffffffffu << (32 - prefix));
}

static const char *ip_text(uint32_t ip, char out[INET_ADDRSTRLEN])
{
	return inet_ntop(AF_INET, &ip, out, INET_ADDRSTRLEN);
}

/* `name` stands at the start of elements `stride` bytes apart; the index-th must differ from those before it. */
static void check_unique(struct loader *l, const char *shown, const void *first, size_t stride, uint32_t index)
{
	const char *name = (const char *)first + index * stride;

	if (!loader_good(l, name))
		return;
	for (uint32_t i = 0; i < index; i++) {
		const char *other = (const char *)first + i * stride;

		if (loader_good(l, other) && strcmp(name, other) == 0) {
			struct place place = field_place(l, other);
			wrong(l, name, "%s[%u].name: '%s' is already used by %s[%u] (line %u column %u)", shown, index,
			      name, shown, i, place.line + 1, place.column + 1);
			return;
		}
	}
}

/* An address a host can have: unicast, and neither the network nor the broadcast address of its prefix. */
static const char *address_problem(struct config_address address)
{
	uint32_t ip = ntohl(address.ip), host = ip & ~ntohl(mask_of(address.prefix));

	if (ip >> 24 == 0 || ip >> 28 >= 0xe || ip >> 24 == 127)
		return "is not an address a host can have";
	if (address.prefix < 31 && host == 0)
		return "is the address of the network, not of a host in it";
	if (address.prefix < 31 && host == ~ntohl(mask_of(address.prefix)))
		return "is the broadcast address of its network";
	return NULL;
}

/* The addresses of a port: n 0, of its untagged frames; else of its n-th VLAN, from 1. */
struct network {
	const struct config_address *address;
	uint32_t addresses;
	const uint32_t *gateway;
	char shown[40]; /* "ports[0].vlans[1]" */
};

static struct network network_of(const struct config *c, uint32_t p, uint32_t n)
{
	const struct config_port *port = &c->port[p];
	const struct config_vlan *vlan = &port->vlan[n == 0 ? 0 : n - 1];
	struct network net = { .address = port->address, .addresses = port->addresses, .gateway = &port->gateway };

	if (n != 0)
		net = (struct network){ .address = vlan->address, .addresses = vlan->addresses,
					.gateway = &vlan->gateway };
	snprintf(net.shown, sizeof(net.shown), n == 0 ? "ports[%u]" : "ports[%u].vlans[%u]", p, n - 1);
	return net;
}

/* Finds another place with the same address, before the index-th of (p, n). Returns false if there is none. */
static bool address_twice(const struct loader *l, uint32_t p, uint32_t n, uint32_t index, struct network *other)
{
	uint32_t ip = network_of(l->config, p, n).address[index].ip;

	for (uint32_t i = 0; i <= p; i++) {
		for (uint32_t j = 0; j <= (i == p ? n : l->config->port[i].vlans); j++) {
			*other = network_of(l->config, i, j);
			for (uint32_t a = 0; a < (i == p && j == n ? index : other->addresses); a++) {
				const struct spot *spot = loader_spot(l, &other->address[a], true);

				if (spot && !spot->bad && other->address[a].ip == ip)
					return true;
			}
		}
	}
	return false;
}

static void check_addresses(struct loader *l, uint32_t p, uint32_t n)
{
	const struct network net = network_of(l->config, p, n);
	char text[INET_ADDRSTRLEN];
	struct network other;
	bool inside = false;

	for (uint32_t a = 0; a < net.addresses; a++) {
		const struct config_address address = net.address[a];
		const struct spot *spot = loader_spot(l, &net.address[a], true);

		if (!spot || spot->bad)
			continue;
		ip_text(address.ip, text);
		if (address_problem(address))
			loader_error(l, spot->place, "%s.addresses[%u]: %s/%u %s", net.shown, a, text, address.prefix,
				     address_problem(address));
		else if (address_twice(l, p, n, a, &other))
			loader_error(l, spot->place, "%s.addresses[%u]: %s is already an address of %s", net.shown, a,
				     text, other.shown);
		inside = inside || ((*net.gateway ^ address.ip) & mask_of(address.prefix)) == 0;
		if (*net.gateway != 0 && *net.gateway == address.ip && loader_good(l, net.gateway))
			wrong(l, net.gateway, "%s.gateway: %s is the port's own address", net.shown, text);
	}
	if (n == 0 && net.addresses == 0 && loader_good(l, net.address) && l->config->port[p].vlans == 0 &&
	    loader_good(l, &l->config->port[p].vlans))
		wrong(l, net.address, "ports[%u]: 'addresses' is missing: ADDRESS/PREFIX such as 10.77.0.1/24", p);
	if (*net.gateway && loader_good(l, net.gateway) && loader_good(l, net.address) && !inside)
		wrong(l, net.gateway, "%s.gateway: %s is in none of the %s's networks", net.shown,
		      ip_text(*net.gateway, text), n == 0 ? "port" : "VLAN");
}

static void check_vlans(struct loader *l, uint32_t p)
{
	const struct config_port *port = &l->config->port[p];

	for (uint32_t v = 0; v < port->vlans; v++) {
		const uint32_t *id = &port->vlan[v].id;

		for (uint32_t o = 0; o < v && loader_good(l, id); o++)
			if (loader_good(l, &port->vlan[o].id) && port->vlan[o].id == *id)
				wrong(l, id, "ports[%u].vlans[%u].id: VLAN %u is already ports[%u].vlans[%u]", p, v, *id,
				      p, o);
		check_addresses(l, p, v + 1);
	}
	if (port->vlans && port->driver == DRIVER_GENERATOR && loader_good(l, &port->driver))
		wrong(l, &port->vlans, "ports[%u].vlans: has no meaning with driver generator", p);
}

static void check_driver(struct loader *l, uint32_t p)
{
	const struct config_port *port = &l->config->port[p];
	const struct {
		const void *field;
		const char *key;
		enum config_driver driver;
	} only[] = {
		{ port->device, "device", DRIVER_EAL },
		{ &port->promiscuous, "promiscuous", DRIVER_EAL },
		{ &port->vlan_offload, "vlan_offload", DRIVER_EAL },
		{ &port->in_flight, "in_flight", DRIVER_GENERATOR },
		{ &port->rate, "rate", DRIVER_GENERATOR },
		{ &port->players, "players", DRIVER_GENERATOR },
		{ &port->malformed_every, "malformed_every", DRIVER_GENERATOR },
		{ &port->lost_after_ns, "lost_after", DRIVER_GENERATOR },
	};

	if (!loader_good(l, &port->driver))
		return;
	for (size_t i = 0; i < sizeof(only) / sizeof(only[0]); i++)
		if (given(l, only[i].field) && port->driver != only[i].driver)
			wrong(l, only[i].field, "ports[%u].%s: has no meaning with driver %s", p, only[i].key,
			      port->driver == DRIVER_EAL ? "eal" : "generator");
	if (port->driver == DRIVER_EAL && loader_good(l, port->device) && port->device[0] == '\0')
		wrong(l, port->device, "ports[%u]: 'device' is missing: a PCI address or a virtual device such as "
		      "net_tap0,iface=baton0", p);
	if (strpbrk(port->device, " \t"))
		wrong(l, port->device, "ports[%u].device: holds a blank; EAL devices have none", p);
}

/* What two ports must not share: the device, and the interface that a virtual one stands on, which would hand each
 * packet to both. Returns 0 if there is none. A PCI address may leave out its domain, 0000. */
static size_t device_part(const char *device, bool interface, const char **part)
{
	static const char key[] = ",iface=";

	if (interface) {
		*part = strstr(device, key);
		*part = *part ? *part + sizeof(key) - 1 : "";
	} else {
		*part = strncmp(device, "0000:", 5) == 0 ? device + 5 : device;
	}
	return strcspn(*part, ",");
}

static void check_device_once(struct loader *l, uint32_t p)
{
	const struct config_port *port = l->config->port;

	for (uint32_t o = 0; o < p; o++) {
		for (int interface = 0; interface < 2; interface++) {
			const char *one, *other;
			size_t bytes = device_part(port[p].device, interface, &one);

			if (bytes == 0 || bytes != device_part(port[o].device, interface, &other) ||
			    strncmp(one, other, bytes) != 0)
				continue;
			wrong(l, port[p].device, "ports[%u].device: %s'%.*s' already belongs to ports[%u]", p,
			      interface ? "interface " : "", (int)bytes, one, o);
			break;
		}
	}
}

static void check_ports(struct loader *l)
{
	const struct config *c = l->config;

	for (uint32_t p = 0; p < c->ports; p++) {
		check_unique(l, "ports", c->port, sizeof(c->port[0]), p);
		check_driver(l, p);
		check_addresses(l, p, 0);
		check_vlans(l, p);
		check_device_once(l, p);
	}
}

static void check_service_address(struct loader *l, uint32_t s)
{
	const struct config *c = l->config;
	const struct config_service *service = &c->service[s];
	char text[INET_ADDRSTRLEN];
	bool known = service->ip == 0;

	if (!loader_good(l, &service->ip))
		return;
	for (uint32_t p = 0; p < c->ports; p++) {
		for (uint32_t n = 0; n <= c->port[p].vlans; n++) {
			struct network net = network_of(c, p, n);

			/* A list with a mistake in it may hold the address, too. */
			known = known || !loader_good(l, net.address);
			for (uint32_t a = 0; a < net.addresses; a++)
				known = known || net.address[a].ip == service->ip;
		}
	}
	if (!known && loader_good(l, &c->ports))
		wrong(l, &service->ip, "services[%u].address: %s is an address of no port", s,
		      ip_text(service->ip, text));
	for (uint32_t o = 0; o < s && loader_good(l, &service->udp_port); o++) {
		const struct config_service *other = &c->service[o];

		if (loader_good(l, &other->ip) && other->udp_port == service->udp_port &&
		    (other->ip == service->ip || !other->ip || !service->ip))
			wrong(l, &service->udp_port, "services[%u].port: services[%u] already has UDP port %u%s", s, o,
			      service->udp_port,
			      other->ip == service->ip ? " on this address" : "; 'any' takes it on every address");
	}
}

static void check_service_group(struct loader *l, uint32_t s)
{
	struct config *c = l->config;
	struct config_service *service = &c->service[s];
	const char *names[BATON_MAX_GROUPS + 1];
	char hint[SHOWN_BYTES];
	uint32_t g;

	if (!loader_good(l, service->group) || !loader_good(l, &c->groups))
		return;
	for (g = 0; g < c->groups && strcmp(c->group[g].name, service->group) != 0; g++) {
		if (!loader_good(l, c->group[g].name))
			return;
		names[g] = c->group[g].name;
	}
	if (g == c->groups) {
		names[g] = NULL;
		wrong(l, service->group, "services[%u].group: no group is called '%s'%s", s, service->group,
		      value_meant(service->group, names, hint));
		return;
	}
	service->group_index = g;
	for (uint32_t o = 0; o < s; o++)
		if (strcmp(c->service[o].group, service->group) == 0)
			wrong(l, service->group,
			      "services[%u].group: '%s' already serves services[%u]; a bucket's records have one "
			      "owner, so each service needs a group of its own",
			      s, service->group, o);
}

static void check_services(struct loader *l)
{
	struct config *c = l->config;

	for (uint32_t s = 0; s < c->services; s++) {
		uint32_t buckets = c->service[s].buckets, above = 1;

		check_unique(l, "services", c->service, sizeof(c->service[0]), s);
		check_service_address(l, s);
		check_service_group(l, s);
		while (above < buckets)
			above *= 2;
		if (loader_good(l, &c->service[s].buckets) && above != buckets)
			wrong(l, &c->service[s].buckets,
			      "services[%u].buckets: %u is not a power of two; the nearest are %u and %u", s, buckets,
			      above / 2, above);
	}
}

static void check_groups(struct loader *l)
{
	const struct config *c = l->config;
	uint32_t workers = 0, standby = 0, needed;
	bool whole = loader_good(l, &c->groups) && loader_good(l, &c->worker_slots);

	for (uint32_t g = 0; g < c->groups; g++) {
		const struct config_group *group = &c->group[g];
		bool used = !loader_good(l, group->name) || !loader_good(l, &c->services);

		check_unique(l, "groups", c->group, sizeof(c->group[0]), g);
		for (uint32_t v = 0; v < group->versions; v++) {
			char shown[48];

			snprintf(shown, sizeof(shown), "groups[%u].versions", g);
			check_unique(l, shown, group->version, sizeof(group->version[0]), v);
		}
		for (uint32_t s = 0; s < c->services; s++)
			used = used || !loader_good(l, c->service[s].group) ||
			       strcmp(c->service[s].group, group->name) == 0;
		if (!used)
			wrong(l, group->name,
			      "groups[%u].name: no service names group '%s'; its workers would have nothing to do", g,
			      group->name);
		if (group->stall_wall_ns != 0 && group->stall_wall_ns < group->stall_timeout_ns &&
		    loader_good(l, &group->stall_wall_ns) && loader_good(l, &group->stall_timeout_ns))
			wrong(l, &group->stall_wall_ns,
			      "groups[%u].stall_wall: shorter than stall_timeout: raise it, too, or switch it off", g);
		if (group->restart_delay_most_ns != 0 && group->restart_delay_most_ns < group->restart_delay_ns &&
		    loader_good(l, &group->restart_delay_most_ns) && loader_good(l, &group->restart_delay_ns))
			wrong(l, &group->restart_delay_most_ns,
			      "groups[%u].restart_delay_most: shorter than restart_delay: raise it, too", g);
		if (group->balance.settle >= group->balance.threshold && loader_good(l, &group->balance.settle) &&
		    loader_good(l, &group->balance.threshold))
			wrong(l, &group->balance.settle,
			      "groups[%u].balance.settle: %u is not below threshold, %u: what begins there must end lower", g,
			      group->balance.settle, group->balance.threshold);
		whole = whole && loader_good(l, &group->count) && loader_good(l, &group->standby);
		workers += group->count;
		standby += group->standby;
	}
	needed = workers + standby + 1;
	if (whole && needed > c->worker_slots)
		wrong(l, &c->worker_slots,
		      "memory.worker_slots: %u slots are too few for %u workers, %u standbys (groups[].standby) and 1 for "
		      "a restart, which starts the new worker before the old one goes; at least %u%s",
		      c->worker_slots, workers, standby, needed,
		      needed > BATON_MAX_WORKERS ? ", which is more than Baton has: lower groups[].count or standby" : "");
}

/* Arguments batond gives itself, or that rule out secondary processes. */
static void check_extra_args(struct loader *l)
{
	static const struct {
		const char *argument, *why;
	} refused[] = {
		{ "--no-shconf", "switches multi-process off" },
		{ "--no-huge", "rules out secondary processes" },
		{ "--in-memory", "rules out secondary processes" },
		{ "--huge-unlink", "rules out secondary processes" },
		{ "--proc-type", "is set by batond" },
		{ "--file-prefix", "is set by batond" },
		{ "--base-virtaddr", "is set by batond" },
		{ "--main-lcore", "is set by eal.main_core" },
		{ "--lcores", "is set by eal.io_cores" },
		{ "-l", "is set by eal.io_cores" },
		{ "-c", "is set by eal.io_cores" },
		{ "-n", "is set by eal.memory_channels" },
		{ "-m", "is set by eal.socket_memory" },
		{ "--socket-mem", "is set by eal.socket_memory" },
		{ "--huge-dir", "is set by eal.huge_dir" },
		{ "--vdev", "belongs in ports[].device" },
		{ "-a", "belongs in ports[].device" },
		{ "--allow", "belongs in ports[].device" },
	};
	const char *args = l->config->extra_args;

	if (!loader_good(l, args))
		return;
	for (const char *at = args + strspn(args, " "); *at; at += strspn(at, " ")) {
		size_t bytes = strcspn(at, " ");

		for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
			const char *argument = refused[i].argument;
			/* Long ones may be followed by =VALUE, short ones by the value itself. */
			size_t match = argument[1] == '-' ? strcspn(at, " =") : 2;

			if (match <= bytes && match == strlen(argument) && strncmp(at, argument, match) == 0)
				wrong(l, args, "eal.extra_args: '%s' %s", argument, refused[i].why);
		}
		at += bytes;
	}
}

void loader_check(struct loader *l)
{
	struct config *c = l->config;

	check_ports(l);
	check_services(l);
	check_groups(l);
	check_extra_args(l);
	if (loader_good(l, &c->socket_memory) && c->socket_memory % BATON_HUGE_PAGE)
		wrong(l, &c->socket_memory,
		      "eal.socket_memory: %" PRIu64 " bytes are not a multiple of 2MiB, the size of a huge page",
		      c->socket_memory);
	for (uint32_t p = 0; p < c->ports; p++)
		c->port[p].line = field_place(l, c->port[p].name).line + 1;
	loader_check_poll(l);
	loader_check_sizing(l);
	loader_check_rollouts(l);
}
