/* The generator plays the game against Baton from inside the I/O lcore: see generator.h. Each player sends its requests
 * two at a time, so that order within a player can be checked, and has at most 32 unanswered. */
#include <errno.h>
#include <rte_cycles.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_udp.h>
#include <smmintrin.h>

#include "checksum.h"
#include "generator.h"
#include "wire.h"

#define FRAME_BYTES   (sizeof(struct rte_ether_hdr) + sizeof(struct rte_ipv4_hdr) + sizeof(struct rte_udp_hdr) + \
		       sizeof(struct GameMove))
#define PAYLOAD_AT    42u
#define TEMPLATE      96u /* FRAME_BYTES rounded up to 16 */
#define SOURCE_NET    0x0ac80000u /* 10.200.0.0/16: the players' addresses */
#define SOURCE_PORT   40000u
#define TURNS         2u /* requests a player sends in its turn */
#define PLAYERS_AHEAD 12 /* whose state is asked for before it is needed */

static_assert(FRAME_BYTES == 90, "smallest valid MOVE");

/* Where in a frame the identifier and the sequence stand, and x and y. */
#define WHO_AT (PAYLOAD_AT + offsetof(struct GameMove, header.player_id))
#define XY_AT  (PAYLOAD_AT + offsetof(struct GameMove, x))
static_assert(offsetof(struct GamePacketHeader, sequence) == offsetof(struct GamePacketHeader, player_id) + 4 &&
	      offsetof(struct GameMove, y) == offsetof(struct GameMove, x) + 4, "a word each");

/* A frame with room behind it, in the steps in which it is written. */
union frame_bytes {
	uint8_t byte[TEMPLATE];
	__m128i step[TEMPLATE / 16];
};

struct player {
	uint32_t sequence; /* of the last request */
	uint32_t open;     /* bit n: request sequence - n is unanswered */
	uint64_t sent_tsc;
};

struct generator {
	struct rte_mempool *pool;
	struct CoreStats *stats;
	const struct port *port;
	uint64_t tsc_hz, lost_tsc;
	uint64_t start_tsc, issued; /* for the rate */
	uint64_t rate;
	uint64_t last_reply_tsc;
	uint32_t in_flight, window;
	uint32_t players, first_id; /* ids first_id .. first_id + players - 1 */
	uint32_t next, turn;
	uint32_t malformed_every, until_malformed, malformed_kind;
	uint64_t rearm;   /* of a buffer, as a driver writes it: offset, one reference, one segment, port */
	uint64_t ip_sum;  /* sums of the template without the fields that change */
	uint64_t udp_sum;
	union frame_bytes template;
	/* the reply, where every reply has the same bytes: compared under a mask */
	union frame_bytes reply, reply_mask;
	struct player player[];
};

static inline uint32_t player_ip(uint32_t id) { return rte_cpu_to_be_32(SOURCE_NET | (id & 0xffff)); }
static inline uint16_t player_port(uint32_t id) { return rte_cpu_to_be_16((uint16_t)(SOURCE_PORT + (id >> 16))); }

/* Where the player goes with this request, x and y as they lie in memory: a function of both, so that the reply can be
 * checked without a memory. Sign and mantissa as the bits fall, the exponent that of 2048: within the world. */
static inline uint64_t player_xy(uint32_t id, uint32_t sequence)
{
	uint64_t bits = id * 0x9e3779b97f4a7c15ull + sequence * 0xc2b2ae3d27d4eb4full;

	return (bits & 0x807ffc00807ffc00ull) | 0x4500000045000000ull;
}

/* One's complement: of words as they lie in memory. */
static inline uint64_t add_words(uint64_t sum, uint64_t word)
{
	sum += word;
	return sum + (sum < word);
}

