/* The report of a run, for people and as JSON. */
#include <arpa/inet.h>

#include "bots.h"
#include "hist.h"
#include "model.h"

uint64_t bots_attack_faults(const struct bots_attacks *attacks)
{
	uint64_t sum = 0;

#define X(field, text) sum += attacks->faults.field;
	ATTACK_FAULTS(X)
#undef X
	return sum;
}

uint64_t bots_interest_faults(const struct bots_interest *interest)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < INTEREST_FINE; i++)
		sum += interest->fault[i];
	return sum;
}

bool bots_passed(const struct bots_tally *t)
{
	return t->received != 0 && t->lost == 0 && t->duplicated == 0 && t->reordered == 0 && t->wrong == 0 &&
	       bots_attack_faults(&t->attack) == 0 && t->attack.books != BOOKS_OFF &&
	       bots_interest_faults(&t->interest) == 0 && (t->interest.subscribers == 0 || t->interest.closed);
}

static double per_second(const struct bots_tally *t)
{
	return t->elapsed_ns != 0 ? (double)t->received * 1e9 / (double)t->elapsed_ns : 0;
}

static double rtt_us(const struct bots_tally *t, double q)
{
	uint64_t ns = hist_quantile(t->rtt, q);
	return (double)(ns < t->rtt_max_ns ? ns : t->rtt_max_ns) / 1e3; /* a bucket's edge may lie beyond the largest */
}

#define U(value) ((unsigned long long)(value))

static const char *const books[] = { "none", "balanced", "off" };

/* X(name in the report, status): refusals. */
#define REFUSALS(X) \
	X(busy, GAME_BUSY) X(cooldown, GAME_COOLDOWN) X(stale, GAME_STALE) X(too_far, GAME_TOO_FAR) \
	X(outside_world, GAME_OUTSIDE_WORLD) X(no_skill, GAME_NO_SKILL) X(self, GAME_NO_TARGET) \
	X(no_player, GAME_NO_PLAYER) X(full, GAME_FULL)

static void attacks_json(const struct bots_attacks *a, FILE *out)
{
	const char *comma = "";

	fprintf(out, "\"attack\":{\"attacks\":%llu,\"hits\":%llu,\"missed\":%llu,\"down\":%llu,\"no_target\":%llu,"
		"\"target_full\":%llu,\"damage\":%llu,\"repeats\":%llu,\"echoes\":%llu,\"superseded\":%llu,"
		"\"uncertain\":%llu,\"roams\":%llu,\"audits\":%llu,\"refused\":{", U(a->attacks), U(a->hits), U(a->missed), U(a->down), U(a->no_target),
		U(a->target_full), U(a->damage), U(a->repeats), U(a->echoes), U(a->superseded), U(a->uncertain), U(a->roams),
		U(a->audits));
#define X(name, status) fprintf(out, "%s\"" #name "\":%llu", comma, U(a->refused[status])), comma = ",";
	REFUSALS(X)
#undef X
	fprintf(out, "},");
#define X(field, text) fprintf(out, "\"" #field "\":%llu,", U(a->faults.field));
	ATTACK_FAULTS(X)
#undef X
	fprintf(out, "\"faults\":%llu,\"books\":\"%s\"},", U(bots_attack_faults(a)), books[a->books]);
}

static void attacks_text(const struct bots_attacks *a, FILE *out)
{
	fprintf(out, "attacks %llu: %llu hit (damage %llu), %llu missed, %llu met a target that was down, %llu none,"
		" %llu no room; repeated %llu times\nattacks refused:", U(a->attacks), U(a->hits), U(a->damage), U(a->missed), U(a->down),
		U(a->no_target), U(a->target_full), U(a->repeats));
#define X(name, status) fprintf(out, " " #name " %llu", U(a->refused[status]));
	REFUSALS(X)
#undef X
	fprintf(out, "\nbooks of hit points: %s, faults %llu\n", books[a->books], U(bots_attack_faults(a)));
#define X(field, text) \
	if (a->faults.field != 0) \
		fprintf(out, "  %llu " text "\n", U(a->faults.field));
	ATTACK_FAULTS(X)
#undef X
}

