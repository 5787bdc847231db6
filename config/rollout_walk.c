/* Steps, players and gates of a rollout, from the document. */
#include <assert.h>
#include <string.h>

#include "loader.h"

#define SHOWN_STEP 192u
#define SAMPLE_DEFAULT 100u /* permille */
#define KEEP_DEFAULT 3u

static const char *const step_keys[] = { "shadow", "weight", "pause", "snapshot", NULL };
static const char *const shadow_keys[] = { "sample", "for", "compare", NULL };
static const char *const snapshot_keys[] = { "keep", NULL };
static const char *const compare_words[] = { "bytes", "digest", NULL };
static const struct schema_row timed = { "for", SCHEMA_DURATION, .min = 1000000, .max = 7 * 24 * 3600000000000ull };
static const struct schema_row kept = { "keep", SCHEMA_INT, .min = 1, .max = CONFIG_SNAPSHOTS };

static yaml_node_t *node_of(struct loader *l, int index) { return yaml_document_get_node(l->document, index); }

static void bad(struct loader *l, const yaml_node_t *node, const char *shown, const char *text)
{
	loader_error(l, place_of(node->start_mark), "%s: %s", shown, text);
}

/* Which of `words` the key is; -1 after an error. */
static int key_of(struct loader *l, const yaml_node_t *key, const char *shown, const char *const *words)
{
	char found[SHOWN_BYTES], hint[SHOWN_BYTES] = "", known[96] = "";
	bool scalar = key->type == YAML_SCALAR_NODE && strlen((char *)key->data.scalar.value) == key->data.scalar.length;

	for (int i = 0; words[i]; i++) {
		if (scalar && strcmp((char *)key->data.scalar.value, words[i]) == 0)
			return i;
		snprintf(known + strlen(known), sizeof(known) - strlen(known), "%s%s", i ? " " : "", words[i]);
	}
	if (scalar)
		value_meant((char *)key->data.scalar.value, words, hint);
	loader_error(l, place_of(key->start_mark), "unknown key %s in %s%s%s", loader_shown(key, found), shown,
		     hint[0] ? hint : "; known are: ", hint[0] ? "" : known);
	return -1;
}

/* Each key at most once: *seen has the bits of those that were. Returns false after an error. */
static bool key_once(struct loader *l, const yaml_node_t *key, const char *shown, int number, uint32_t *seen)
{
	bool twice = (*seen & 1u << number) != 0;

	*seen |= 1u << number;
	if (twice)
		loader_error(l, place_of(key->start_mark), "duplicate key '%s' in %s", (char *)key->data.scalar.value, shown);
	return !twice;
}

static bool take_share(struct loader *l, yaml_node_t *node, const char *shown, uint32_t *permille)
{
	struct problem problem;
	const char *text = loader_scalar(l, node, shown, "a share", "10%");

	if (!text || share_parse(text, permille, &problem) == 0)
		return text != NULL;
	bad(l, node, shown, problem.text);
	return false;
}

static bool take_time(struct loader *l, yaml_node_t *node, const char *shown, uint64_t *ns)
{
	struct problem problem;
	const char *text = loader_scalar(l, node, shown, "a duration", "5m");

	if (!text || number_parse(&timed, text, ns, &problem) == 0)
		return text != NULL;
	bad(l, node, shown, problem.text);
	return false;
}

static bool take_compare(struct loader *l, yaml_node_t *node, const char *shown, bool *digest)
{
	char found[SHOWN_BYTES], hint[SHOWN_BYTES];
	const char *text = loader_scalar(l, node, shown, "a word", "digest");

	if (!text)
		return false;
	*digest = strcmp(text, "digest") == 0;
	if (*digest || strcmp(text, "bytes") == 0)
		return true;
	loader_error(l, place_of(node->start_mark), "%s: expected one of bytes, digest, found %s%s", shown,
		     loader_shown(node, found), value_meant(text, compare_words, hint));
	return false;
}

