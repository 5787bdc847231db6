/* The neighbour table; see neighbour.h. Housekeeping and the path of packets without a MAC address, never the fast
 * path. */
#include "neighbour.h"

#include "arp.h"
#include "lcore.h"
#include "neighbour_table.h"
#include "vlan.h"

uint32_t neighbour_source(const struct port_network *net, uint32_t ip)
{
	for (uint32_t i = 0; i < net->addresses; i++)
		if (((net->address[i].ip ^ ip) & prefix_mask(net->address[i].prefix)) == 0)
			return net->address[i].ip;
	return 0;
}

const struct port_network *neighbour_network(const struct io_lcore *io, const struct baton_peer *to)
{
	const struct port_network *net;
	uint32_t network = 0;

	if (to->port >= io->ports || io->index >= io->port[to->port].queues)
		return NULL;
	if ((to->vlan & VLAN_ID) != 0 && (network = io->port[to->port].vlan_network[to->vlan & VLAN_ID]) == 0)
		return NULL;
	net = &io->port[to->port].network[network];
	return net->addresses != 0 && network_has_host(net, to->ip) ? net : NULL;
}

/* ---- sending ---- */

static void put_on_wire(struct io_lcore *io, uint8_t index, const struct port_network *net, const uint8_t *mac,
			struct rte_mbuf *mbuf)
{
	const struct port *port = &io->port[index];
	struct rte_ether_hdr *eth = (void *)rte_pktmbuf_prepend(mbuf, sizeof(*eth));

	assert(eth != NULL);
	memcpy(&eth->dst_addr, mac, RTE_ETHER_ADDR_LEN);
	memcpy(&eth->src_addr, port->mac, RTE_ETHER_ADDR_LEN);
	eth->ether_type = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4);
	mbuf->l2_len = sizeof(*eth);
	if (net->vlan != 0)
		vlan_put_on(port, mbuf, net->vlan);
	tx_enqueue(io, index, mbuf);
}

/* One question; without a buffer for it the try is lost, and counted. */
static void ask(struct io_lcore *io, struct neighbour *n)
{
	static const uint8_t everyone[RTE_ETHER_ADDR_LEN] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	const struct port *port = &io->port[n->port];
	const struct port_network *net = &port->network[n->network];
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(io->pool);
	struct rte_arp_hdr *arp;

	n->tries++;
	n->asked_ns = io->now_ns;
	if (mbuf == NULL)
		return stats_add(&io->stats->drop[DROP_no_buffer], 1);
	io->ledger.allocated++;
	arp_fill(port, mbuf, RTE_ARP_OP_REQUEST, n->our_ip, n->everyone ? everyone : n->mac, n->ip);
	arp = rte_pktmbuf_mtod_offset(mbuf, struct rte_arp_hdr *, sizeof(struct rte_ether_hdr));
	memset(&arp->arp_data.arp_tha, 0, RTE_ETHER_ADDR_LEN); /* what is asked for */
	if (net->vlan != 0)
		vlan_put_on(port, mbuf, net->vlan);
	stats_add(&io->stats->arp_requests, 1);
	tx_enqueue(io, n->port, mbuf);
}

static bool is_open(enum neighbour_state state) { return state == NEIGHBOUR_ASKING || state == NEIGHBOUR_CHECKING; }

static void enter(struct io_lcore *io, struct neighbour *n, enum neighbour_state state)
{
	io->neighbours.asking[n->service] +=
		(uint32_t)(state == NEIGHBOUR_ASKING) - (uint32_t)(n->state == NEIGHBOUR_ASKING);
	io->neighbours.open += (uint32_t)is_open(state) - (uint32_t)is_open(n->state);
	n->state = state;
}

/* A round of questions. Asked for within the last second: the first of them comes with the next scan. */
void neighbour_ask(struct io_lcore *io, struct neighbour *n, enum neighbour_state state, bool everyone)
{
	enter(io, n, state);
	/* What others left before there was a question is no answer to it. */
	if (!BATON_SABOTAGE(early_answer_believed))
		atomic_store_explicit(&io->neighbours.heard[n - io->neighbours.entry], 0, memory_order_relaxed);
	n->tries = 0;
	n->everyone = everyone;
	if (n->asked_ns == 0 || io->now_ns - n->asked_ns >= NEIGHBOUR_RETRY_NS)
		ask(io, n);
}

/* The packet at `at` waits no longer. */
static struct rte_mbuf *take_out(struct io_lcore *io, struct neighbour *n, uint32_t at)
{
	struct rte_mbuf *mbuf = n->queue[at];

	io->neighbours.waiting[n->of[at]]--;
	io->ledger.unresolved--;
	n->waiting--;
	memmove(&n->queue[at], &n->queue[at + 1], sizeof(n->queue[0]) * (n->waiting - at));
	memmove(&n->of[at], &n->of[at + 1], sizeof(n->of[0]) * (n->waiting - at));
	return mbuf;
}

