/* What the primary reads of workers for a shadow: the numbers of bursts that order what several I/O lcores reap,
 * what a worker says of a tick, snapshots, and all of the shadow's own belts. Real I/O lcores, real frames, a port of
 * rings; the worker in slot 0, of production, and the candidate in slot 2 are the input, the others are honest. An
 * input begins with '1' or '2', of I/O lcores, and is a list of what happens; `who` is a belt: bit 0 the lcore, bit 1
 * the candidate's.
 *
 *   'p' key len what        a request arrives; len: in steps of 8, odd: by the second lcore
 *   'P' n key len           n of them
 *   't' lcores              those turn                    'w' n[2]   n times 20 us go by
 *   'h' slot most           the slot's worker handles so many entries of each belt, at most
 *   'g' n                   n rounds of everybody
 *   'n' skew[4]             what slot 0 adds to its numbers of bursts     'q' count[8] what  and what it has counted
 *   'u'                     it does not count the next burst              'y'  likewise, and it dies there
 *   's' lcore at stamp[4]   a stamp                        'k' differ listed  what the candidate says of replies
 *   'v' who at verdict[4]   a verdict, from `done` on      'd' who n   `done` goes on by n   'D' who done[8]
 *   'f' who n  'F' who filled[8]  the same of cells        'm' who cause kind bucket len[2]   a cell
 *   'b' who at[4] n bytes   in the belt, anywhere
 *   'x' slot                slot 0 or the candidate dies and has a successor
 *   'N' names               the buckets that slot 0 says it has run in a tick, whose they are: ran, others
 *   'r' n                   room for n copies is left      'e'  the mirror ends, another begins
 *
 * Whatever it was: an lcore reaps in a turn all that it would without a mirror; what an honest worker answers leaves
 * once, in order, as it is; who lies is fenced or left out, and nobody else; numbers that no honest worker writes are
 * handed to nobody; the control, which does what production does, never differs where production is honest; at the end
 * the honest worker's buckets are compared, whatever still stands of the liar's, and every buffer is home. */
#include "fuzz_feed.h"

#include <string.h>

#include <rte_udp.h>

#include "feed.h"
#include "fuzz.h"

#define TURNS   10000u
#define BUFFERS 8191u

static const struct CoreStats *page(uint32_t l) { return stats_io(&w->rig.stats, l); }

/* ---- what an input does ---- */

static void request(uint32_t key, uint32_t len, uint32_t what)
{
	struct {
		struct fuzz_request r;
		uint8_t more[2048];
	} payload = {.r = {.key = w->key[key % WANTED], .what = what % 16}};
	uint32_t l = len % w->lcores;

	if (model.requests == REQUESTS || rte_ring_free_count(w->rig.rx[l]) == 0)
		return;
	payload.r.number = model.requests;
	/* the state's place is behind number and what */
	struct rte_mbuf *mbuf = rig_frame(&w->rig, l, &payload, (uint32_t)sizeof(payload.r) + len / 2 * 8 % 1400);
	struct rte_udp_hdr *udp = rte_pktmbuf_mtod_offset(mbuf, struct rte_udp_hdr *, 34);
	udp->src_port = rte_cpu_to_be_16((uint16_t)(PORTS + model.requests));
	udp->dgram_cksum = 0; /* none, RFC 768 */
	rig_inject(&w->rig, l, mbuf);
	model.requests++;
	model.odd += wanted(key) % 2;
}

static void cell(struct belt_consumer *c, const uint8_t *data)
{
	struct belt_out_cell *out = belt_out_next(c);

	if (!belt_out_room(c, 1))
		return;
	memset(out, 0, sizeof(*out));
	out->cause = c->done + data[0];
	out->kind = data[1] % 4;
	out->bucket = data[2];
	memcpy(&out->len, data + 3, 2);
	if (out->kind == BELT_OUT_MESSAGE)
		out->from = data[2] % BUCKETS;
	else
		out->to = (struct baton_peer){.ip = 0x0900000au, .udp_port = 0x409c, .mac = {2, 0, 0, 0, 0, 2}};
	c->filled++;
}

static uint64_t word(const uint8_t *data)
{
	uint64_t n;

	memcpy(&n, data, sizeof(n));
	return n;
}

