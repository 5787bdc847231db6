/* The end of the books: every target is looked at once more, by an attack beside it, when nothing is under way. */
#include "attack.h"

void model_closing(struct model *model)
{
	model->closing = true;
}

/* The next account that is open and that nobody looks at. MODEL_NONE: none. */
static uint32_t next_target(struct model *model)
{
	for (uint32_t i = 0; i < model->options->players; i++) {
		uint32_t t = (model->audit_target + i) % model->options->players;
		const struct account *account = &model->fighter[t].account;
		if (account->known && !account->audited && !account->looking)
			return t;
	}
	return MODEL_NONE;
}

struct player *attack_auditor(struct model *model)
{
	uint32_t target = next_target(model);

	for (uint32_t i = 0; target != MODEL_NONE && i < model->options->players; i++) {
		uint32_t index = (model->audit_cursor + i) % model->options->players;
		const struct fighter *f = &model->fighter[index];
		struct player *p = &model->player[index];
		if (!attack_allowed(model, index, target) || !f->synced || f->main != MODEL_NONE || f->extra != MODEL_NONE ||
		    model->now_ns < f->ready_ns || model->socket_open[p->socket] >= model->socket_limit)
			continue;
		model->audit_target = target;
		model->audit_cursor = (index + 1) % model->options->players;
		return p;
	}
	return NULL;
}

/* True if the books balance: every account for itself, and what the attackers were told they dealt is what all targets
 * together have lost. */
static bool balanced(const struct model *model)
{
	uint64_t taken = 0, explained = 0;
	bool closed = true;

	for (uint32_t i = 0; i < model->options->players; i++) {
		const struct account *account = &model->fighter[i].account;
		taken += account->taken;
		explained += account->explained;
		closed = closed && account->known == account->audited;
	}
	return closed && model->off_accounts == 0 &&
	       (explained != 0 || taken == model->tally->attack.damage);
}

bool model_audit(struct model *model)
{
	const struct bots_options *o = model->options;
	uint64_t patience = (uint64_t)o->attack_repeat_ms * o->attack_tries * 1000000;

	if (model->fighter == NULL)
		return false;
	if (!model->auditing) {
		model->auditing = true;
		model->audit_ns = model->now_ns;
	}
	if (next_target(model) != MODEL_NONE && model->now_ns - model->audit_ns <= patience)
		return true;
	model->tally->attack.books = balanced(model) ? BOOKS_BALANCED : BOOKS_OFF;
	return false;
}
