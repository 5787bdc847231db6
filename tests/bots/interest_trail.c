/* Where players were, and what held meanwhile: as much of it as anybody may still be told. */
#include <errno.h>
#include <stdlib.h>

#include "interest.h"

#define FIRST_STEPS 64u

void span_push(struct spans *spans, uint32_t value, uint64_t now_ns)
{
	spans->span[spans->count++ % SUBSCRIBER_SPANS] =
		(struct span){ .value = value, .made_ns = now_ns, .until_ns = FOR_EVER };
}

void span_confirm(struct spans *spans, uint64_t server_ns)
{
	struct span *newest = &spans->span[(spans->count - 1) % SUBSCRIBER_SPANS];

	if (spans->count == 0 || newest->from_ns != 0)
		return;
	newest->from_ns = server_ns;
	for (uint32_t i = 0; i < SUBSCRIBER_SPANS && i < spans->count; i++)
		if (&spans->span[i] != newest && spans->span[i].until_ns == FOR_EVER)
			spans->span[i].until_ns = server_ns;
}

bool span_room(const struct spans *spans, uint64_t now_ns, uint64_t keep_ns)
{
	/* the oldest ended when the one after it began */
	return spans->count < SUBSCRIBER_SPANS ||
	       spans->span[(spans->count + 1) % SUBSCRIBER_SPANS].made_ns + keep_ns < now_ns;
}

bool span_meets(const struct span *span, uint64_t *from_ns, uint64_t *until_ns)
{
	uint64_t from = span->from_ns > *from_ns ? span->from_ns : *from_ns;
	uint64_t until = span->until_ns < *until_ns ? span->until_ns : *until_ns;

	if (until != FOR_EVER && from > until + SLACK_NS)
		return false;
	*from_ns = from;
	*until_ns = until;
	return true;
}

struct step *trail_step(const struct subscriber *s, uint32_t i)
{
	return &s->step[(s->head + i) & (s->size - 1)];
}

static int grow(struct subscriber *s)
{
	uint32_t size = s->size != 0 ? 2 * s->size : FIRST_STEPS;
	struct step *step = calloc(size, sizeof(*step));

	if (step == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < s->steps; i++)
		step[i] = *trail_step(s, i);
	free(s->step);
	s->step = step;
	s->size = size;
	s->head = 0;
	return 0;
}

int trail_push(struct subscriber *s, uint32_t sequence, const struct step *step, uint64_t keep_ns)
{
	/* the first; or the numbers have jumped, which they do before the player is known only */
	if (sequence != s->first_sequence + 2 * s->steps) {
		s->steps = 0;
		s->first_sequence = sequence;
	}
	if (s->steps == s->size) {
		/* the oldest held until the one after it was made */
		bool forget = s->size == STEPS_MOST || (s->size != 0 && trail_step(s, 1)->made_ns + keep_ns < step->made_ns);
		int rc = forget ? 0 : grow(s);
		if (rc != 0)
			return rc;
		if (forget) {
			s->head = (s->head + 1) & (s->size - 1);
			s->first_sequence += 2;
			s->steps--;
		}
	}
	*trail_step(s, s->steps++) = *step;
	return 0;
}

struct step *trail_find(const struct subscriber *s, uint32_t sequence)
{
	uint32_t by = sequence - s->first_sequence;

	return by % 2 == 0 && by / 2 < s->steps ? trail_step(s, by / 2) : NULL;
}

void trail_confirm(struct subscriber *s, uint32_t sequence, uint64_t server_ns)
{
	struct step *step = trail_find(s, sequence);
	uint32_t i = (sequence - s->first_sequence) / 2;

	if (step == NULL)
		return;
	step->from_ns = server_ns;
	while (i-- > 0) {
		struct step *older = trail_step(s, i);
		if (older->until_ns <= server_ns)
			break; /* so did all before it */
		older->until_ns = server_ns;
	}
}
