/* pcapng files of one packet: blocks and options are padded to 32 bits, each block has its length at both ends. */
#include "pcapng.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define BLOCK_SECTION   0x0a0d0d0au
#define BLOCK_INTERFACE 1u
#define BLOCK_PACKET    6u
#define BLOCK_OWN       0x80426e31u /* of those for local use */
#define BYTE_ORDER_MARK 0x1a2b3c4du

#define OPT_END       0u
#define OPT_COMMENT   1u
#define SHB_USERAPPL  4u
#define IF_NAME       2u
#define IF_TSRESOL    9u
#define TSRESOL_NANO  9u /* 10^-9 s */

#define NAME_MOST 255u /* bytes of a program's or interface's name */
#define FIXED     256u /* more than all blocks take without names, comment and data */

struct writer {
	uint8_t *out;
	size_t at;
	size_t block; /* where the open block begins */
};

static void put(struct writer *w, const void *bytes, size_t count)
{
	if (count != 0) /* a packet without bytes has none to point at */
		memcpy(w->out + w->at, bytes, count);
	w->at += count;
}

static void put16(struct writer *w, uint16_t value) { put(w, &value, sizeof(value)); }
static void put32(struct writer *w, uint32_t value) { put(w, &value, sizeof(value)); }

static void pad(struct writer *w)
{
	for (; w->at % 4 != 0; w->at++)
		w->out[w->at] = 0;
}

static void put_option(struct writer *w, uint16_t code, const void *value, size_t len)
{
	put16(w, code);
	put16(w, (uint16_t)len);
	put(w, value, len);
	pad(w);
}

static void put_text(struct writer *w, uint16_t code, const char *text, size_t most)
{
	size_t len = strnlen(text, most);

	/* Not in the middle of a character: UTF-8 goes on with bytes 10xxxxxx. */
	if (len == most)
		while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
			len--;
	put_option(w, code, text, len);
}

static void open_block(struct writer *w, uint32_t type)
{
	w->block = w->at;
	put32(w, type);
	put32(w, 0);
}

static void close_block(struct writer *w)
{
	uint32_t len = (uint32_t)(w->at - w->block) + 4;

	memcpy(w->out + w->block + 4, &len, sizeof(len));
	put32(w, len);
}

size_t pcapng_room(uint32_t kept)
{
	return FIXED + 2 * NAME_MOST + PCAPNG_COMMENT_MOST + kept;
}

size_t pcapng_own_room(uint32_t own_len)
{
	return own_len == 0 ? 0 : 20 + (size_t)own_len;
}

static void put_own(struct writer *w, const struct pcapng *in)
{
	if (in->own_len == 0)
		return;
	open_block(w, BLOCK_OWN);
	put32(w, in->own_len);
	put(w, in->own, in->own_len);
	pad(w);
	close_block(w);
}

size_t pcapng_write(const struct pcapng *in, uint8_t *out, size_t room)
{
	struct writer w = {.out = out};
	const uint8_t resolution = TSRESOL_NANO;
	uint64_t whole_section = UINT64_MAX; /* length not given */

	if (in->kept > PCAPNG_DATA_MOST || in->own_len > PCAPNG_OWN_MOST ||
	    room < pcapng_room(in->kept) + pcapng_own_room(in->own_len))
		return 0;
	open_block(&w, BLOCK_SECTION);
	put32(&w, BYTE_ORDER_MARK);
	put16(&w, 1); /* version 1.0 */
	put16(&w, 0);
	put(&w, &whole_section, sizeof(whole_section));
	put_text(&w, SHB_USERAPPL, in->program, NAME_MOST);
	put_option(&w, OPT_END, NULL, 0);
	close_block(&w);
	open_block(&w, BLOCK_INTERFACE);
	put16(&w, in->link);
	put16(&w, 0);
	put32(&w, 0); /* no limit of the length captured */
	put_text(&w, IF_NAME, in->interface, NAME_MOST);
	put_option(&w, IF_TSRESOL, &resolution, sizeof(resolution));
	put_option(&w, OPT_END, NULL, 0);
	close_block(&w);
	open_block(&w, BLOCK_PACKET);
	put32(&w, 0); /* interface */
	put32(&w, (uint32_t)(in->time_ns >> 32));
	put32(&w, (uint32_t)in->time_ns);
	put32(&w, in->kept);
	put32(&w, in->len);
	put(&w, in->data, in->kept);
	pad(&w);
	put_text(&w, OPT_COMMENT, in->comment, PCAPNG_COMMENT_MOST);
	put_option(&w, OPT_END, NULL, 0);
	close_block(&w);
	put_own(&w, in);
	return w.at;
}

/* ---- reading ---- */

static uint32_t get32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static uint16_t get16(const uint8_t *at)
{
	uint16_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

/* The comment among options, if there is one. */
static void find_comment(const uint8_t *at, const uint8_t *end, char *comment, size_t room)
{
	comment[0] = 0;
	while (end - at >= 4) {
		uint16_t code = get16(at), len = get16(at + 2);
		at += 4;
		if (code == OPT_END || len > end - at)
			return;
		if (code == OPT_COMMENT) {
			size_t take = len < room - 1 ? len : room - 1;
			memcpy(comment, at, take);
			comment[take] = 0;
			return;
		}
		size_t padded = (len + 3u) & ~(size_t)3u;
		if (padded > (size_t)(end - at))
			return;
		at += padded;
	}
}

/* body: behind type and length, `len` bytes up to the length at the end. */
static bool read_packet(const uint8_t *body, size_t len, struct pcapng *out, char *comment, size_t room)
{
	if (len < 20)
		return false;
	out->time_ns = (uint64_t)get32(body + 4) << 32 | get32(body + 8);
	out->kept = get32(body + 12);
	out->len = get32(body + 16);
	out->data = body + 20;
	if (out->kept > PCAPNG_DATA_MOST || ((out->kept + 3u) & ~3u) > len - 20)
		return false;
	find_comment(body + 20 + ((out->kept + 3u) & ~3u), body + len, comment, room);
	return true;
}

int pcapng_read(const uint8_t *file, size_t bytes, struct pcapng *out, char *comment, size_t comment_room)
{
	struct pcapng found = {.link = 0};
	bool has_interface = false, has_packet = false;

	if (bytes < 28 || get32(file) != BLOCK_SECTION || get32(file + 8) != BYTE_ORDER_MARK)
		return -EBADMSG;
	for (size_t at = 0; bytes - at >= 12;) {
		uint32_t type = get32(file + at), len = get32(file + at + 4);

		if (len < 12 || len % 4 != 0 || len > bytes - at || get32(file + at + len - 4) != len)
			break; /* what stands before it is whole */
		if (type == BLOCK_INTERFACE && !has_interface && len >= 20) {
			found.link = get16(file + at + 8);
			has_interface = true;
		}
		if (type == BLOCK_PACKET && has_interface && !has_packet) {
			if (!read_packet(file + at + 8, len - 12, &found, comment, comment_room))
				return -EBADMSG;
			has_packet = true;
		}
		if (type == BLOCK_OWN && has_packet && found.own == NULL && len >= 16 &&
		    get32(file + at + 8) <= len - 16) {
			found.own_len = get32(file + at + 8);
			found.own = file + at + 12;
		}
		at += len;
	}
	if (!has_packet)
		return -EBADMSG;
	*out = found;
	return 0;
}