static const char *const interest_names[] = {
#define X(constant, field, text) #field,
	INTEREST_FAULTS(X)
#undef X
};
static const char *const interest_texts[] = {
#define X(constant, field, text) text,
	INTEREST_FAULTS(X)
#undef X
};

static void interest_json(const struct bots_interest *in, FILE *out)
{
	fprintf(out, "\"interest\":{\"subscribers\":%u,\"subscribes\":%llu,\"updates\":%llu,\"neighbours_told\":%llu,"
		"\"strangers\":%llu,\"pairs_checked\":%llu,", in->subscribers, U(in->subscribes), U(in->updates),
		U(in->neighbours_told), U(in->strangers), U(in->pairs_checked));
	for (uint32_t i = 0; i < INTEREST_FINE; i++)
		fprintf(out, "\"%s\":%llu,", interest_names[i], U(in->fault[i]));
	fprintf(out, "\"faults\":%llu},", U(bots_interest_faults(in)));
}

static void interest_text(const struct bots_interest *in, FILE *out)
{
	fprintf(out, "%u subscribers were told of neighbours %llu times in %llu packets, of %llu strangers; %llu pairs"
		" checked at the end; faults %llu\n", in->subscribers, U(in->neighbours_told), U(in->updates),
		U(in->strangers), U(in->pairs_checked), U(bots_interest_faults(in)));
	for (uint32_t i = 0; i < INTEREST_FINE; i++)
		if (in->fault[i] != 0)
			fprintf(out, "  %llu times %s\n", U(in->fault[i]), interest_texts[i]);
}

static void outages_json(const struct bots_outages *o, FILE *out)
{
	fprintf(out, "\"outages\":{\"count\":%llu,\"unanswered\":%llu,\"looks\":%llu,\"applied\":%llu,\"ms\":[",
		U(o->count), U(o->unanswered), U(o->looks), U(o->applied));
	for (uint32_t i = 0; i < o->over && i < BOTS_OUTAGES_KEPT; i++)
		fprintf(out, "%s%.1f", i != 0 ? "," : "", (double)o->ns[i] / 1e6);
	fprintf(out, "]},");
}

static void outages_text(const struct bots_outages *o, FILE *out)
{
	uint64_t longest = 0;

	for (uint32_t i = 0; i < o->over && i < BOTS_OUTAGES_KEPT; i++)
		longest = o->ns[i] > longest ? o->ns[i] : longest;
	fprintf(out, "kills of the primary: %llu, longest outage %.1f ms, %llu requests unanswered; %llu players looked at,"
		" %llu of them with an unanswered move applied\n", U(o->count), (double)longest / 1e6, U(o->unanswered),
		U(o->looks), U(o->applied));
}

/* Whom it befell: compared with who owned which bucket it says which version is to blame. */
static void victims_json(const struct bots_tally *t, FILE *out)
{
	fprintf(out, "\"victims\":{\"count\":%u,\"faults\":%llu,\"players\":[", t->victims, U(t->blamed));
	for (uint32_t i = 0; i < t->victims && i < BOTS_VICTIMS_KEPT; i++)
		fprintf(out, "%s%u", i != 0 ? "," : "", t->victim[i]);
	fprintf(out, "]},");
}

