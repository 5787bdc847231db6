/* Capture files of one packet, pcapng (draft-ietf-opsawg-pcapng): section header, one interface, one packet with a
 * comment. Little-endian, time stamps in nanoseconds. Written and read by the quarantine; any Wireshark opens them. */
#ifndef BATON_SHARED_PCAPNG_H
#define BATON_SHARED_PCAPNG_H

#include <stddef.h>
#include <stdint.h>

#define PCAPNG_ETHERNET 1u   /* LINKTYPE_ETHERNET */
#define PCAPNG_USER0    147u /* LINKTYPE_USER0: bytes of our own, no frame */

#define PCAPNG_COMMENT_MOST 2047u
#define PCAPNG_DATA_MOST    65535u

struct pcapng {
	uint16_t link;         /* PCAPNG_ETHERNET or PCAPNG_USER0 */
	const char *interface; /* its name in the file */
	const char *program;   /* that wrote it */
	const char *comment;   /* any lines of text; cut at PCAPNG_COMMENT_MOST bytes */
	uint64_t time_ns;      /* since the UNIX epoch */
	uint32_t len, kept;    /* of the packet, and how many bytes of it `data` has */
	const uint8_t *data;
	/* A block of our own behind it, which others pass over; own_len 0: none. */
	const uint8_t *own;
	uint32_t own_len; /* PCAPNG_OWN_MOST at most */
};
#define PCAPNG_OWN_MOST (1u << 20)

/* Bytes that pcapng_write() needs at most for `kept` bytes of data; beside them, for a block of ours. */
size_t pcapng_room(uint32_t kept);
size_t pcapng_own_room(uint32_t own_len);
/* Returns the bytes written, 0 if `room` is too small or kept above PCAPNG_DATA_MOST. */
size_t pcapng_write(const struct pcapng *in, uint8_t *out, size_t room);

/* Finds the packet and its comment in a file of ours: of its first section, interface and packet; other blocks are
 * passed over. So is a block of ours that is damaged; out->own points into `file`, to a multiple of 4. comment: at
 * least PCAPNG_COMMENT_MOST + 1 bytes, ended by a NUL. out->data points into `file`; interface and program stay NULL.
 * Returns 0 or -EBADMSG: not such a file, or cut short. */
int pcapng_read(const uint8_t *file, size_t bytes, struct pcapng *out, char *comment, size_t comment_room);

#endif
