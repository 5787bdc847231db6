/* What a reply is made of, field by field: the plugin's digest(), run by the shadow worker, never by the primary. */
#include <stdio.h>
#include <string.h>

#include "sabotage.h"
#include "shadow.h"

static void add(struct baton_digest *digest, const char *name, uint64_t value, bool real)
{
	if (digest->count == DIGEST_FIELDS && !BATON_SABOTAGE(digest_cut_off))
		digest->full = true;
	if (digest->count == DIGEST_FIELDS || name == NULL)
		return;
	struct digest_field *field = &digest->field[digest->count++];
	*field = (struct digest_field){.value = value, .real = real};
	snprintf(field->name, sizeof(field->name), "%s", name);
}

void baton_field(struct baton_digest *digest, const char *name, int64_t value)
{
	add(digest, name, (uint64_t)value, false);
}

void baton_field_real(struct baton_digest *digest, const char *name, double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	add(digest, name, bits, true);
}

static struct digest_field *find(struct baton_digest *digest, const char *name)
{
	for (uint32_t i = 0; i < digest->count; i++)
		if (!digest->field[i].matched && strcmp(digest->field[i].name, name) == 0)
			return &digest->field[i];
	return NULL;
}

static void list(struct belt_compared *out, const struct digest_field *production, const struct digest_field *shadow)
{
	const struct digest_field *any = production != NULL ? production : shadow;

	out->differ++;
	if (out->listed == COMPARE_FIELDS)
		return;
	struct belt_field *field = &out->field[out->listed++];
	*field = (struct belt_field){
		.real = any->real, .absent = production == NULL ? 1 : shadow == NULL ? 2 : 0,
		.production = production != NULL ? production->value : 0, .shadow = shadow != NULL ? shadow->value : 0,
	};
	memcpy(field->name, any->name, sizeof(field->name));
}

/* A name that comes twice, as in a list, is matched in its order. */
void digest_compare(struct baton_digest *production, struct baton_digest *shadow, struct belt_compared *out)
{
	*out = (struct belt_compared){0};
	for (uint32_t i = 0; i < production->count; i++) {
		const struct digest_field *ours = &production->field[i];
		struct digest_field *theirs = find(shadow, ours->name);

		if (theirs != NULL)
			theirs->matched = true;
		if (theirs == NULL || theirs->value != ours->value || theirs->real != ours->real)
			list(out, ours, theirs);
	}
	for (uint32_t i = 0; i < shadow->count; i++)
		if (!shadow->field[i].matched)
			list(out, NULL, &shadow->field[i]);
}

void digest_answer(const struct baton_plugin *plugin, uint8_t *data)
{
	static uint8_t reply[2][BELT_CELL_BYTES]; /* the answer is written over them */
	static struct baton_digest digest[2];
	struct belt_compared out = {.differ = COMPARE_IMPOSSIBLE};
	struct belt_compare head;

	memcpy(&head, data, sizeof(head));
	if (plugin->digest != NULL && head.production + head.shadow <= BELT_CELL_BYTES - sizeof(head)) {
		memcpy(reply[0], data + sizeof(head), head.production);
		memcpy(reply[1], data + sizeof(head) + head.production, head.shadow);
		digest[0].count = digest[1].count = 0;
		digest[0].full = digest[1].full = false;
		plugin->digest(&digest[0], reply[0], head.production);
		plugin->digest(&digest[1], reply[1], head.shadow);
		if (!digest[0].full && !digest[1].full)
			digest_compare(&digest[0], &digest[1], &out);
	}
	memcpy(data, &out, sizeof(out));
}