static void build_template(struct generator *g, uint32_t ip, uint16_t udp_port)
{
	struct rte_ether_hdr *eth = (void *)g->template.byte;
	struct rte_ipv4_hdr *ip4 = (void *)(eth + 1);
	struct rte_udp_hdr *udp = (void *)(ip4 + 1);
	struct GameMove *move = (void *)(udp + 1);

	memcpy(&eth->dst_addr, g->port->mac, 6);
	memcpy(&eth->src_addr, "\x02\x00\x00\x00\x77\x01", 6);
	eth->ether_type = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4);
	ip4->version_ihl = 0x45;
	ip4->total_length = rte_cpu_to_be_16(FRAME_BYTES - sizeof(*eth));
	ip4->time_to_live = 64;
	ip4->next_proto_id = IPPROTO_UDP;
	ip4->dst_addr = ip;
	udp->dst_port = udp_port;
	udp->dgram_len = rte_cpu_to_be_16(sizeof(*udp) + sizeof(*move));
	move->header.packet_size = sizeof(*move);
	move->header.packet_type = PLAYER_MOVE;
	g->ip_sum = rte_raw_cksum(ip4, sizeof(*ip4));
	g->udp_sum = (uint64_t)rte_raw_cksum(udp, sizeof(*udp) + sizeof(*move)) + ip + rte_cpu_to_be_16(IPPROTO_UDP) +
		     udp->dgram_len;
}

/* What a reply must be but for who it is for, what it says and its checksums. */
static void build_reply(struct generator *g)
{
	struct rte_ether_hdr *eth = (void *)g->reply.byte, *eth_mask = (void *)g->reply_mask.byte;
	struct rte_ipv4_hdr *ip4 = (void *)(eth + 1), *ip4_mask = (void *)(eth_mask + 1);
	struct rte_udp_hdr *udp = (void *)(ip4 + 1), *udp_mask = (void *)(ip4_mask + 1);
	struct GameMove *move_mask = (void *)(udp_mask + 1);

	memcpy(g->reply.byte, g->template.byte, FRAME_BYTES);
	memset(g->reply_mask.byte, 0xff, FRAME_BYTES);
	memcpy(&eth->dst_addr, g->template.byte + 6, 6);
	memcpy(&eth->src_addr, g->template.byte, 6);
	ip4->src_addr = ip4->dst_addr;
	ip4_mask->dst_addr = 0;
	ip4_mask->hdr_checksum = 0;
	udp->src_port = udp->dst_port;
	udp_mask->dst_port = 0;
	udp_mask->dgram_cksum = 0;
	move_mask->header.player_id = 0;
	move_mask->header.sequence = 0;
	memset(&move_mask->x, 0, 2 * sizeof(float));
	move_mask->server_time_ns = 0;
}

int generator_create(struct port *port, uint32_t lcore, uint32_t lcores, struct rte_mempool *pool, uint64_t tsc_hz,
		     uint32_t ip, uint16_t udp_port, struct CoreStats *stats)
{
	const struct config_port *config = port->config;
	uint32_t players = config->players / lcores;
	struct generator *g;

	if (players == 0 || config->in_flight == 0)
		return -EINVAL;
	g = rte_zmalloc("generator", sizeof(*g) + players * sizeof(g->player[0]), 64);
	if (g == NULL)
		return -ENOMEM;
	g->pool = pool;
	g->stats = stats;
	g->port = port;
	g->tsc_hz = tsc_hz;
	g->lost_tsc = (uint64_t)((unsigned __int128)tsc_hz * config->lost_after_ns / 1000000000u);
	g->rate = config->rate / lcores;
	g->window = config->in_flight / lcores;
	g->players = players;
	g->first_id = 1 + lcore * players;
	g->malformed_every = config->malformed_every;
	g->until_malformed = config->malformed_every;
	build_template(g, ip, udp_port);
	build_reply(g);
	struct rte_mbuf buffer = {.data_off = RTE_PKTMBUF_HEADROOM, .nb_segs = 1, .port = port->index};
	rte_mbuf_refcnt_set(&buffer, 1);
	memcpy(&g->rearm, &buffer.rearm_data, sizeof(g->rearm));
	port->generator[lcore] = g;
	return 0;
}

void generator_destroy(struct port *port, uint32_t lcore)
{
	rte_free(port->generator[lcore]);
	port->generator[lcore] = NULL;
}

