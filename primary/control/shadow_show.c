/* What a shadow has found: counts, differences by field, a sample of them. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "shadow_parts.h"

/* ---- counts ---- */

/* Others write them: each is read once, whole on this machine. */
static uint64_t read_once(const uint64_t *word)
{
	return *(const volatile uint64_t *)word;
}

void shadow_counts(const struct supervisor *sup, uint32_t group, struct shadow_counts *out)
{
	const struct shadow *shadow = sup->shadow[group];

	*out = (struct shadow_counts){0};
	if (shadow == NULL)
		return;
	const struct mirror_counts *candidate = &shadow->counts[0], *control = &shadow->counts[1];
	uint64_t fed_dropped = shadow->mirror != NULL ? mirror_fed_dropped(shadow->mirror) : shadow->fed_dropped;
	if (shadow->mirror != NULL) {
		candidate = &shadow->mirror->side[0].counts;
		control = &shadow->mirror->side[1].counts;
	}
	out->mirrored = read_once(&candidate->mirrored);
	out->dropped = read_once(&candidate->dropped) + fed_dropped;
	out->out_of_step = read_once(&candidate->left_step);
	/* what differed was compared before: in this order, never more of the one than of the other */
	out->differed = read_once(&candidate->differed);
	out->compared = read_once(&candidate->compared);
	out->noise_differed = read_once(&control->differed);
	out->noise_compared = read_once(&control->compared);
	out->ticks_differed = read_once(&candidate->ticks_differed);
	out->ticks_compared = read_once(&candidate->ticks_compared);
	out->left_out = (uint64_t)__builtin_popcountll(shadow->mirror != NULL ? read_once(&shadow->mirror->left_out) :
							  shadow->left_out);
	out->in_step = shadow->phase == SHADOW_ON ? read_once(&candidate->in_step) : 0;
}

/* ---- fields ---- */

/* Names come from a plugin: they are cut and made printable. */
static void clean(char name[COMPARE_NAME])
{
	name[COMPARE_NAME - 1] = 0;
	for (char *at = name; *at != 0; at++)
		if (!isprint((unsigned char)*at))
			*at = '?';
	if (name[0] == 0)
		snprintf(name, COMPARE_NAME, "?");
}

static void count_field(struct shadow *shadow, const char *name, uint32_t side)
{
	uint32_t i;

	for (i = 0; i < shadow->fields; i++)
		if (strcmp(shadow->field[i].name, name) == 0)
			break;
	if (i == SHADOW_FIELDS) {
		snprintf(shadow->field[i].name, COMPARE_NAME, "other");
	} else if (i == shadow->fields) {
		snprintf(shadow->field[i].name, COMPARE_NAME, "%s", name);
		shadow->fields++;
	}
	shadow->field[i].differed[side]++;
}

static uint32_t shown(uint32_t len)
{
	return len < MIRROR_BYTES ? len : MIRROR_BYTES;
}

static void add_field(struct mirror_sample *sample, uint64_t production, uint64_t theirs, const char *name)
{
	struct belt_field *field = &sample->field[sample->fields++];

	*field = (struct belt_field){.production = production, .shadow = theirs};
	snprintf(field->name, sizeof(field->name), "%s", name);
}

/* Of the first cell that differs. */
static void find_tick_fields(struct mirror_sample *sample, uint32_t both)
{
	uint32_t at = 0;
	char name[COMPARE_NAME];

	if (sample->cells[0] != sample->cells[1])
		add_field(sample, sample->cells[0], sample->cells[1], "tick: posted and sent");
	if (sample->reply_len[0] != sample->reply_len[1])
		add_field(sample, sample->reply_len[0], sample->reply_len[1], "tick: length");
	while (at < both && sample->reply[0][at] == sample->reply[1][at])
		at++;
	if (at < both) {
		snprintf(name, sizeof(name), "tick: byte %u", at);
		add_field(sample, sample->reply[0][at], sample->reply[1][at], name);
	} else if (sample->fields == 0) {
		add_field(sample, 0, 0, both < sample->reply_len[0] ? "tick: bytes beyond 255" : "tick: to whom");
	}
}

/* Without a digest: what can be said of bytes. */
static void find_fields(struct mirror_sample *sample)
{
	uint32_t both = shown(sample->reply_len[0] < sample->reply_len[1] ? sample->reply_len[0] : sample->reply_len[1]), at = 0;
	char name[COMPARE_NAME];

	sample->fields = 0;
	if (sample->kind == BELT_TICK)
		return find_tick_fields(sample, both);
	if (sample->verdict[0] != sample->verdict[1])
		add_field(sample, sample->verdict[0], sample->verdict[1], "verdict");
	if (sample->reply_len[0] != sample->reply_len[1])
		add_field(sample, sample->reply_len[0], sample->reply_len[1], "length");
	if (sample->cells_differ)
		add_field(sample, sample->cells[0], sample->cells[1], "posted and sent");
	while (at < both && sample->reply[0][at] == sample->reply[1][at])
		at++;
	if (at < both) {
		snprintf(name, sizeof(name), "byte %u", at);
		add_field(sample, sample->reply[0][at], sample->reply[1][at], name);
	} else if (sample->fields == 0) {
		add_field(sample, 0, 0, "bytes beyond 255");
	}
}

