/* A client in a VLAN, without a VLAN device: tagged frames by AF_PACKET, and a look at the tag and every byte of what
 * comes back. The kernel takes the tag off for such a socket and says in PACKET_AUXDATA what it was.
 *
 *   test-tagged DEVICE TAG BATON_MAC BATON_IP OUR_IP UDP_PORT COUNT SEED [BYTES]
 *
 * TAG: priority.id, "5.100"; "none": untagged; "A+B": two tags; s before a tag: of a provider (0x88a8).
 * Asks for the MAC address by ARP, pings, then sends COUNT requests of up to BYTES to a service that echoes them, at
 * most WINDOW under way. Prints one `name N` a line: arp, ping (1: answered, every byte right), sent, answered, wrong;
 * who runs it compares the numbers. ! before TAG: nobody will answer: nothing is asked, nothing is waited for.
 * SIGTERM ends it early: what is under way is still waited for. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/if_ether.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define WINDOW      32u
#define PATIENCE_MS 3000
#define OUR_PORT    40123u
#define HEADERS     28u /* IPv4 and UDP, or IPv4 and ICMP */

struct tag {
	uint16_t type, tci;
};

static struct {
	int fd;
	struct sockaddr_ll to;
	uint8_t dst[6], src[6];
	struct tag tag[2];
	uint32_t tags;
	bool blind;
	uint32_t baton_ip, our_ip;
	uint16_t udp_port;
	uint32_t seed, bytes;
} g;

struct frame {
	uint8_t byte[2048];
	uint32_t len, at; /* at: behind the Ethernet header */
};

static uint16_t checksum(const void *data, uint32_t len, uint32_t sum)
{
	const uint8_t *byte = data;

	for (uint32_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)byte[i] << 8 | byte[i + 1];
	if (len & 1)
		sum += (uint32_t)byte[len - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static uint32_t pseudo_header(const struct iphdr *ip, uint32_t udp_len)
{
	uint32_t from = ntohl(ip->saddr), to = ntohl(ip->daddr);

	return (from >> 16) + (from & 0xffff) + (to >> 16) + (to & 0xffff) + IPPROTO_UDP + udp_len;
}

static void begin_frame(struct frame *f, const uint8_t dst[6], uint16_t type)
{
	memset(f->byte, 0, 64);
	memcpy(f->byte, dst, 6);
	memcpy(f->byte + 6, g.src, 6);
	f->at = 12;
	for (uint32_t i = 0; i < g.tags; i++, f->at += 4) {
		uint16_t tag[2] = {htons(g.tag[i].type), htons(g.tag[i].tci)};

		memcpy(f->byte + f->at, tag, 4);
	}
	f->byte[f->at++] = (uint8_t)(type >> 8);
	f->byte[f->at++] = (uint8_t)type;
}

static void send_frame(const struct frame *f)
{
	uint32_t len = f->len < 60 ? 60 : f->len; /* as an interface pads it */

	while (sendto(g.fd, f->byte, len, 0, (struct sockaddr *)&g.to, sizeof(g.to)) < 0) {
		if (errno == ENOBUFS || errno == EINTR)
			continue;
		fprintf(stderr, "test-tagged: send of %u bytes: %s\n", f->len, strerror(errno));
		exit(1);
	}
}

static long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* The tag that the kernel took off; -1: there was none. */
static int32_t tag_of(struct msghdr *message)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
		struct tpacket_auxdata aux;

		if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA)
			continue;
		memcpy(&aux, CMSG_DATA(c), sizeof(aux));
		if ((aux.tp_status & TP_STATUS_VLAN_VALID) != 0)
			return aux.tp_vlan_tci;
	}
	return -1;
}

/* The tag an answer must have: ours, but for a mere priority, which is answered untagged. */
static int32_t wanted_tag(void)
{
	return g.tags == 0 || (g.tag[0].tci & 0xfff) == 0 ? -1 : g.tag[0].tci;
}