/* What the frames of one player have in common: the template with its address, port and identifier in it. */
struct voice {
	__m128i ip, udp, head; /* bytes 16 to 63 */
	uint64_t udp_sum;
	uint32_t id;
};

static inline struct voice voice_of(const struct generator *g, uint32_t id)
{
	uint32_t ip = player_ip(id);
	uint16_t udp_port = player_port(id);
	struct voice v = {.id = id, .udp_sum = g->udp_sum + ip + udp_port};

	v.ip = _mm_insert_epi16(g->template.step[1], ~checksum_fold(g->ip_sum + ip), 4);
	v.ip = _mm_insert_epi16(v.ip, (int)ip, 5);
	v.ip = _mm_insert_epi16(v.ip, (int)(ip >> 16), 6);
	v.udp = _mm_insert_epi16(g->template.step[2], udp_port, 1);
	v.head = g->template.step[3];
	return v;
}

static inline void write_frame(const struct generator *g, uint8_t *frame, const struct voice *voice, uint32_t sequence)
{
	uint64_t who = voice->id | (uint64_t)sequence << 32, xy = player_xy(voice->id, sequence);
	uint16_t sum = (uint16_t)~checksum_fold(add_words(add_words(voice->udp_sum, who), xy));
	__m128i *to = (__m128i *)(void *)frame;

	_mm_storeu_si128(to, g->template.step[0]);
	_mm_storeu_si128(to + 1, voice->ip);
	_mm_storeu_si128(to + 2, _mm_insert_epi16(voice->udp, sum == 0 ? 0xffff : sum, 4));
	_mm_storeu_si128(to + 3, voice->head);
	_mm_storeu_si128(to + 4, g->template.step[4]);
	_mm_storeu_si128(to + 5, g->template.step[5]);
	memcpy(frame + WHO_AT, &who, sizeof(who));
	memcpy(frame + XY_AT, &xy, sizeof(xy));
}

/* One frame in malformed_every is wrong in one way, in turn; each must be counted under its reason by Baton. */
static void spoil(struct generator *g, struct rte_mbuf *mbuf)
{
	uint8_t *frame = rte_pktmbuf_mtod(mbuf, uint8_t *);
	struct rte_ipv4_hdr *ip4 = (void *)(frame + sizeof(struct rte_ether_hdr));
	struct rte_udp_hdr *udp = (void *)(ip4 + 1);
	struct GameMove *move = (void *)(udp + 1);

	switch (g->malformed_kind++ % 5) {
	case 0: ip4->version_ihl = 0x65; break;
	case 1: ip4->total_length = rte_cpu_to_be_16(1400); break;
	case 2: udp->dgram_len = rte_cpu_to_be_16(7); break;
	case 3: frame[12] = 0x86; break; /* not IPv4 */
	case 4: move->header.packet_type = 99; udp->dgram_cksum = 0; break; /* the plugin's to refuse */
	}
	stats_add(&g->stats->gen_malformed, 1);
}

static void count_lost(struct generator *g, struct player *player)
{
	uint32_t lost = (uint32_t)__builtin_popcount(player->open);

	stats_add(&g->stats->gen_lost, lost);
	g->in_flight -= lost;
	player->open = 0;
}

/* Nothing came back for lost_after though the window is full: give up what is older, so that the play goes on. */
static void sweep_lost(struct generator *g, uint64_t tsc)
{
	if (tsc - g->last_reply_tsc < g->lost_tsc)
		return;
	for (uint32_t i = 0; i < g->players; i++)
		if (g->player[i].open != 0 && tsc - g->player[i].sent_tsc >= g->lost_tsc)
			count_lost(g, &g->player[i]);
}

/* The next player that may send, or NULL: its turn came while its last requests are still under way. */
static struct player *next_player(struct generator *g, uint64_t tsc)
{
	struct player *player = &g->player[g->next];

	if (g->turn == 0 && baton_unlikely(player->open != 0)) {
		if (tsc - player->sent_tsc < g->lost_tsc) {
			/* Overtaken by its own round: leave it out this time. */
			g->next = g->next + 1 < g->players ? g->next + 1 : 0;
			return NULL;
		}
		count_lost(g, player);
	}
	return player;
}