void shadow_take_samples(struct shadow *shadow)
{
	struct mirror *mirror = shadow->mirror;
	uint32_t tail = atomic_load_explicit(&mirror->tail, memory_order_relaxed);

	/* acquire: pairs with the release in mirror_compare.c tell() */
	while (tail != atomic_load_explicit(&mirror->head, memory_order_acquire)) {
		struct mirror_sample *kept = &shadow->sample[shadow->samples++ % SHADOW_SAMPLES];

		*kept = mirror->sample[tail % MIRROR_SAMPLES];
		/* release: it has been copied; pairs with the acquire in tell() */
		atomic_store_explicit(&mirror->tail, ++tail, memory_order_release);
		if (!kept->digested)
			find_fields(kept);
		for (uint32_t i = 0; i < kept->fields && i < COMPARE_FIELDS; i++) {
			clean(kept->field[i].name);
			count_field(shadow, kept->field[i].name, kept->side);
		}
	}
}

/* ---- as JSON ---- */

static json_t *hex(const uint8_t *bytes, uint32_t len)
{
	char text[2 * MIRROR_BYTES + 1] = "";

	for (uint32_t i = 0; i < shown(len); i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	return json_string(text);
}

static json_t *outcome(const struct mirror_sample *sample, uint32_t which)
{
	static const char *const names[BATON_VERDICT_COUNT] = {
		[BATON_NO_REPLY] = "no_reply", [BATON_REPLY] = "reply", [BATON_REPLY_ERROR] = "error_reply",
		[BATON_DROP_MALFORMED] = "malformed", [BATON_DROP_RUNT] = "runt", [BATON_DROP_REFUSED] = "refused",
	};
	uint32_t verdict = sample->verdict[which];

	return json_pack("{s:s, s:o, s:i, s:i}", "verdict", verdict < BATON_VERDICT_COUNT ? names[verdict] : "invalid", "reply",
			 hex(sample->reply[which], sample->reply_len[which]), "bytes", (int)sample->reply_len[which],
			 "posted_and_sent", (int)sample->cells[which]);
}

static json_t *value(const struct belt_field *field, uint64_t word, bool absent)
{
	double real;
	char text[32];

	if (absent)
		return json_null();
	if (!field->real)
		return json_integer((json_int_t)(int64_t)word);
	memcpy(&real, &word, sizeof(real));
	if (isfinite(real))
		return json_real(real);
	snprintf(text, sizeof(text), "%g", real); /* JSON knows no such number */
	return json_string(text);
}

static json_t *row(const struct mirror_sample *sample)
{
	json_t *fields = json_array();

	for (uint32_t i = 0; i < sample->fields && i < COMPARE_FIELDS; i++) {
		const struct belt_field *field = &sample->field[i];

		json_array_append_new(fields, json_pack("{s:s, s:o, s:o}", "name", field->name, "production",
							value(field, field->production, field->absent == 1), "shadow",
							value(field, field->shadow, field->absent == 2)));
	}
	static const char *const kinds[] = {[BELT_PACKET] = "packet", [BELT_MESSAGE] = "message", [BELT_TICK] = "tick"};
	json_t *out = json_pack("{s:s, s:I, s:i, s:s, s:o, s:o, s:o, s:o}", "side", sample->side == 0 ? "candidate" : "control",
			 "time_ns", (json_int_t)sample->time_ns, "bucket", (int)sample->bucket, "kind",
			 kinds[sample->kind], "request",
			 hex(sample->request, sample->request_len), "production", outcome(sample, 0), "shadow",
			 outcome(sample, 1), "fields", fields);
	if (sample->kind == BELT_TICK) {
		json_object_set_new(out, "tick", json_integer((json_int_t)sample->tick));
		json_object_set_new(out, "ordinal", json_integer((json_int_t)sample->ordinal));
	}
	return out;
}

static json_t *counts_row(const struct supervisor *sup, uint32_t group)
{
	struct shadow_counts c;

	shadow_counts(sup, group, &c);
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "mirrored", (json_int_t)c.mirrored, "dropped",
			 (json_int_t)c.dropped, "out_of_step", (json_int_t)c.out_of_step, "compared", (json_int_t)c.compared,
			 "differed", (json_int_t)c.differed, "noise_compared", (json_int_t)c.noise_compared, "noise_differed",
			 (json_int_t)c.noise_differed, "in_step", (json_int_t)c.in_step, "ticks_compared",
			 (json_int_t)c.ticks_compared, "ticks_differed", (json_int_t)c.ticks_differed, "left_out",
			 (json_int_t)c.left_out);
}

json_t *shadow_diff(const struct supervisor *sup, uint32_t group)
{
	const struct shadow *shadow = sup->shadow[group];
	json_t *fields = json_object(), *sample = json_array();

	for (uint32_t i = 0; shadow != NULL && i <= SHADOW_FIELDS; i++)
		if (shadow->field[i].name[0] != 0)
			json_object_set_new(fields, shadow->field[i].name,
					    json_pack("{s:I, s:I}", "candidate", (json_int_t)shadow->field[i].differed[0],
						      "noise", (json_int_t)shadow->field[i].differed[1]));
	for (uint64_t n = 0; shadow != NULL && n < shadow->samples && n < SHADOW_SAMPLES; n++)
		json_array_append_new(sample, row(&shadow->sample[(shadow->samples - 1 - n) % SHADOW_SAMPLES]));
	return json_pack("{s:o, s:o, s:o}", "counts", counts_row(sup, group), "fields", fields, "sample", sample);
}