static void report_json(const struct bots_options *o, const struct bots_tally *t, FILE *out)
{
	fprintf(out, "{\"sent\":%llu,\"received\":%llu,\"lost\":%llu,\"duplicated\":%llu,\"reordered\":%llu,"
		"\"wrong\":%llu,", U(t->sent), U(t->received), U(t->lost), U(t->duplicated), U(t->reordered),
		U(t->wrong));
	fprintf(out, "\"error_replies\":%llu,\"stale_replies\":%llu,\"full\":%llu,\"late\":%llu,\"probes\":%llu,"
		"\"roams\":%llu,\"refused\":%llu,\"socket_drops\":%llu,", U(t->error_replies), U(t->stale_replies),
		U(t->full), U(t->late), U(t->probes), U(t->roams), U(t->refused), U(t->socket_drops));
	fprintf(out, "\"rtt_p50_us\":%.1f,\"rtt_p90_us\":%.1f,\"rtt_p99_us\":%.1f,\"rtt_max_us\":%.1f,"
		"\"longest_gap_ms\":%.3f,\"per_second\":%.0f,", rtt_us(t, 0.5), rtt_us(t, 0.9), rtt_us(t, 0.99),
		(double)t->rtt_max_ns / 1e3, (double)t->longest_gap_ns / 1e6, per_second(t));
	victims_json(t, out);
	attacks_json(&t->attack, out);
	interest_json(&t->interest, out);
	outages_json(&t->outage, out);
	fprintf(out, "\"players\":%u,\"sockets\":%u,\"in_flight\":%u,\"service\":\"%s\",\"seed\":%llu,\"seconds\":%.3f,"
		"\"passed\":%s}\n", o->players, o->sockets, o->in_flight, o->service == BOTS_GAME ? "game" : "echo",
		U(o->seed), (double)t->elapsed_ns / 1e9, bots_passed(t) ? "true" : "false");
}

static void report_text(const struct bots_options *o, const struct bots_tally *t, FILE *out)
{
	char address[INET_ADDRSTRLEN] = "?";

	inet_ntop(AF_INET, &o->server.sin_addr, address, sizeof(address));
	fprintf(out, "%s at %s:%u, %u players over %u sockets, at most %u under way, %.1f s, seed %llu\n",
		o->service == BOTS_GAME ? "game" : "echo", address, ntohs(o->server.sin_port), o->players, o->sockets,
		o->in_flight, (double)t->elapsed_ns / 1e9, U(o->seed));
	fprintf(out, "sent %llu  received %llu  (%.0f a second)\n", U(t->sent), U(t->received), per_second(t));
	fprintf(out, "lost %llu  duplicated %llu  reordered %llu  wrong %llu\n", U(t->lost), U(t->duplicated),
		U(t->reordered), U(t->wrong));
	if (o->service == BOTS_GAME)
		fprintf(out, "refused as they should be: %llu errors, %llu stale\n", U(t->error_replies),
			U(t->stale_replies));
	if (t->attack.books != BOOKS_NONE)
		attacks_text(&t->attack, out);
	if (t->interest.subscribers != 0)
		interest_text(&t->interest, out);
	if (t->outage.count != 0)
		outages_text(&t->outage, out);
	fprintf(out, "round trip: p50 %.1f us  p90 %.1f us  p99 %.1f us  max %.1f us;  longest gap %.3f ms\n",
		rtt_us(t, 0.5), rtt_us(t, 0.9), rtt_us(t, 0.99), (double)t->rtt_max_ns / 1e3,
		(double)t->longest_gap_ns / 1e6);
	if (t->full != 0)
		fprintf(out, "note: %llu requests met a full bucket: raise `records` of the group\n", U(t->full));
	if (t->late != 0)
		fprintf(out, "note: %llu replies came after %u ms and stay lost\n", U(t->late), o->lost_after_ms);
	if (t->refused != 0)
		fprintf(out, "note: the kernel reported %llu times that nothing listens there\n", U(t->refused));
	if (t->socket_drops != 0)
		fprintf(out, "note: the kernel dropped %llu replies at full buffers of these sockets: not the server's"
			" fault\n", U(t->socket_drops));
	fprintf(out, "%s\n", bots_passed(t) ? "PASSED" : t->received == 0 ? "FAILED: nothing was answered" : "FAILED");
}

void bots_print_players(const struct bots_options *options, FILE *out)
{
	uint32_t first = model_first_id(options);

	for (uint32_t i = 0; i < options->players; i++)
		fprintf(out, "%u %u\n", first + i, i % 2);
}

void bots_report(const struct bots_options *options, const struct bots_tally *tally, FILE *out)
{
	if (options->json)
		report_json(options, tally, out);
	else
		report_text(options, tally, out);
	fflush(out);
}
