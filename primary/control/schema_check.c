/* Schemas of two versions compared, and with what stands in the state file. */
#include "schema_check.h"

#include <errno.h>
#include <string.h>

#include "refuse.h"

static const struct baton_older *older(const struct plugin_info *info, uint32_t schema)
{
	for (uint32_t i = 0; i < info->olders && i < BATON_OLDER_MOST; i++)
		if (info->older[i].schema == schema)
			return &info->older[i];
	return NULL;
}

bool schema_takes(const struct plugin_info *info, uint32_t schema)
{
	return info->record_size == 0 || info->schema == schema || older(info, schema) != NULL;
}

bool schema_converts(const struct plugin_info *info, uint32_t from, uint32_t to)
{
	const struct baton_older *back = older(info, to);

	if (!schema_takes(info, from))
		return false;
	return to == info->schema || (back != NULL && back->down != 0);
}

const char *schema_way_name(enum schema_way way)
{
	static const char *const name[] = {
		[SCHEMA_SAME] = "same", [SCHEMA_BOTH_WAYS] = "both ways", [SCHEMA_ONE_WAY] = "one way",
		[SCHEMA_REFUSED] = "refused",
	};

	return name[way];
}

void schema_info(const struct worker_ready *ready, struct plugin_info *info)
{
	*info = (struct plugin_info){
		.key = ready->key, .key_offset = (uint16_t)ready->key_offset, .key_length = (uint16_t)ready->key_length,
		.record_size = ready->record_size, .schema = ready->schema,
		.shadow = (ready->shadow & READY_SHADOW) != 0,
		.olders = ready->olders < BATON_OLDER_MOST ? ready->olders : BATON_OLDER_MOST,
	};
	memcpy(info->name, ready->plugin_name, sizeof(info->name));
	memcpy(info->version, ready->version, sizeof(info->version));
	memcpy(info->build_id, ready->build_id, sizeof(info->build_id));
	memcpy(info->older, ready->older, sizeof(info->older));
}

/* ---- by what the files say ---- */

static enum schema_way refused(char *why, size_t bytes, const char *format, ...) __attribute__((format(printf, 3, 4)));
static enum schema_way refused(char *why, size_t bytes, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, bytes, format, args);
	va_end(args);
	return SCHEMA_REFUSED;
}

static bool same_key(const struct plugin_info *a, const struct plugin_info *b)
{
	return a->key == b->key &&
	       (a->key != BATON_KEY_PAYLOAD || (a->key_offset == b->key_offset && a->key_length == b->key_length));
}

/* `newer` has left the schema of `old` behind. Returns its entry if the sizes agree. */
static const struct baton_older *knows(const struct plugin_info *newer, const struct plugin_info *old)
{
	const struct baton_older *entry = older(newer, old->schema);

	return entry != NULL && entry->record_size == old->record_size ? entry : NULL;
}

static enum schema_way upwards(const struct plugin_info *stable, const struct plugin_info *candidate, char *why,
			       size_t bytes)
{
	const struct baton_older *entry = older(candidate, stable->schema);

	if (entry == NULL)
		return refused(why, bytes, "version %s has records of schema %u and does not migrate from schema %u of "
			       "version %s: give it a migrate() for it, or start batond with a new state file",
			       candidate->version, candidate->schema, stable->schema, stable->version);
	if (knows(candidate, stable) == NULL)
		return refused(why, bytes, "version %s takes records of schema %u for %u bytes long, version %s has %u: "
			       "one of the two is wrong about it", candidate->version, stable->schema,
			       entry->record_size, stable->version, stable->record_size);
	if (entry->down == 0) {
		snprintf(why, bytes, "version %s migrates from schema %u to %u and cannot convert back: version %s "
			 "could never have these buckets again", candidate->version, stable->schema, candidate->schema,
			 stable->version);
		return SCHEMA_ONE_WAY;
	}
	snprintf(why, bytes, "version %s migrates from schema %u to %u, and back", candidate->version, stable->schema,
		 candidate->schema);
	return SCHEMA_BOTH_WAYS;
}

/* To an older version: the stable one's down-conversion is the way there, its migration the way back. */
static enum schema_way downwards(const struct plugin_info *stable, const struct plugin_info *candidate, char *why,
				 size_t bytes)
{
	const struct baton_older *entry = knows(stable, candidate);

	if (entry == NULL || entry->down == 0)
		return refused(why, bytes, "version %s has records of schema %u and version %s, which has %u, does not "
			       "convert back to it: restore a snapshot of before into a new state file, or stay",
			       candidate->version, candidate->schema, stable->version, stable->schema);
	snprintf(why, bytes, "version %s converts its records of schema %u back to %u", stable->version, stable->schema,
		 candidate->schema);
	return SCHEMA_BOTH_WAYS;
}

enum schema_way schema_check(const struct plugin_info *stable, const struct plugin_info *candidate, char *why,
			     size_t bytes)
{
	why[0] = '\0';
	if (!same_key(stable, candidate))
		return refused(why, bytes, "plugin %s %s steers by another key than %s %s, which runs: is it the right file? A "
			       "group's key is changed by a restart of batond", candidate->name, candidate->version,
			       stable->name, stable->version);
	if (stable->record_size == 0 && candidate->record_size == 0)
		return SCHEMA_SAME;
	if (stable->schema == candidate->schema && stable->record_size == candidate->record_size)
		return SCHEMA_SAME;
	if (stable->schema == candidate->schema)
		return refused(why, bytes, "version %s has records of %u bytes, version %s of %u, and both say schema %u: "
			       "raise .schema when the layout changes", candidate->version, candidate->record_size,
			       stable->version, stable->record_size, stable->schema);
	return candidate->schema > stable->schema ? upwards(stable, candidate, why, bytes)
						  : downwards(stable, candidate, why, bytes);
}

/* ---- and by what stands in the state file ---- */

enum schema_way schema_check_group(const struct primary *primary, uint32_t group, const struct plugin_info *candidate,
				   char *why, size_t bytes)
{
	const struct plugin_info *stable = &primary->plugin[group];
	enum schema_way way = schema_check(stable, candidate, why, bytes);

	if (way == SCHEMA_REFUSED || way == SCHEMA_SAME || primary->state.base == NULL)
		return way;
	const struct state_group *g = &primary->state.header->group[group];
	if (candidate->record_size > state_room(g))
		return refused(why, bytes, "version %s has records of %u bytes, the state file has room for %u: restart "
			       "batond with a new state file", candidate->version, candidate->record_size, state_room(g));
	for (uint32_t bucket = 0; bucket < g->buckets && candidate->record_size != 0; bucket++) {
		uint32_t schema = state_schema(&primary->state, group, bucket);

		/* What the stable version takes it converts on the way, to its own or further back. */
		if (!schema_takes(candidate, schema) &&
		    !(schema_takes(stable, schema) && schema_takes(candidate, stable->schema)) &&
		    !schema_converts(stable, schema, candidate->schema))
			return refused(why, bytes, "bucket %u has records of schema %u, which neither version %s nor %s "
				       "reads or migrates", bucket, schema, candidate->version, stable->version);
	}
	return way;
}
