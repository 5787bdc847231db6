/* Fakes of the primary for unit tests. */
#define _GNU_SOURCE
#include "fake.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

static void fail(const char *what)
{
	perror(what);
	abort();
}

void fake_state_create(struct state *state, uint32_t buckets, uint32_t record_size, uint64_t records, uint32_t slots,
		       uint32_t belts)
{
	char path[] = "/dev/shm/baton.test.XXXXXX";
	struct state_group group;
	bool fresh;
	int fd = mkstemp(path);

	log_init("test", LEVEL_ERROR);
	if (fd < 0 || state_group_init(&group, "test", buckets, record_size, records, 1) != 0)
		fail("fake_state_create: group");
	close(fd);
	int rc = state_open(state, path, &group, 1, slots, belts, 0x5a17, 0, &fresh);
	unlink(path);
	if (rc != 0 || !fresh)
		fail("fake_state_create: state_open");
}

uint64_t fake_seed(const char *test)
{
	const char *given = getenv("BATON_TEST_SEED");
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	uint64_t seed = (uint64_t)now.tv_nsec * 1000003u + (uint64_t)now.tv_sec;

	if (given != NULL)
		seed = strtoull(given, NULL, 0);
	seed |= 1u; /* xorshift knows no zero */
	printf("%s: BATON_TEST_SEED=%#llx\n", test, (unsigned long long)seed);
	fflush(stdout);
	return seed;
}

void fake_primary_init(struct fake_primary *primary, struct belt_commit *commit, uint32_t lcore, uint32_t worker)
{
	struct belt *belt = mmap(NULL, sizeof(*belt), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (belt == MAP_FAILED)
		fail("fake_primary_init: mmap");
	belt_init(belt, lcore, worker);
	primary->belt = belt;
	primary->commit = commit;
	belt_producer_init(&primary->producer, belt, commit, primary->shadow);
}

void fake_primary_fini(struct fake_primary *primary)
{
	munmap(primary->belt, sizeof(*primary->belt));
}

bool fake_offer(struct fake_primary *primary, const struct fake_entry *entry)
{
	struct belt_shadow shadow = {
		.cookie = (void *)(uintptr_t)entry,
		.time_ns = entry->time_ns,
		.bucket = entry->bucket,
		.len = entry->len,
		.kind = entry->kind,
	};

	if (!belt_fits(&primary->producer, entry->len, entry->kind != BELT_PACKET))
		return false;
	belt_offer(&primary->producer, &shadow, (struct belt_peer){{0}}, entry->data);
	belt_publish(&primary->producer);
	return true;
}

int fake_reap(struct fake_primary *primary, fake_reaped_fn fn, void *arg)
{
	struct belt_producer *p = &primary->producer;
	int settled = belt_settled(p);
	uint32_t longs = 0;

	for (int i = 0; i < settled; i++) {
		uint32_t verdict;
		const uint8_t *reply;
		const struct belt_shadow *shadow = belt_settled_at(p, (uint32_t)i, &longs, &verdict, &reply);

		if (fn != NULL)
			fn(arg, shadow->cookie, verdict, reply);
	}
	if (settled > 0)
		belt_reaped(p, (uint32_t)settled, longs);
	return settled;
}

uint32_t fake_emit(struct fake_primary *primary, fake_cell_fn fn, void *arg)
{
	struct belt_producer *p = &primary->producer;
	/* after `done`, which fake_reap() has read: acquire pairs with belt_settle() */
	uint64_t filled = atomic_load_explicit(&primary->commit->filled, memory_order_acquire);
	uint32_t count = 0;

	while (p->out_reaped != filled) {
		const struct belt_out_cell *cell = &primary->belt->out[p->out_reaped % BELT_OUT_CELLS];

		if (cell->cause >= p->reaped)
			break;
		fn(arg, cell);
		p->out_reaped++;
		count++;
	}
	belt_out_publish(p);
	return count;
}

uint32_t fake_take_back(struct fake_primary *primary, const struct fake_entry **entries)
{
	struct belt_producer *p = &primary->producer;
	uint32_t count = 0;

	for (uint64_t at = p->reaped; at != p->offered; at++)
		entries[count++] = primary->shadow[at & BELT_MASK].cookie;
	atomic_store_explicit(&primary->commit->done, p->offered, memory_order_release);
	belt_producer_init(p, primary->belt, primary->commit, primary->shadow);
	return count;
}