static void drop_waiting(struct io_lcore *io, struct neighbour *n, enum core_drop reason)
{
	while (n->waiting != 0)
		drop_packet(io, take_out(io, n, 0), reason);
}

static void release(struct io_lcore *io, uint32_t index)
{
	struct neighbour *n = &io->neighbours.entry[index];

	drop_waiting(io, n, DROP_no_neighbour);
	enter(io, n, NEIGHBOUR_FREE);
	atomic_store_explicit(&io->neighbours.key[index], 0, memory_order_relaxed);
	io->neighbours.used--;
}

/* Which of two entries is missed less: one that failed, else the one that was used longer ago. */
static bool less_missed(const struct neighbour *a, const struct neighbour *b)
{
	if ((a->state == NEIGHBOUR_FAILED) != (b->state == NEIGHBOUR_FAILED))
		return a->state == NEIGHBOUR_FAILED;
	return a->used_ns < b->used_ns;
}

static bool waits_only(const struct neighbour *n, uint32_t service)
{
	for (uint32_t i = 0; i < n->waiting; i++)
		if (n->of[i] != service)
			return false;
	return true;
}

/* A place for a new address, NEIGHBOURS: none. An entry that packets wait for is given up for another only if the
 * service that made it asks for more addresses than the one that needs it. */
static uint32_t make_place(struct io_lcore *io, uint32_t first, uint32_t service)
{
	const uint32_t *asking = io->neighbours.asking;
	uint32_t place = NEIGHBOURS, taken = NEIGHBOURS, most = asking[service] + 1;

	for (uint32_t i = first; i < first + NEIGHBOUR_WAYS; i++) {
		const struct neighbour *n = &io->neighbours.entry[i];

		if (n->state == NEIGHBOUR_FREE)
			return i;
		if (n->state != NEIGHBOUR_ASKING && (place == NEIGHBOURS || less_missed(n, &io->neighbours.entry[place])))
			place = i;
		if (n->state == NEIGHBOUR_ASKING && asking[n->service] > most && waits_only(n, n->service) &&
		    !BATON_SABOTAGE(arp_room_shared)) {
			most = asking[n->service];
			taken = i;
		}
	}
	if (place == NEIGHBOURS)
		place = taken;
	if (place != NEIGHBOURS)
		release(io, place);
	return place;
}

static struct neighbour *find_or_make(struct io_lcore *io, const struct baton_peer *to, const struct port_network *net,
				      uint32_t hop, uint32_t our_ip, uint32_t service)
{
	struct neighbours *table = &io->neighbours;
	uint64_t who = neighbour_identity(hop, net->vlan, to->port), key;
	uint32_t at = neighbour_find(table, who, &key);

	if (at != NEIGHBOURS)
		return &table->entry[at];
	at = make_place(io, neighbour_first_way(who), service);
	if (at == NEIGHBOURS)
		return NULL;
	table->entry[at] = (struct neighbour){
		.ip = hop, .our_ip = our_ip, .port = to->port, .network = (uint8_t)(net - io->port[to->port].network),
		.service = (uint8_t)service,
	};
	table->use[at] = (uint16_t)((table->use[at] + 1) & NEIGHBOUR_USE);
	table->use[at] += table->use[at] == 0; /* a key is never 0 */
	table->used++;
	atomic_store_explicit(&table->heard[at], 0, memory_order_relaxed);
	/* release: pairs with the acquire in tell_others(); `heard` of this use comes after the 0 */
	atomic_store_explicit(&table->key[at], who | table->use[at], memory_order_release);
	return &table->entry[at];
}

/* Which of those that wait for an address makes room for one more: the oldest of the service that has most there. */
static uint32_t least_worth(const struct neighbour *n, uint32_t service)
{
	uint32_t count[BATON_MAX_SERVICES] = {0}, at = 0;

	if (BATON_SABOTAGE(arp_room_shared))
		return 0;
	count[service] = 1;
	for (uint32_t i = 0; i < n->waiting; i++)
		count[n->of[i]]++;
	for (uint32_t i = 1; i < n->waiting; i++)
		if (count[n->of[i]] > count[n->of[at]])
			at = i;
	return at;
}

/* Room for one packet of `service` where all that may wait do: the service that has most of them gives one. Returns
 * false if that is this one. */
static bool make_room(struct io_lcore *io, uint32_t service)
{
	struct neighbours *table = &io->neighbours;
	struct neighbour *from = NULL;
	uint32_t who = service, most = 0;

	for (uint32_t i = 0; i < BATON_MAX_SERVICES; i++)
		if (table->waiting[i] > table->waiting[who])
			who = i;
	if (who == service || table->waiting[who] == table->waiting[service] + 1 || BATON_SABOTAGE(arp_room_shared))
		return false;
	for (uint32_t i = 0; i < NEIGHBOURS; i++) {
		struct neighbour *n = &table->entry[i];
		uint32_t has = 0;

		for (uint32_t k = 0; k < n->waiting; k++)
			has += n->of[k] == who;
		if (has > most) {
			most = has;
			from = n;
		}
	}
	assert(from != NULL);
	for (uint32_t k = 0; k < from->waiting; k++)
		if (from->of[k] == who) {
			drop_packet(io, take_out(io, from, k), DROP_no_neighbour);
			break;
		}
	return true;
}