/* In a belt of slot 0's or of the candidate's. */
static size_t lie(const uint8_t *data, size_t bytes)
{
	uint32_t slot = data[1] & 2 ? CANDIDATE : LIAR, l = data[1] % w->lcores, value;
	struct belt_consumer *c = &w->worker[slot][l];
	struct belt *belt = w->rig.belt[l][slot];

	model.lied |= slot == LIAR;
	model.strange |= slot == CANDIDATE;
	switch (data[0]) {
	case 'v':
		memcpy(&value, data + 3, 4);
		belt_verdict(c, c->done + data[2], value);
		return 7;
	case 'd': belt_settle(c, c->done + (uint64_t)(int8_t)data[2]); return 3;
	case 'D': belt_settle(c, word(data + 2)); return 10;
	case 'f': c->filled += (uint64_t)(int8_t)data[2]; return 3;
	case 'F': c->filled = word(data + 2); return 10;
	case 'm': cell(c, data + 2); return 7;
	case 's':
		memcpy(&belt->stamp[(io_of(l)->slot[slot].belt.reaped + data[2]) & BELT_MASK], data + 3, 4);
		return 7;
	default:
		memcpy(&value, data + 2, 4);
		size_t n = data[6] % 64;
		n = n < bytes - 7 ? n : bytes - 7;
		memcpy((uint8_t *)belt + value % (sizeof(*belt) - n), data + 7, n);
		return 7 + n;
	}
}

/* The numbers of slot 0. */
static size_t lie_of_numbers(const uint8_t *data)
{
	if (data[0] == 'y') { /* honest: it has only come so far */
		model.uncounted = !model.lied;
		worker_burst(LIAR, 0, BATON_BURST);
		model.uncounted = false;
		die(LIAR);
		return 1;
	}
	model.lied = true;
	model.uncounted |= data[0] == 'u';
	if (data[0] == 'n')
		memcpy(&model.skew, data + 1, 4);
	if (data[0] != 'q')
		return data[0] == 'n' ? 5 : 1;
	if (data[9] & 2) {
		atomic_store(&w->rig.belt[0][CANDIDATE]->bursts, word(data + 1));
		model.strange = true;
		return 10;
	}
	w->bursts[LIAR] = word(data + 1);
	if (data[9] & 1)
		atomic_store(&w->rig.belt[0][LIAR]->bursts, word(data + 1));
	return 10;
}

static void end_and_begin(void)
{
	end_mirror();
	begin_mirror();
}

/* Carries out what stands at the beginning. Returns how much that was. */
static size_t act(const uint8_t *data, size_t bytes)
{
	if (bytes < 10)
		return bytes;
	switch (data[0]) {
	case 'p': request(data[1], data[2], data[3]); return 4;
	case 'P':
		for (uint32_t i = 0; i < data[1]; i++)
			request(data[2] + i, data[3], 0);
		return 4;
	case 't': turn(data[1]); return 2;
	case 'w': go_by(STEP_NS * (data[1] | (uint32_t)data[2] << 8)); return 3;
	case 'h': work(data[1] % SLOTS, data[2]); return 3;
	case 'g': rounds(data[1] % 16, 0, ROUND_NS); return 2;
	case 'n':
	case 'q':
	case 'u':
	case 'y': return lie_of_numbers(data);
	case 'k':
		model.differ = data[1];
		model.listed = data[2];
		model.strange = true;
		return 3;
	case 'v':
	case 'd':
	case 'D':
	case 'f':
	case 'F':
	case 'm':
	case 's':
	case 'b': return lie(data, bytes);
	case 'x': die(data[1] & 1 ? CANDIDATE : LIAR); return 2;
	case 'r':
		w->mirror->credit = data[1];
		for (uint32_t l = 0; w->lcores > 1 && l < w->lcores; l++)
			w->mirror->feed[l]->credit = data[1];
		return 2;
	case 'N':
		model.names = data[1];
		model.lied = true;
		return 2;
	case 'e': end_and_begin(); return 1;
	default: return 1;
	}
}

/* ---- afterwards ---- */

static bool honest_is_in_step(void)
{
	for (uint32_t i = 1; i < WANTED; i += 2)
		if ((w->mirror->bucket[wanted(i)].in_step & 2u) == 0)
			return false;
	return true;
}

/* The liar still stands there, and does nothing more: for at most so long it holds the others up. */
static void honest_is_compared(void)
{
	const struct mirror_counts *c = &w->mirror->side[1].counts;

	for (uint32_t i = 0; !honest_is_in_step(); i++) {
		must(i < 2 * FEED_WAIT_NS / FEED_LOOK_NS);
		rounds(1, 1, FEED_LOOK_NS);
	}
	uint64_t compared = c->compared;
	for (uint32_t i = 0; i < 2 * WANTED; i++)
		request(2 * i + 1, i & 1, 0);
	for (uint32_t i = 0; c->compared < compared + 2 * WANTED; i++) {
		must(i < 4 * FEED_WAIT_NS / FEED_LOOK_NS);
		if (i > FEED_WAIT_NS / FEED_LOOK_NS && model.requests < REQUESTS)
			request(2 * i + 1, i & 1, 0);
		rounds(1, 1, ROUND_NS + (i > 20) * FEED_LOOK_NS);
	}
}

