/* The belt's cold parts: header, and where both ends start. */
#include "belt_consumer.h"
#include "belt_producer.h"

void belt_init(struct belt *belt, uint32_t lcore, uint32_t worker)
{
	belt->abi = BATON_ABI;
	belt->lcore = lcore;
	belt->worker = worker;
	belt->magic = BELT_MAGIC;
}

int belt_check(const struct belt *belt, uint32_t lcore, uint32_t worker)
{
	if (belt->magic != BELT_MAGIC || belt->abi != BATON_ABI || belt->lcore != lcore || belt->worker != worker)
		return -EPROTO;
	return 0;
}

void belt_producer_init(struct belt_producer *p, struct belt *belt, struct belt_commit *commit,
			struct belt_shadow *shadow)
{
	uint64_t done = BATON_SABOTAGE(positions_restart) ? 0 : atomic_load_explicit(&commit->done, memory_order_acquire);

	/* The journal has been rolled back, so that no position has to be compared with an older one. */
	if (done > BELT_POSITION_MOST && !BATON_SABOTAGE(any_position_taken)) {
		done &= BELT_POSITION_MOST / 2 - 1;
		atomic_store_explicit(&commit->done, done, memory_order_release);
	}
	*p = (struct belt_producer){
		.belt = belt,
		.commit = commit,
		.shadow = shadow,
		.offered = done,
		.published = done,
		.reaped = done,
		.out_reaped = atomic_load_explicit(&commit->filled, memory_order_acquire),
	};
	/* The pages are new with every primary, the positions are not: a worker must find nothing to take yet. */
	atomic_store_explicit(&belt->offered, done, memory_order_release);
	belt_out_publish(p);
}

void belt_publish_again(struct belt_producer *p)
{
	p->published = p->offered;
	/* release: pairs with the acquire in belt_take() of the successor */
	atomic_store_explicit(&p->belt->offered, p->offered, memory_order_release);
	atomic_store_explicit(&p->belt->sleeping, 0, memory_order_relaxed);
}

void belt_consumer_init(struct belt_consumer *c, struct belt *belt, struct belt_commit *commit)
{
	c->belt = belt;
	c->commit = commit;
	c->done = atomic_load_explicit(&commit->done, memory_order_acquire);
	c->filled = atomic_load_explicit(&commit->filled, memory_order_acquire);
	c->out_taken = atomic_load_explicit(&belt->out_taken, memory_order_acquire);
}