static uint32_t allowance(struct generator *g, uint64_t tsc, uint32_t most)
{
	uint32_t room = g->window > g->in_flight ? g->window - g->in_flight : 0;

	if (g->rate != 0) {
		uint64_t due = (uint64_t)((unsigned __int128)(tsc - g->start_tsc) * g->rate / g->tsc_hz) - g->issued;
		/* after a pause the rate is not made up for: that would be a burst no player caused */
		if (due > g->window) {
			g->issued += due - g->window;
			due = g->window;
		}
		room = due < room ? (uint32_t)due : room;
	}
	return room < most ? room : most;
}

/* The fields that a driver writes when a frame has come in, in two steps. */
static inline void fill_buffer(struct rte_mbuf *mbuf, __m128i rearm, __m128i fields)
{
	_mm_storeu_si128((__m128i *)(void *)&mbuf->rearm_data, rearm);
	_mm_storeu_si128((__m128i *)(void *)&mbuf->rx_descriptor_fields1, fields);
}
static_assert(offsetof(struct rte_mbuf, ol_flags) == offsetof(struct rte_mbuf, rearm_data) + 8 &&
	      offsetof(struct rte_mbuf, pkt_len) == offsetof(struct rte_mbuf, rx_descriptor_fields1) + 4 &&
	      offsetof(struct rte_mbuf, data_len) == offsetof(struct rte_mbuf, rx_descriptor_fields1) + 8, "two steps");

/* Frames of one player, the rest of its turn but at most `most`. *valid counts those that are not malformed. */
static inline uint32_t play_turn(struct generator *g, struct player *player, uint64_t tsc, struct rte_mbuf **mbuf,
				 uint32_t most, uint32_t *valid)
{
	const struct voice voice = voice_of(g, g->first_id + g->next);
	const __m128i rearm = _mm_set_epi64x(RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD, (int64_t)g->rearm);
	const __m128i fields = _mm_set_epi64x(FRAME_BYTES, (int64_t)FRAME_BYTES << 32);
	uint32_t made = 0;

	while (made < most && g->turn < TURNS) {
		struct rte_mbuf *m = mbuf[made++];
		uint8_t *frame = (uint8_t *)m->buf_addr + RTE_PKTMBUF_HEADROOM;

		fill_buffer(m, rearm, fields);
		if (baton_unlikely(--g->until_malformed == 0) && g->malformed_every != 0) {
			g->until_malformed = g->malformed_every;
			write_frame(g, frame, &voice, player->sequence);
			spoil(g, m);
			continue;
		}
		player->sequence++;
		player->open = player->open << 1 | 1u;
		write_frame(g, frame, &voice, player->sequence);
		g->turn++;
		(*valid)++;
	}
	player->sent_tsc = tsc;
	return made;
}

uint32_t generator_rx(struct generator *g, uint64_t tsc, struct rte_mbuf **mbuf, uint32_t most)
{
	if (baton_unlikely(g->start_tsc == 0))
		g->start_tsc = g->last_reply_tsc = tsc;
	if (baton_unlikely(g->in_flight >= g->window))
		sweep_lost(g, tsc);
	uint32_t count = allowance(g, tsc, most), made = 0, valid = 0;

	if (count == 0 || rte_mempool_get_bulk(g->pool, (void **)mbuf, count) != 0)
		return 0;
	while (made < count) {
		struct player *player = next_player(g, tsc);
		if (player == NULL)
			break;
		made += play_turn(g, player, tsc, mbuf + made, count - made, &valid);
		if (g->turn < TURNS)
			break;
		g->turn = 0;
		g->next = g->next + 1 < g->players ? g->next + 1 : 0;
		__builtin_prefetch(&g->player[g->next] + PLAYERS_AHEAD); /* a hint, also beyond the last */
	}
	if (baton_unlikely(made < count))
		rte_mempool_put_bulk(g->pool, (void **)(mbuf + made), count - made);
	g->in_flight += valid;
	g->issued += made;
	stats_add(&g->stats->gen_sent, valid);
	return made;
}