/* The newest are worth most: the oldest makes room. */
static void wait_for(struct io_lcore *io, struct neighbour *n, uint32_t service, struct rte_mbuf *mbuf)
{
	if (n->waiting == NEIGHBOUR_QUEUE)
		drop_packet(io, take_out(io, n, least_worth(n, service)), DROP_no_neighbour);
	else if (io->ledger.unresolved >= NEIGHBOUR_WAITING && !make_room(io, service))
		return drop_packet(io, mbuf, DROP_no_neighbour);
	n->of[n->waiting] = (uint8_t)service;
	n->queue[n->waiting++] = mbuf;
	io->neighbours.waiting[service]++;
	io->ledger.unresolved++;
}

static void send_by_table(struct io_lcore *io, const struct baton_peer *to, const struct port_network *net,
			  uint32_t service, struct rte_mbuf *mbuf)
{
	uint32_t hop = to->ip, our_ip = neighbour_source(net, hop);
	struct neighbour *n;

	if (our_ip == 0) {
		hop = net->gateway;
		our_ip = neighbour_source(net, hop);
	}
	if (hop == 0 || our_ip == 0)
		return drop_packet(io, mbuf, DROP_no_route);
	n = find_or_make(io, to, net, hop, our_ip, service);
	if (n == NULL)
		return drop_packet(io, mbuf, DROP_no_neighbour);
	n->used_ns = io->now_ns;
	if (n->state == NEIGHBOUR_KNOWN || n->state == NEIGHBOUR_CHECKING)
		return put_on_wire(io, n->port, net, n->mac, mbuf);
	wait_for(io, n, service, mbuf);
	if (n->state != NEIGHBOUR_ASKING)
		neighbour_ask(io, n, NEIGHBOUR_ASKING, true);
}

void neighbour_send(struct io_lcore *io, const struct baton_peer *to, uint32_t service, struct rte_mbuf *mbuf)
{
	const struct port_network *net = neighbour_network(io, to);

	if (net == NULL)
		return drop_packet(io, mbuf, DROP_no_route);
	if (neighbour_is_mac(to->mac))
		return put_on_wire(io, to->port, net, to->mac, mbuf);
	send_by_table(io, to, net, service, mbuf);
}

/* ---- resolved, and housekeeping ---- */

void neighbour_learn(struct io_lcore *io, struct neighbour *n, const uint8_t *mac)
{
	const struct port_network *net = &io->port[n->port].network[n->network];

	memcpy(n->mac, mac, RTE_ETHER_ADDR_LEN);
	n->confirmed_ns = io->now_ns;
	enter(io, n, NEIGHBOUR_KNOWN);
	while (n->waiting != 0)
		put_on_wire(io, n->port, net, n->mac, take_out(io, n, 0));
}

static void look_after(struct io_lcore *io, uint32_t index)
{
	struct neighbour *n = &io->neighbours.entry[index];
	uint64_t asked = io->now_ns - n->asked_ns;

	switch (n->state) {
	case NEIGHBOUR_ASKING:
	case NEIGHBOUR_CHECKING:
		if (asked < NEIGHBOUR_RETRY_NS)
			return;
		if (n->tries < NEIGHBOUR_TRIES)
			return ask(io, n);
		if (n->state == NEIGHBOUR_CHECKING)
			return release(io, index); /* the next packet asks everyone */
		drop_waiting(io, n, DROP_no_neighbour);
		return enter(io, n, NEIGHBOUR_FAILED);
	case NEIGHBOUR_KNOWN:
		if (io->now_ns - n->confirmed_ns < NEIGHBOUR_LIFE_NS)
			return;
		if (n->used_ns > n->confirmed_ns)
			return neighbour_ask(io, n, NEIGHBOUR_CHECKING, false);
		return release(io, index);
	case NEIGHBOUR_FAILED:
		if (asked >= NEIGHBOUR_LIFE_NS)
			release(io, index);
		return;
	default:
		return;
	}
}

void neighbour_housekeep(struct io_lcore *io)
{
	struct neighbours *table = &io->neighbours;
	bool due = io->now_ns >= table->scan_ns;

	if (table->used == 0)
		return;
	if (io->io_lcores > 1 && (due || table->open != 0))
		neighbour_read_heard(io);
	if (!due)
		return;
	table->scan_ns = io->now_ns + NEIGHBOUR_SCAN_NS;
	for (uint32_t i = 0; i < NEIGHBOURS; i++)
		if (table->entry[i].state != NEIGHBOUR_FREE)
			look_after(io, i);
}

void neighbour_stop(struct io_lcore *io)
{
	for (uint32_t i = 0; i < NEIGHBOURS; i++)
		drop_waiting(io, &io->neighbours.entry[i], DROP_stopping);
}