/* Waits for a frame to our MAC address of that EtherType, whatever its tag. Returns false after the patience. */
static bool receive(struct frame *f, uint16_t type, int32_t *tag)
{
	long end = now_ms() + PATIENCE_MS;

	while (now_ms() < end) {
		char control[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
		struct sockaddr_ll from;
		struct iovec iov = {f->byte, sizeof(f->byte)};
		struct msghdr message = {.msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &iov, .msg_iovlen = 1,
					 .msg_control = control, .msg_controllen = sizeof(control)};
		struct pollfd wait = {g.fd, POLLIN, 0};

		if (poll(&wait, 1, 100) <= 0)
			continue;
		ssize_t len = recvmsg(g.fd, &message, MSG_DONTWAIT);
		if (len < 14 || from.sll_pkttype == PACKET_OUTGOING || memcmp(f->byte, g.src, 6) != 0 ||
		    (f->byte[12] << 8 | f->byte[13]) != type)
			continue;
		f->len = (uint32_t)len;
		f->at = 14;
		*tag = tag_of(&message);
		return true;
	}
	return false;
}

static void build_arp(struct frame *f)
{
	static const uint8_t everyone[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	struct ether_arp *arp;

	begin_frame(f, everyone, ETH_P_ARP);
	arp = (void *)(f->byte + f->at);
	arp->arp_hrd = htons(ARPHRD_ETHER);
	arp->arp_pro = htons(ETH_P_IP);
	arp->arp_hln = 6;
	arp->arp_pln = 4;
	arp->arp_op = htons(ARPOP_REQUEST);
	memcpy(arp->arp_sha, g.src, 6);
	memcpy(arp->arp_spa, &g.our_ip, 4);
	memcpy(arp->arp_tpa, &g.baton_ip, 4);
	f->len = f->at + (uint32_t)sizeof(*arp);
}

/* True: answered, with the right tag and MAC address. */
static bool ask(void)
{
	struct frame f;
	int32_t tag;

	build_arp(&f);
	send_frame(&f);
	while (receive(&f, ETH_P_ARP, &tag)) {
		const struct ether_arp *arp = (void *)(f.byte + f.at);

		if (arp->arp_op != htons(ARPOP_REPLY) || memcmp(arp->arp_spa, &g.baton_ip, 4) != 0 ||
		    memcmp(arp->arp_tpa, &g.our_ip, 4) != 0)
			continue; /* another client of this interface asked */
		if (tag != wanted_tag())
			fprintf(stderr, "test-tagged: ARP answered with tag %x, not %x\n", tag, wanted_tag());
		return tag == wanted_tag() && memcmp(f.byte + 6, g.dst, 6) == 0 && memcmp(arp->arp_sha, g.dst, 6) == 0;
	}
	return false;
}

static struct iphdr *build_ip(struct frame *f, uint8_t protocol, uint32_t len)
{
	struct iphdr *ip;

	begin_frame(f, g.dst, ETH_P_IP);
	ip = (void *)(f->byte + f->at);
	*ip = (struct iphdr){.version = 4, .ihl = 5, .ttl = 64, .protocol = protocol, .saddr = g.our_ip,
			     .daddr = g.baton_ip, .tot_len = htons((uint16_t)(HEADERS + len))};
	ip->check = checksum(ip, 20, 0);
	f->len = f->at + HEADERS + len;
	return ip;
}

static bool ping(void)
{
	struct frame f;
	struct iphdr *ip = build_ip(&f, IPPROTO_ICMP, 56);
	struct icmphdr *icmp = (void *)(ip + 1);
	int32_t tag;

	memset(icmp, 0, 64);
	icmp->type = ICMP_ECHO;
	icmp->un.echo.id = htons(7);
	icmp->checksum = checksum(icmp, 64, 0);
	send_frame(&f);
	while (receive(&f, ETH_P_IP, &tag)) {
		ip = (void *)(f.byte + f.at);
		icmp = (void *)(ip + 1);
		if (ip->protocol != IPPROTO_ICMP || icmp->type != ICMP_ECHOREPLY || ip->daddr != g.our_ip)
			continue;
		return tag == wanted_tag() && ip->saddr == g.baton_ip && checksum(ip, 20, 0) == 0 && checksum(icmp, 64, 0) == 0;
	}
	return false;
}

static uint32_t length_of(uint32_t n) { return 8 + (n * 2654435761u ^ g.seed) % (g.bytes - 7); }
static uint8_t byte_of(uint32_t n, uint32_t i) { return (uint8_t)((n + g.seed) * 31 + i * 7); }

static void send_request(uint32_t n)
{
	struct frame f;
	uint32_t len = length_of(n);
	struct iphdr *ip = build_ip(&f, IPPROTO_UDP, len);
	struct udphdr *udp = (void *)(ip + 1);
	uint8_t *payload = (void *)(udp + 1);

	*udp = (struct udphdr){.source = htons(OUR_PORT), .dest = htons(g.udp_port), .len = htons((uint16_t)(8 + len))};
	memcpy(payload, &n, 4);
	memcpy(payload + 4, &g.seed, 4);
	for (uint32_t i = 8; i < len; i++)
		payload[i] = byte_of(n, i);
	udp->check = checksum(udp, 8 + len, pseudo_header(ip, 8 + len));
	send_frame(&f);
}

/* The answer's number, or -1 if any of it is not what it must be; -2: not for us. */
static int64_t check_reply(const struct frame *f, int32_t tag)
{
	const struct iphdr *ip = (const void *)(f->byte + f->at);
	const struct udphdr *udp = (const void *)(ip + 1);
	const uint8_t *payload = (const void *)(udp + 1);
	uint32_t n, seed, len;

	if (ip->protocol != IPPROTO_UDP || udp->dest != htons(OUR_PORT) || ip->daddr != g.our_ip)
		return -2;
	len = ntohs(udp->len) - 8u;
	if (tag != wanted_tag() || ip->saddr != g.baton_ip || udp->source != htons(g.udp_port) ||
	    memcmp(f->byte + 6, g.dst, 6) != 0 || f->len < f->at + HEADERS + len || ntohs(ip->tot_len) != HEADERS + len ||
	    checksum(ip, 20, 0) != 0 || udp->check == 0 || checksum(udp, 8 + len, pseudo_header(ip, 8 + len)) != 0)
		return -1;
	memcpy(&n, payload, 4);
	memcpy(&seed, payload + 4, 4);
	if (seed != g.seed || len != length_of(n))
		return -1;
	for (uint32_t i = 8; i < len; i++)
		if (payload[i] != byte_of(n, i))
			return -1;
	return n;
}

static volatile sig_atomic_t stop;
static void on_term(int signal)
{
	(void)signal;
	stop = 1;
}

static void exchange(uint32_t count)
{
	uint8_t *got = calloc(count, 1);
	uint32_t sent = 0, answered = 0, wrong = 0;
	struct frame f;
	int32_t tag;

	while (answered + wrong < count) {
		if (stop && sent < count)
			count = sent;
		while (sent < count && sent - answered - wrong < WINDOW)
			send_request(sent++);
		if (!receive(&f, ETH_P_IP, &tag))
			break;
		int64_t n = check_reply(&f, tag);
		if (n == -2)
			continue;
		if (n < 0 || n >= sent || got[n]++)
			wrong++;
		else
			answered++;
	}
	printf("sent %u\nanswered %u\nwrong %u\n", sent, answered, wrong);
	free(got);
}

static bool parse_tags(const char *text)
{
	g.blind = *text == '!';
	text += g.blind;
	while (*text && strcmp(text, "none") != 0) {
		struct tag *tag = &g.tag[g.tags];
		unsigned int priority, id;
		int used = 0;

		if (g.tags == 2)
			return false;
		tag->type = *text == 's' ? ETH_P_8021AD : ETH_P_8021Q;
		text += *text == 's';
		if (sscanf(text, "%u.%u%n", &priority, &id, &used) != 2 || priority > 7 || id > 4095)
			return false;
		tag->tci = (uint16_t)(priority << 13 | id);
		g.tags++;
		text += used;
		text += *text == '+';
	}
	return true;
}

/* ARP and what is for our address: other traffic must not push it out of the socket's buffer. The tag is taken off. */
static void filter(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_ARP, 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IP, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 30),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ntohl(g.our_ip), 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 65535),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog program = {.len = sizeof(code) / sizeof(code[0]), .filter = code};

	if (setsockopt(g.fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) != 0)
		perror("test-tagged: filter"), exit(1);
}