/* Every byte that a client could see. Checksums: the device's work if it offers to do it, checked otherwise. */
static inline bool reply_right(const struct generator *g, const struct rte_mbuf *mbuf, uint32_t id,
			       const struct GameMove *reply)
{
	const uint8_t *frame = rte_pktmbuf_mtod(mbuf, const uint8_t *);
	const struct rte_ipv4_hdr *ip4 = (const void *)(frame + sizeof(struct rte_ether_hdr));
	const struct rte_udp_hdr *udp = (const void *)(ip4 + 1);
	__m128i wrong = _mm_setzero_si128();
	uint64_t xy, differs;

	for (uint32_t i = 0; i < TEMPLATE / 16; i++) {
		__m128i is = _mm_loadu_si128((const __m128i *)(const void *)frame + i);
		wrong = _mm_or_si128(wrong, _mm_and_si128(_mm_xor_si128(is, g->reply.step[i]), g->reply_mask.step[i]));
	}
	memcpy(&xy, frame + XY_AT, sizeof(xy));
	differs = (xy ^ player_xy(id, reply->header.sequence)) | (ip4->dst_addr ^ player_ip(id)) |
		  (uint64_t)(udp->dst_port ^ player_port(id));
	if (baton_unlikely(!_mm_testz_si128(wrong, wrong) || differs != 0 || reply->server_time_ns == 0))
		return false;
	return g->port->tx_udp_checksum ||
	       (checksum_udp(ip4, udp, rte_be_to_cpu_16(udp->dgram_len)) == 0xffff && checksum_ip_right(ip4, sizeof(*ip4)));
}

/* Returns true if the reply answers an open request. */
static inline bool check_reply(struct generator *g, struct rte_mbuf *mbuf)
{
	const struct GameMove *reply = rte_pktmbuf_mtod_offset(mbuf, const struct GameMove *, PAYLOAD_AT);
	uint32_t at = reply->header.player_id - g->first_id;

	if (baton_unlikely(mbuf->pkt_len != FRAME_BYTES || at >= g->players)) {
		stats_add(&g->stats->gen_wrong, 1);
		return false;
	}
	struct player *player = &g->player[at];
	__builtin_prefetch(player + PLAYERS_AHEAD); /* answers come about in the order of the requests */
	uint32_t behind = player->sequence - reply->header.sequence;
	if (baton_unlikely(behind >= 32 || (player->open >> behind & 1u) == 0)) {
		stats_add(&g->stats->gen_duplicated, 1);
		return false;
	}
	player->open &= ~(1u << behind);
	g->in_flight--;
	if (baton_unlikely(behind < 31 && player->open >> (behind + 1) != 0))
		stats_add(&g->stats->gen_reordered, 1);
	if (baton_unlikely(!reply_right(g, mbuf, reply->header.player_id, reply))) {
		stats_add(&g->stats->gen_wrong, 1);
		return true;
	}
	return true;
}

uint32_t generator_tx(struct generator *g, uint64_t tsc, struct rte_mbuf **mbuf, uint32_t count)
{
	uint64_t wrong = g->stats->gen_wrong;
	uint32_t answered = 0;

	for (uint32_t i = 0; i < count; i++)
		answered += check_reply(g, mbuf[i]);
	stats_add(&g->stats->gen_ok, answered - (g->stats->gen_wrong - wrong));
	if (answered != 0) {
		uint64_t ns = (uint64_t)((double)(tsc - g->last_reply_tsc) * 1e9 / (double)g->tsc_hz);
		if (baton_unlikely(ns >= STATS_GAP_NS))
			stats_gap_add(g->stats, g->last_reply_tsc, tsc, ns);
		g->last_reply_tsc = tsc;
	}
	/* As a driver that was promised one pool, one reference and one segment (MBUF_FAST_FREE). */
	rte_mempool_put_bulk(g->pool, (void **)mbuf, count);
	return count;
}