static void come_to_rest(void)
{
	for (uint32_t l = 0; l < w->lcores; l++) {
		struct io_lcore *io = io_of(l);

		for (uint32_t turns = 0; io->ledger.in_belts + io->ledger.pending + io->message.used != 0; turns++) {
			must(turns < TURNS);
			rounds(1, 0, 0);
		}
		for (uint32_t turns = 0; io->ledger.unresolved != 0; turns++) {
			must(turns < 20);
			rounds(1, 0, 1000000000ull);
		}
	}
	turn(3); /* nothing is reaped any more: what was sent last leaves */
	turn(3);
}

static void books_are_right(uint32_t dropped)
{
	for (uint32_t l = 0; l < w->lcores; l++) {
		struct ledger ledger;

		datapath_ledger(w->rig.dp, l, &ledger);
		must(ledger_balance(&ledger) == 0 && ledger.unresolved + ledger.tx_backlog == 0);
		must(page(l)->ledger_drift == 0 && rte_mempool_avail_count(w->rig.pool[l]) == BUFFERS);
	}
	must(io_of(0)->slot[HONEST].fence == 0 && io_of(0)->slot[CONTROL].fence == 0);
	/* all are answered by whom they are for, but those that found a belt full */
	must(model.answered_odd <= model.odd && model.answered_odd + dropped >= model.odd);
}

static uint32_t dropped_for_room(void)
{
	uint64_t sum = 0;

	for (uint32_t l = 0; l < w->lcores; l++)
		sum += page(l)->drop[DROP_belt_full] + page(l)->drop[DROP_message_room] + page(l)->drop[DROP_pending_full] +
		       page(l)->drop[DROP_tx_full];
	return (uint32_t)sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	w = &world[bytes != 0 && data[0] & 1];
	memset(&model, 0, sizeof(model));
	memset(last_odd, 0, sizeof(last_odd));
	if (w->rig.dp == NULL)
		make(bytes != 0 && data[0] & 1 ? 1 : 2);
	uint32_t dropped = dropped_for_room();
	for (uint32_t slot = 0; slot < 2; slot++)
		atomic_store(&w->rig.belt[0][slot]->bursts, w->bursts[slot] = 100);
	begin_mirror();
	rounds(2 * WANTED, 0, ROUND_NS);
	for (size_t at = 1; at < bytes;)
		at += act(data + at, bytes - at);
	honest_is_compared();
	if (model.lied)
		die(LIAR);
	end_mirror();
	come_to_rest();
	books_are_right(dropped_for_room() - dropped);
	return 0;
}