static void open_device(const char *device)
{
	struct ifreq request = {0};
	int one = 1, room = 4 << 20;

	g.fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", device);
	if (g.fd < 0 || ioctl(g.fd, SIOCGIFHWADDR, &request) != 0)
		perror("test-tagged: device"), exit(1);
	memcpy(g.src, request.ifr_hwaddr.sa_data, 6);
	g.to = (struct sockaddr_ll){.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_halen = 6,
				    .sll_ifindex = (int)if_nametoindex(device)};
	if (setsockopt(g.fd, SOL_PACKET, PACKET_AUXDATA, &one, sizeof(one)) != 0 ||
	    bind(g.fd, (struct sockaddr *)&g.to, sizeof(g.to)) != 0)
		perror("test-tagged: socket"), exit(1);
	filter();
	setsockopt(g.fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
}

int main(int argc, char **argv)
{
	if ((argc != 9 && argc != 10) || !parse_tags(argv[2]) ||
	    sscanf(argv[3], "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx", &g.dst[0], &g.dst[1], &g.dst[2], &g.dst[3], &g.dst[4],
		   &g.dst[5]) != 6) {
		fprintf(stderr, "usage: test-tagged DEVICE TAG BATON_MAC BATON_IP OUR_IP UDP_PORT COUNT SEED [BYTES]\n");
		return 2;
	}
	uint32_t count = (uint32_t)atoi(argv[7]);
	signal(SIGTERM, on_term);
	g.baton_ip = inet_addr(argv[4]);
	g.our_ip = inet_addr(argv[5]);
	g.udp_port = (uint16_t)atoi(argv[6]);
	g.seed = (uint32_t)strtoul(argv[8], NULL, 0);
	g.bytes = argc == 10 ? (uint32_t)atoi(argv[9]) : 512;
	open_device(argv[1]);
	if (g.blind) {
		for (uint32_t n = 0; n < count; n++)
			send_request(n);
		printf("sent %u\n", count);
		return 0;
	}
	printf("arp %d\n", ask());
	printf("ping %d\n", ping());
	exchange(count);
	return 0;
}
