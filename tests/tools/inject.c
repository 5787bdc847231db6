/* Sends malformed frames of every kind through a real device by AF_PACKET, COUNT of each, and prints what each kind
 * must be counted as: one `reason N` a line. The source port is kept bound, so that the kernel answers no reply with
 * ICMP.
 *
 *   test-inject DEVICE BATON_MAC BATON_IP OUR_IP UDP_PORT COUNT SEED */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <math.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wire.h"

#define IP_AT   14u
#define UDP_AT  34u
#define DATA_AT 42u
#define MAX_REASONS 64u

struct frame {
	uint8_t byte[2048];
	uint32_t len;
};

static struct {
	int fd;
	struct sockaddr_ll to;
	uint8_t dst[6], src[6];
	uint32_t baton_ip, our_ip;
	uint16_t udp_port, our_port;
	uint32_t seed;
} g;

static struct {
	const char *reason;
	uint64_t count;
} expected[MAX_REASONS];

static uint32_t roll(void) { return g.seed = g.seed * 1664525u + 1013904223u, g.seed >> 8; }

static uint16_t checksum(const uint8_t *data, uint32_t len, uint32_t sum)
{
	for (uint32_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)data[i] << 8 | data[i + 1];
	if (len & 1)
		sum += (uint32_t)data[len - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static void fix_ip(struct frame *f)
{
	struct iphdr *ip = (void *)(f->byte + IP_AT);

	ip->check = 0;
	ip->check = checksum(f->byte + IP_AT, 20, 0);
}

static void fix_udp(struct frame *f)
{
	struct udphdr *udp = (void *)(f->byte + UDP_AT);
	uint32_t len = ntohs(udp->len), sum = IPPROTO_UDP + len;

	for (uint32_t i = IP_AT + 12; i < IP_AT + 20; i += 2)
		sum += (uint32_t)f->byte[i] << 8 | f->byte[i + 1];
	udp->check = 0;
	udp->check = checksum(f->byte + UDP_AT, len, sum);
}

/* A valid MOVE of a player nobody else plays. */
static void build(struct frame *f)
{
	struct iphdr *ip = (void *)(f->byte + IP_AT);
	struct udphdr *udp = (void *)(f->byte + UDP_AT);
	uint32_t len = wire_build_move(f->byte + DATA_AT, 0x70000000u + roll() % 1000, 1, 1, 2, 3);

	memcpy(f->byte, g.dst, 6);
	memcpy(f->byte + 6, g.src, 6);
	f->byte[12] = ETH_P_IP >> 8;
	f->byte[13] = ETH_P_IP & 0xff;
	memset(ip, 0, 28);
	ip->version = 4;
	ip->ihl = 5;
	ip->ttl = 64;
	ip->protocol = IPPROTO_UDP;
	ip->saddr = g.our_ip;
	ip->daddr = g.baton_ip;
	ip->tot_len = htons((uint16_t)(28 + len));
	udp->source = g.our_port;
	udp->dest = htons(g.udp_port);
	udp->len = htons((uint16_t)(8 + len));
	f->len = DATA_AT + len;
	fix_ip(f);
	fix_udp(f);
}

static struct iphdr *ip_of(struct frame *f) { return (void *)(f->byte + IP_AT); }
static struct udphdr *udp_of(struct frame *f) { return (void *)(f->byte + UDP_AT); }
static struct GameMove *move_of(struct frame *f) { return (void *)(f->byte + DATA_AT); }

/* Cuts or grows the payload, with lengths and checksums true to it. */
static void resize(struct frame *f, uint32_t len)
{
	f->len = DATA_AT + len;
	ip_of(f)->tot_len = htons((uint16_t)(28 + len));
	udp_of(f)->len = htons((uint16_t)(8 + len));
	fix_ip(f);
	fix_udp(f);
}

static void k_version(struct frame *f) { ip_of(f)->version = (roll() & 1) ? 6 : 5; fix_ip(f); }
static void k_ihl_low(struct frame *f) { ip_of(f)->ihl = roll() % 5; }
static void k_ip_long(struct frame *f) { ip_of(f)->tot_len = htons((uint16_t)(77 + roll() % 1000)); fix_ip(f); }
static void k_ip_short(struct frame *f) { ip_of(f)->tot_len = htons((uint16_t)(roll() % 20)); fix_ip(f); }
static void k_ip_checksum(struct frame *f) { ip_of(f)->check ^= (uint16_t)(1u << roll() % 16); }
static void k_first_fragment(struct frame *f) { ip_of(f)->frag_off = htons(0x2000); fix_ip(f); }
/* Not where a first fragment ends: a kernel that reassembles would make a packet of the two. */
static void k_last_fragment(struct frame *f) { ip_of(f)->frag_off = htons((uint16_t)(100 + roll() % 900)); fix_ip(f); }
static void k_address(struct frame *f) { ip_of(f)->daddr ^= htonl(1u << roll() % 8); fix_ip(f); }
/* Nobody, this host, everybody here, a group, everybody anywhere; or a port that wants no answer. */
static void k_source(struct frame *f)
{
	static const uint32_t forged[] = {0, 0x7f000001, 0xe0000001, 0xffffffff};
	uint32_t own = ip_of(f)->daddr, which = roll() % 7;

	if (which == 6)
		udp_of(f)->source = 0;
	else
		ip_of(f)->saddr = which < 4 ? htonl(forged[which]) : which == 4 ? own : own | htonl(255);
	fix_ip(f);
	fix_udp(f);
}
static void k_mac(struct frame *f) { f->byte[roll() % 6] ^= (uint8_t)(4u << roll() % 5); }
static void k_protocol(struct frame *f) { ip_of(f)->protocol = 132; fix_ip(f); }
static void k_no_udp(struct frame *f) { ip_of(f)->tot_len = htons((uint16_t)(20 + roll() % 8)); fix_ip(f); }
static void k_udp_length(struct frame *f) { udp_of(f)->len = htons((uint16_t)(8 + roll() % 48)); }
static void k_udp_low(struct frame *f) { udp_of(f)->len = htons((uint16_t)(roll() % 8)); }
static void k_udp_checksum(struct frame *f)
{
	udp_of(f)->check ^= (uint16_t)(1u << roll() % 16);
	if (udp_of(f)->check == 0)
		udp_of(f)->check = 1;
}
static void k_port(struct frame *f) { udp_of(f)->dest = htons((uint16_t)(g.udp_port + 1 + roll() % 100)); fix_udp(f); }
static void k_ethertype(struct frame *f) { f->byte[12] = 0x88; f->byte[13] = 0xb5; }
static void k_no_key(struct frame *f) { resize(f, roll() % 12); }
static void k_runt(struct frame *f)
{
	resize(f, 24 + roll() % 24);
	move_of(f)->header.packet_size = f->len - DATA_AT;
	fix_udp(f);
}
/* Beyond all there are, or will be for a while. */
static void k_type(struct frame *f) { move_of(f)->header.packet_type = 1000 + roll() % 1000; fix_udp(f); }
static void k_size(struct frame *f) { move_of(f)->header.packet_size = 49 + roll() % 1000; fix_udp(f); }
static void k_token(struct frame *f) { move_of(f)->header.session_token = 1 + roll(); fix_udp(f); }
static void k_nan(struct frame *f) { move_of(f)->x = NAN; fix_udp(f); }
static void k_infinite(struct frame *f) { move_of(f)->z = INFINITY; fix_udp(f); }
static void k_outside(struct frame *f) { move_of(f)->y = -10001.0f; fix_udp(f); }

static const struct kind {
	void (*spoil)(struct frame *);
	const char *reason;
} kinds[] = {
	{k_version, "bad_ip_version"}, {k_ihl_low, "bad_ip_header"}, {k_ip_long, "bad_ip_length"},
	{k_ip_short, "bad_ip_length"}, {k_ip_checksum, "bad_ip_checksum"}, {k_first_fragment, "fragment"},
	{k_last_fragment, "fragment"}, {k_address, "not_our_address"},
	{k_source, "bad_source"}, {k_protocol, "unknown_protocol"}, {k_mac, "not_our_mac"},
	{k_no_udp, "bad_udp_length"}, {k_udp_length, "bad_udp_length"}, {k_udp_low, "bad_udp_length"},
	{k_udp_checksum, "bad_udp_checksum"}, {k_port, "no_service"}, {k_ethertype, "unknown_ethertype"},
	{k_no_key, "no_key"}, {k_runt, "runt"}, {k_type, "malformed"}, {k_size, "malformed"}, {k_token, "malformed"},
	{k_nan, "error_replies"}, {k_infinite, "error_replies"}, {k_outside, "error_replies"},
};

static void expect(const char *reason)
{
	for (uint32_t i = 0; i < MAX_REASONS; i++) {
		if (expected[i].reason == NULL)
			expected[i].reason = reason;
		if (strcmp(expected[i].reason, reason) == 0) {
			expected[i].count++;
			return;
		}
	}
}

static void send_frame(const struct frame *f, const char *reason)
{
	while (sendto(g.fd, f->byte, f->len, 0, (struct sockaddr *)&g.to, sizeof(g.to)) < 0) {
		if (errno == ENOBUFS || errno == EINTR)
			continue;
		fprintf(stderr, "test-inject: send of %u bytes: %s\n", f->len, strerror(errno));
		exit(1);
	}
	expect(reason);
}

static void open_device(const char *device)
{
	struct ifreq request = {0};
	struct sockaddr_in me = {.sin_family = AF_INET, .sin_addr.s_addr = g.our_ip};
	socklen_t size = sizeof(me);
	int udp = socket(AF_INET, SOCK_DGRAM, 0);

	if (bind(udp, (struct sockaddr *)&me, sizeof(me)) != 0 || getsockname(udp, (struct sockaddr *)&me, &size) != 0)
		perror("test-inject: bind"), exit(1);
	g.our_port = me.sin_port;
	g.fd = socket(AF_PACKET, SOCK_RAW, 0);
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", device);
	if (g.fd < 0 || ioctl(g.fd, SIOCGIFHWADDR, &request) != 0)
		perror("test-inject: device"), exit(1);
	memcpy(g.src, request.ifr_hwaddr.sa_data, 6);
	g.to = (struct sockaddr_ll){.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(device), .sll_halen = 6};
}

int main(int argc, char **argv)
{
	struct frame f;

	if (argc != 8 || sscanf(argv[2], "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx", &g.dst[0], &g.dst[1], &g.dst[2], &g.dst[3],
				&g.dst[4], &g.dst[5]) != 6) {
		fprintf(stderr, "usage: test-inject DEVICE BATON_MAC BATON_IP OUR_IP UDP_PORT COUNT SEED\n");
		return 2;
	}
	g.baton_ip = inet_addr(argv[3]);
	g.our_ip = inet_addr(argv[4]);
	g.udp_port = (uint16_t)atoi(argv[5]);
	g.seed = (uint32_t)strtoul(argv[7], NULL, 0);
	open_device(argv[1]);
	for (int i = atoi(argv[6]); i > 0; i--) {
		for (uint32_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
			build(&f);
			kinds[k].spoil(&f);
			send_frame(&f, kinds[k].reason);
		}
	}
	for (uint32_t len = 14; len < DATA_AT + sizeof(struct GameMove); len++) { /* cut at every byte */
		build(&f);
		f.len = len;
		send_frame(&f, len < IP_AT + 20 ? "runt_frame" : "bad_ip_length");
	}
	build(&f); /* longer than a long cell is only possible on devices with a larger MTU; longer than said is not */
	ip_of(&f)->ihl = 15;
	ip_of(&f)->check = 0;
	f.len = IP_AT + 59;
	send_frame(&f, "bad_ip_header");
	for (uint32_t i = 0; i < MAX_REASONS && expected[i].reason != NULL; i++)
		printf("%s %lu\n", expected[i].reason, (unsigned long)expected[i].count);
	return 0;
}