const struct fuzz_seed fuzz_seeds[] = {
	FUZZ_SEED("2p\0\0\0p\1\1\1p\2\2\2p\3\3\3t\3h\0\100h\1\100t\3h\2\100h\3\100t\3g\3\0\0\0\0\0\0\0\0\0\0"),
	FUZZ_SEED("1p\0\0\0p\1\0\1p\2\0\2p\3\40\4p\4\0\10t\3h\0\100h\1\100"
		  "t\3h\2\100h\3\100t\3g\3\0\0\0\0\0\0\0\0\0\0"),
	FUZZ_SEED("2P\10\0\0P\10\0\1t\3h\0\100h\1\100t\2P\10\0\0t\1h\0\100h\1\100t\2t\1t\3g\2\0\0\0\0\0\0\0\0\0\0"),
	FUZZ_SEED("2n\350\3\0\0P\10\0\0P\10\0\1t\3h\0\100h\1\100t\3g\2\0\0\0\0\0\0\0\0\0\0"),
	FUZZ_SEED("2q\377\377\377\377\377\377\377\377\1P\10\0\0P\10\0\1t\3h\0\100h\1\100t\3g\2\0\0\0\0\0\0\0\0\0\0"),
	FUZZ_SEED("2uP\10\0\0P\10\0\1t\3h\0\100h\1\100t\3w\0\100t\3w\0\100t\3g\2\0\0\0\0\0\0\0\0\0\0"),
	FUZZ_SEED("2P\10\0\0P\10\0\1t\3yP\10\0\0g\2x\0P\10\0\1g\5x\1g\5\0\0\0\0\0\0\0\0\0\0"),
	FUZZ_SEED("2k\2\2P\10\0\0P\10\0\1g\3k\7\21P\10\0\5g\3k\377\0P\10\0\4g\3P\10\0\1g\17\0\0\0\0\0\0\0\0\0\0"),
	FUZZ_SEED("1k\2\2P\10\0\0P\10\0\2g\3k\1\1P\10\0\4g\17P\10\0\4g\3eg\17\0\0\0\0\0\0\0\0\0\0"),
	FUZZ_SEED("2P\377\1\376P\377\1\377t\3h\1\377h\1\377h\1\377h\1\377"
		  "t\2t\2P\377\1\377t\2h\1\377h\1\377h\1\377h\1\377t\2t\1g\3\0\0\0\0\0\0\0\0\0\0"),
	FUZZ_SEED("2P\100\0\0P\100\0\1g\1r\3t\3P\100\0\0t\3h\0\100h\1\100t\3h\0\100t\3g\17\0\0\0\0\0\0\0\0\0\0"),
	FUZZ_SEED("1p\0\0\0p\2\0\0t\3v\0\0\1\0\377\377d\0\2t\3v\0\0\1\0\24\0d\0\1t\3g\2x\0\0\0\0\0\0\0\0\0\0\0"),
	FUZZ_SEED("2P\4\0\0P\4\0\1t\3h\0\100h\1\100t\3m\2\0\1\3\20\0m\2\0\2\3\20\0"
		  "f\2\3d\2\1t\3q\1\0\0\0\0\0\0\0\2g\3x\1g\3\0\0\0\0\0\0\0\0\0\0"),
	FUZZ_SEED("2P\4\0\0g\2s\0\0\1\0\0\0s\1\0\1\0\0\0b\0\100\0\0\0\10\377\377\377\377\377\377\377\377"
		  "g\3D\0\1\0\0\0\0\0\0\0t\3g\2\0\0\0\0\0\0\0\0\0\0"),
	FUZZ_SEED("1N\3g\17g\17P\10\0\0g\17\0\0\0\0\0\0\0\0\0\0"),
	FUZZ_SEED("2N\17g\17P\10\0\0g\17N\14g\17\0\0\0\0\0\0\0\0\0\0"),
	{NULL, 0},
};
const struct fuzz_seed fuzz_words[] = {
	FUZZ_SEED("p\0\0\0"), FUZZ_SEED("p\1\1\1"),
	FUZZ_SEED("p\2\200\2"), FUZZ_SEED("p\3\201\3"), FUZZ_SEED("P\10\0\0"),
	FUZZ_SEED("P\10\0\1"), FUZZ_SEED("t\1"), FUZZ_SEED("t\2"),
	FUZZ_SEED("t\3"), FUZZ_SEED("h\0\100"), FUZZ_SEED("h\1\100"),
	FUZZ_SEED("h\2\100"), FUZZ_SEED("h\3\100"), FUZZ_SEED("h\1\1"),
	FUZZ_SEED("g\1"), FUZZ_SEED("g\4"), FUZZ_SEED("n\1\0\0\0"),
	FUZZ_SEED("n\377\377\377\377"), FUZZ_SEED("n\350\3\0\0"),
	FUZZ_SEED("n\0\0\0\0"), FUZZ_SEED("u"), FUZZ_SEED("y"),
	FUZZ_SEED("q\0\0\0\0\0\0\0\100\1"), FUZZ_SEED("q\143\0\0\0\0\0\0\0\1"), FUZZ_SEED("q\0\0\0\0\0\0\0\0\2"),
	FUZZ_SEED("N\3"), FUZZ_SEED("N\14"), FUZZ_SEED("x\0"), FUZZ_SEED("x\1"),
	FUZZ_SEED("e"), FUZZ_SEED("r\0"), FUZZ_SEED("r\2"), FUZZ_SEED("w\0\100"), FUZZ_SEED("w\62\0"),
	FUZZ_SEED("k\2\1"), FUZZ_SEED("k\0\0"), FUZZ_SEED("k\1\0"),
	FUZZ_SEED("d\0\1"), FUZZ_SEED("d\2\1"), FUZZ_SEED("D\0"),
	FUZZ_SEED("v\0\0\1\0\24\0"), FUZZ_SEED("v\2\0\1\0\24\0"),
	FUZZ_SEED("f\0\1"), FUZZ_SEED("F\2"), FUZZ_SEED("m\0\0\1\3\20\0"),
	FUZZ_SEED("m\2\0\2\3\20\0"), FUZZ_SEED("s\0\0\1\0\0\0"),
	FUZZ_SEED("b\0\0\0\0\0\10"), FUZZ_SEED("v\0\0\0\0\1\0"),
	{NULL, 0},
};
const size_t fuzz_longest = 512;
