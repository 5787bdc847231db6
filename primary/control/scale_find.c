/* Which worker has this player: key, bucket, owner. What `buckets.find` answers. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "baton.h"
#include "hash.h"
#include "reply.h"
#include "supervisor.h"

#define KEYS_MOST  1000u /* the answer is made in one turn of the main loop */
#define SHOWN_MOST 40    /* characters of what was written wrong */
#define WHY_BYTES  700u

/* ---- the service ---- */

static bool is_named(const struct config *config, uint32_t service, const char *name)
{
	const struct config_service *s = &config->service[service];

	return strcmp(s->name, name) == 0 || strcmp(config->group[s->group_index].name, name) == 0;
}

/* "game, echo": the services that `name` might be of, or all. */
static void list_services(const struct config *config, const char *name, char *text, size_t bytes)
{
	size_t used = 0;

	text[0] = '\0';
	for (uint32_t i = 0; i < config->services && used < bytes; i++)
		if (!name || is_named(config, i, name))
			used += (size_t)snprintf(text + used, bytes - used, "%s%s", used ? ", " : "", config->service[i].name);
}

/* A service's own name goes before that of a group. Returns NULL and *service, or the refusal. */
static json_t *find_service(const struct config *config, const char *name, uint32_t *service)
{
	char list[500], why[WHY_BYTES];
	uint32_t found = 0;

	for (uint32_t i = 0; i < config->services; i++) {
		if (name && !is_named(config, i, name))
			continue;
		*service = i;
		found++;
		if (name && strcmp(config->service[i].name, name) == 0) {
			found = 1;
			break;
		}
	}
	if (found == 1)
		return NULL;
	list_services(config, found ? name : NULL, list, sizeof(list));
	if (found == 0) {
		snprintf(why, sizeof(why), "no service and no group '%.*s': services are %s", SHOWN_MOST, name ? name : "",
			 list);
		return reply_error("not_found", why);
	}
	snprintf(why, sizeof(why), "a key is of one service: name it before the keys; there are %s", list);
	return reply_error("usage", why);
}

/* ---- keys ---- */

/* Bytes of a payload as the number they are, little-endian: what hash_key_bytes() makes of them. */
static int parse_number(const char *text, uint32_t length, uint64_t *key)
{
	bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	const char *digits = hex ? text + 2 : text;
	size_t n = strspn(digits, hex ? "0123456789abcdefABCDEF" : "0123456789");

	if (n == 0 || digits[n] != '\0')
		return -EINVAL;
	errno = 0;
	*key = strtoull(digits, NULL, hex ? 16 : 10);
	return errno != 0 || (length < 8 && *key >> 8 * length != 0) ? -ERANGE : 0;
}

/* ADDRESS:PORT; `shown` gets it as it is always written. */
static int parse_flow(const char *text, uint16_t service_port, uint64_t *key, char *shown, size_t bytes)
{
	const char *colon = strchr(text, ':');
	char address[INET_ADDRSTRLEN];
	struct in_addr ip;
	size_t len = colon ? (size_t)(colon - text) : sizeof(address);
	uint64_t port;

	if (len >= sizeof(address))
		return -EINVAL;
	memcpy(address, text, len);
	address[len] = '\0';
	if (inet_pton(AF_INET, address, &ip) != 1 || parse_number(colon + 1, 2, &port) != 0 || port == 0)
		return -EINVAL;
	*key = hash_flow_key(ip.s_addr, htons((uint16_t)port), htons(service_port));
	snprintf(shown, bytes, "%s:%u", address, (unsigned int)port);
	return 0;
}

/* Returns NULL, *key and *shown, a new reference, or the refusal. */
static json_t *parse_key(const struct config_service *service, const struct datapath_key *steered, const char *text,
			 uint64_t *key, json_t **shown)
{
	char why[WHY_BYTES], flow[32];
	int rc;

	if (steered->key != BATON_KEY_PAYLOAD) {
		rc = parse_flow(text, service->udp_port, key, flow, sizeof(flow));
		if (rc == 0) {
			*shown = reply_text(flow);
			return NULL;
		}
		snprintf(why, sizeof(why), "key '%.*s': service %s is steered by the client's address and port: give "
			 "ADDRESS:PORT, as in 192.0.2.7:40000", SHOWN_MOST, text, service->name);
		return reply_error("usage", why);
	}
	rc = parse_number(text, steered->length, key);
	if (rc == 0) {
		*shown = reply_count(*key);
		return NULL;
	}
	snprintf(why, sizeof(why), "key '%.*s': service %s is steered by %u byte%s of the payload: give a number from 0 to "
		 "%llu, decimal or 0x and hexadecimal", SHOWN_MOST, text, service->name, steered->length,
		 steered->length == 1 ? "" : "s",
		 (unsigned long long)(steered->length < 8 ? (1ull << 8 * steered->length) - 1 : UINT64_MAX));
	return reply_error("usage", why);
}

