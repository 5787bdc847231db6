/* Does what the first byte of a datagram asks for, so that each counter of verdicts can be driven by exactly N:
 *	E echo   X error reply   N no reply   M malformed   R runt   U more undo bytes than declared (refused)
 *	L a reply longer than the request   V a verdict that does not exist   anything else: echo */
#include "baton.h"

struct note {
	uint8_t bytes[40];
};

static baton_verdict obey(struct baton_ctx *ctx, const struct baton_packet *packet, uint8_t *data)
{
	struct note *note = baton_find(ctx, 1);

	if (packet->len == 0)
		return baton_reply(0);
	if (note == NULL)
		note = baton_insert(ctx, 1);
	switch (data[0]) {
	case 'X': return baton_reply_error(packet->len);
	case 'N': return baton_no_reply();
	case 'M': return baton_drop_malformed();
	case 'R': return baton_drop_runt();
	case 'L': return baton_reply((uint16_t)(packet->len + 1));
	case 'V': return 999;
	case 'U':
		for (uint32_t i = 0; note != NULL && i < sizeof(note->bytes) && baton_save(ctx, note, 40); i++)
			note->bytes[i]++;
		return baton_reply(packet->len);
	default: return baton_reply(packet->len);
	}
}

BATON_PLUGIN(
	.name = "verdicts",
	.version = "1",
	.key = BATON_KEY_FLOW,
	.schema = 1,
	.record_size = sizeof(struct note),
	.max_undo_bytes = 256, /* an insertion and two more saves */
	.packet = obey
);
