/* Whether what stands in a state file can be what workers of this ABI have left there: header, control blocks, bucket
 * words, the tables of records. Of a file that nobody has open, as the next primary would find it; or live, under
 * traffic. Only reads. What the plugin's bytes of a record mean is the plugin's to say: baton.h, BATON_VERIFY. */
#ifndef BATON_SHARED_STATE_VERIFY_H
#define BATON_SHARED_STATE_VERIFY_H

#include "state.h"

#define STATE_NOWHERE UINT32_MAX

/* Something that no worker and no primary leaves there. */
struct state_finding {
	uint32_t group;  /* STATE_NOWHERE: of the file, or of a slot */
	uint32_t slot;   /* worker slot; STATE_NOWHERE: of none */
	uint32_t bucket; /* STATE_NOWHERE: of none */
	uint32_t record; /* place in the bucket; STATE_NOWHERE: of none */
	uint64_t key;    /* of the record */
	char text[160];
};

struct state_verify {
	bool live; /* others write meanwhile: each bucket is copied until the copy is whole */
	/* Called for each finding. */
	void (*found)(void *arg, const struct state_finding *finding);
	/* Called for each record in use, of a whole copy. NULL: nobody wants them. data: record_size bytes. */
	void (*record)(void *arg, uint32_t group, uint32_t bucket, uint32_t record, uint64_t key, const void *data);
	void *arg;
	/* counted */
	uint64_t buckets, records[BATON_MAX_GROUPS];
	uint64_t findings;
	uint64_t busy; /* buckets that changed all the time: not looked at */
};

/* Records on their way to `baton-zygote --verify`, which has the plugin look at them: a file of these. */
#define STATE_RECORDS_MAGIC 0x3164726365525342ull
struct state_records_head {
	uint64_t magic;
	uint64_t salt;
	uint32_t buckets;
	uint32_t record_size;
};
struct state_record_head { /* before each record's bytes, which are record_size */
	uint32_t bucket, record;
	uint64_t key;
};

/* Magic, ABI, geometry and layout hash of a header in a file of `size` bytes. Returns 0, or -EPROTO with one line in `why`:
 * nothing behind such a header can be looked at. */
int state_verify_header(const struct state_header *header, uint64_t size, char *why, size_t bytes);

/* A private copy of what stands in the file of a descriptor, rolled back as the next primary would do it: what a journal
 * undoes is no damage. An unsound journal is a finding of its slot. Returns 0, -EPROTO (as above) or -errno. */
int state_verify_copy(struct state *copy, int fd, struct state_verify *v, char *why, size_t bytes);
void state_verify_copy_free(struct state *copy);

/* Looks at all of it. The header has been looked at. Returns 0 or -ENOMEM. */
int state_verify(const struct state *state, struct state_verify *v);

#endif
