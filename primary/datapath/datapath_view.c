/* What the main lcore may look at at any time: who owns what, what is moving, the ledgers. See datapath.h. */
#include "lcore.h"

bool datapath_moving(const struct datapath *dp, uint32_t service, struct move_order *order)
{
	const struct move *move = &dp->move[service];

	if (!dp->move_open[service])
		return false;
	*order = (struct move_order){ .service = service, .from = move->from, .to = move->to, .map = move->map };
	return true;
}

uint32_t datapath_owner(const struct datapath *dp, uint32_t service, uint32_t bucket)
{
	return dp->owner[service][bucket];
}

uint32_t datapath_owned(const struct datapath *dp, uint32_t slot)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < dp->setup.config->services; i++)
		for (uint32_t b = 0; b < dp->setup.config->service[i].buckets; b++)
			count += dp->owner[i][b] == slot;
	return count;
}

void datapath_ledger(const struct datapath *dp, uint32_t lcore, struct ledger *out)
{
	const struct ledger_counts *c = &dp->io[lcore]->ledger;

	*out = (struct ledger){
		.received = c->received, .allocated = c->allocated, .sent = c->sent, .freed = c->freed,
		.in_belts = c->in_belts, .pending = c->pending, .unresolved = c->unresolved,
		.tx_backlog = c->tx_backlog,
	};
}