/* ---- owners ---- */

static void set_slot(json_t *o, const char *name, const char *number, const struct supervisor *sup, uint32_t slot)
{
	bool nobody = slot == SLOT_NONE;

	json_object_set_new(o, name, nobody ? json_null() : reply_text(sup->worker[sup->slot[slot].worker].name));
	json_object_set_new(o, number, nobody ? json_null() : reply_count(slot));
}

static json_t *found_row(const struct supervisor *sup, uint32_t service, uint32_t bucket, json_t *shown)
{
	uint32_t slot = datapath_owner(sup->primary->dp, service, bucket);
	struct move_order order;
	bool moves = datapath_moving(sup->primary->dp, service, &order) && buckets_has(order.map, bucket);
	json_t *o = json_object();

	json_object_set_new(o, "key", shown);
	reply_set_count(o, "bucket", bucket);
	set_slot(o, "worker", "slot", sup, slot);
	json_object_set_new(o, "pid", slot == SLOT_NONE ? json_null() : reply_count((uint64_t)sup->slot[slot].pid));
	reply_set_text(o, "state", slot == SLOT_NONE ? "none" : worker_state_name(sup->slot[slot].state));
	set_slot(o, "moving_to", "moving_to_slot", sup, moves ? order.to : SLOT_NONE);
	return o;
}

int scale_key_bucket(const struct primary *primary, uint32_t service, const char *text, uint32_t *bucket, char *why,
		     size_t bytes)
{
	const struct config_service *s = &primary->config.service[service];
	json_t *shown = NULL, *refused;
	uint64_t key;

	refused = parse_key(s, &primary->setup.key[service], text, &key, &shown);
	if (refused)
		snprintf(why, bytes, "%s", json_string_value(json_object_get(refused, "error")));
	else
		*bucket = hash_key(key, primary->state.header->salt) & (s->buckets - 1);
	json_decref(shown);
	json_decref(refused);
	return refused ? -EINVAL : 0;
}

json_t *scale_find(struct primary *primary, const char *name, const json_t *keys)
{
	const struct config *config = &primary->config;
	uint32_t service = 0;
	json_t *refused, *reply, *rows, *shown;
	uint64_t key;
	size_t i;

	if (json_array_size(keys) == 0 || json_array_size(keys) > KEYS_MOST)
		return reply_error("usage", "buckets.find needs args.keys: an array of 1 to 1000 keys, each a string");
	if (!primary->supervisor)
		return reply_error("failed", "the primary is stopping");
	if ((refused = find_service(config, name, &service)) != NULL)
		return refused;
	const struct config_service *s = &config->service[service];
	const struct datapath_key *steered = &primary->setup.key[service];
	rows = json_array();
	for (i = 0; i < json_array_size(keys); i++) {
		const char *text = json_string_value(json_array_get(keys, i));
		refused = text ? parse_key(s, steered, text, &key, &shown)
			       : reply_error("usage", "args.keys: each is a string, as in \"123\" or \"0x7b\"");
		if (refused) {
			json_decref(rows);
			return refused;
		}
		uint32_t bucket = hash_key(key, primary->state.header->salt) & (s->buckets - 1);
		json_array_append_new(rows, found_row(primary->supervisor, service, bucket, shown));
	}
	reply = reply_ok();
	reply_set_text(reply, "service", s->name);
	reply_set_text(reply, "group", config->group[s->group_index].name);
	reply_set_count(reply, "buckets", s->buckets);
	reply_set_text(reply, "steered_by", steered->key == BATON_KEY_PAYLOAD ? "payload" : "flow");
	json_object_set_new(reply, "keys", rows);
	return reply;
}