static bool take_shadow(struct loader *l, yaml_node_t *node, const char *shown, struct config_step *step)
{
	char found[SHOWN_BYTES], inner[SHOWN_STEP];
	uint32_t seen = 0;
	bool ok = true;

	step->permille = SAMPLE_DEFAULT;
	if (node->type != YAML_MAPPING_NODE) {
		loader_error(l, place_of(node->start_mark),
			     "%s: expected a section such as {sample: 10%%, for: 5m, compare: digest}, found %s", shown,
			     loader_shown(node, found));
		return false;
	}
	for (yaml_node_pair_t *p = node->data.mapping.pairs.start; p < node->data.mapping.pairs.top; p++) {
		yaml_node_t *value = node_of(l, p->value);
		int key = key_of(l, node_of(l, p->key), shown, shadow_keys);

		ok = key >= 0 && key_once(l, node_of(l, p->key), shown, key, &seen) && ok;
		if (key < 0)
			continue;
		snprintf(inner, sizeof(inner), "%.150s.%s", shown, shadow_keys[key]);
		ok = (key == 0 ? take_share(l, value, inner, &step->permille) :
		      key == 1 ? take_time(l, value, inner, &step->ns) : take_compare(l, value, inner, &step->digest)) && ok;
	}
	if (!(seen & 1u << 1)) {
		bad(l, node, shown, "'for' is missing: how long it is compared, such as 5m");
		ok = false;
	}
	return ok;
}

/* {snapshot: {}} or {snapshot: {keep: 5}} */
static bool take_snapshot(struct loader *l, yaml_node_t *node, const char *shown, struct config_step *step)
{
	char found[SHOWN_BYTES], inner[SHOWN_STEP];
	struct problem problem;
	uint32_t seen = 0;
	bool ok = true;

	step->keep = KEEP_DEFAULT;
	if (node->type != YAML_MAPPING_NODE) {
		loader_error(l, place_of(node->start_mark), "%s: expected a section such as {keep: 3}, or {}, found %s",
			     shown, loader_shown(node, found));
		return false;
	}
	snprintf(inner, sizeof(inner), "%.150s.keep", shown);
	for (yaml_node_pair_t *p = node->data.mapping.pairs.start; p < node->data.mapping.pairs.top; p++) {
		yaml_node_t *value = node_of(l, p->value);
		int key = key_of(l, node_of(l, p->key), shown, snapshot_keys);
		uint64_t keep;

		ok = key >= 0 && key_once(l, node_of(l, p->key), shown, key, &seen) && ok;
		const char *text = key < 0 ? NULL : loader_scalar(l, value, inner, "a number", "3");
		bool good = text && number_parse(&kept, text, &keep, &problem) == 0;
		if (text && !good)
			bad(l, value, inner, problem.text);
		if (good)
			step->keep = (uint32_t)keep;
		ok = ok && good;
	}
	return ok;
}

static bool take_step(struct loader *l, yaml_node_t *node, const char *shown, struct config_step *step)
{
	char found[SHOWN_BYTES], inner[SHOWN_STEP];
	bool ok = true;
	uint32_t seen = 0;

	if (node->type != YAML_MAPPING_NODE) {
		loader_error(l, place_of(node->start_mark),
			     "%s: expected a step such as {weight: 10%%}, {pause: 5m}, {pause: {}}, {shadow: {for: 5m}} or "
			     "{snapshot: {}}, found %s", shown, loader_shown(node, found));
		return false;
	}
	for (yaml_node_pair_t *p = node->data.mapping.pairs.start; p < node->data.mapping.pairs.top; p++) {
		yaml_node_t *value = node_of(l, p->value);
		int key = key_of(l, node_of(l, p->key), shown, step_keys);

		ok = key >= 0 && key_once(l, node_of(l, p->key), shown, key, &seen) && ok;
		if (key < 0)
			continue;
		step->kind = (enum config_step_kind)key;
		snprintf(inner, sizeof(inner), "%.150s.%s", shown, step_keys[key]);
		if (key == STEP_WEIGHT)
			ok = take_share(l, value, inner, &step->permille) && ok;
		else if (key == STEP_SHADOW)
			ok = take_shadow(l, value, inner, step) && ok;
		else if (key == STEP_SNAPSHOT)
			ok = take_snapshot(l, value, inner, step) && ok;
		/* {pause: {}} is until somebody resumes. */
		else if (value->type != YAML_MAPPING_NODE || value->data.mapping.pairs.top > value->data.mapping.pairs.start)
			ok = take_time(l, value, inner, &step->ns) && ok;
	}
	if (ok && (seen == 0 || (seen & (seen - 1)) != 0)) {
		bad(l, node, shown, "a step is one of shadow, weight, pause and snapshot: write the others as steps of "
		    "their own");
		ok = false;
	}
	return ok;
}

static_assert(STEP_SHADOW == 0 && STEP_WEIGHT == 1 && STEP_PAUSE == 2 && STEP_SNAPSHOT == 3,
	      "step_keys follow enum config_step_kind");

bool loader_steps(struct loader *l, const struct schema_row *row, yaml_node_t *node, const char *shown, uint8_t *base)
{
	struct config_step *step = (struct config_step *)(void *)(base + row->offset);
	bool ok = loader_sequence(l, row, node, shown);
	uint32_t count = 0;

	if (!ok)
		return false;
	for (yaml_node_item_t *at = node->data.sequence.items.start; at < node->data.sequence.items.top; at++) {
		yaml_node_t *item = node_of(l, *at);
		char element[SHOWN_STEP];

		snprintf(element, sizeof(element), "%.150s[%u]", shown, count);
		bool good = take_step(l, item, element, &step[count]);
		loader_note(l, &step[count], place_of(item->start_mark), true, true, !good);
		ok = ok && good;
		count++;
	}
	memcpy(base + row->count_offset, &count, sizeof(count));
	return ok;
}

bool loader_keys(struct loader *l, const struct schema_row *row, yaml_node_t *node, const char *shown, uint8_t *base)
{
	char(*key)[CONFIG_KEY_BYTES] = (void *)(base + row->offset);
	bool ok = loader_sequence(l, row, node, shown);
	uint32_t count = 0;

	if (!ok)
		return false;
	for (yaml_node_item_t *at = node->data.sequence.items.start; at < node->data.sequence.items.top; at++, count++) {
		yaml_node_t *item = node_of(l, *at);
		char element[SHOWN_STEP];

		snprintf(element, sizeof(element), "%.150s[%u]", shown, count);
		const char *text = loader_scalar(l, item, element, "a player's key", "1001");
		bool good = text && item->data.scalar.length > 0 && item->data.scalar.length < CONFIG_KEY_BYTES;
		if (text && !good)
			bad(l, item, element, "a key has 1 to 63 bytes");
		if (good)
			memcpy(key[count], text, item->data.scalar.length + 1);
		for (uint32_t i = 0; good && i < count; i++) {
			if (strcmp(key[i], text) == 0) {
				bad(l, item, element, "the player is already there");
				good = false;
			}
		}
		ok = ok && good;
	}
	memcpy(base + row->count_offset, &count, sizeof(count));
	return ok;
}

static bool take_threshold(struct loader *l, const struct schema_row *row, yaml_node_pair_t *pair, const char *shown,
			   struct config_gate *gate, uint32_t *seen)
{
	yaml_node_t *key = node_of(l, pair->key), *value = node_of(l, pair->value);
	int number = key_of(l, key, shown, gate_keys);
	char inner[SHOWN_STEP];
	struct problem problem;

	if (number < 0 || !key_once(l, key, shown, number, seen))
		return false;
	snprintf(inner, sizeof(inner), "%.150s.%s", shown, gate_keys[number]);
	const char *text = loader_scalar(l, value, inner, "a threshold", row->example);
	if (!text || gate_set(row, gate, gate_keys[number], text, &problem) == 0)
		return text != NULL;
	bad(l, value, inner, problem.text);
	return false;
}

bool loader_gate(struct loader *l, const struct schema_row *row, yaml_node_t *node, const char *shown, void *field)
{
	struct config_gate *gate = field;
	char found[SHOWN_BYTES];
	struct problem problem;
	uint32_t seen = 0;
	bool ok = true;

	gate_clear(gate);
	if (node->type == YAML_SCALAR_NODE && row->zero && strcmp((char *)node->data.scalar.value, row->zero) == 0)
		return true;
	if (node->type != YAML_MAPPING_NODE) {
		loader_error(l, place_of(node->start_mark), "%s: expected a section such as %s%s%s, found %s", shown,
			     row->example, row->zero ? ", or " : "", row->zero ? row->zero : "",
			     loader_shown(node, found));
		return false;
	}
	gate->on = true;
	gate->immediate = rollout_gate_unit(gate_of(row)) == GATE_NUMBER;
	for (yaml_node_pair_t *p = node->data.mapping.pairs.start; p < node->data.mapping.pairs.top; p++)
		ok = take_threshold(l, row, p, shown, gate, &seen) && ok;
	if (ok && gate_sound(row, gate, &problem)) {
		bad(l, node, shown, problem.text);
		return false;
	}
	return ok;
}
