/* Every-instruction kill: a real worker, killed after instruction k of a burst, for every k; the primary's own code
 * recovers, a standby goes on, and clients, records and ticks are as if nothing had happened.
 *
 * SIGKILL leaves shared memory as the retired stores made it, so a worker that stands under ptrace after instruction k
 * shows what a kill there would leave. That is not taken on trust: a sample of workers really is killed there, and must
 * leave the same, byte for byte.
 *
 * The room is that of the primary's unit tests because it is made of their rig, and because CI and `make sabotage` run
 * what stands there; under plugins/game, so that the plugin is linked in. `make chaos` sets
 * BATON_KILL_BURST=64: a long burst at random, and BATON_KILL_SAMPLES instructions of it. */
#include "every_kill_end.h"
#include "every_kill_start.h"
#include "every_kill_watch.h"

#include <sys/resource.h>
#include <sys/wait.h>

#include "stepper.h"

#define STEPS_MOST (1u << 20)
#define STATES_MOST (1u << 17)

static uint64_t seed;

/* ---- one death ---- */

static struct outcome reference; /* of a run that was never killed */

enum part_of_primary { NO_DEATH, DEATH, RECOVERS_ONLY, NEXT_PRIMARY };

/* Runs the primary's part in a fork; false with a complaint: it did not come to its end. */
static bool go_on(enum part_of_primary what, char *complaint, size_t bytes)
{
	int status;

	memset(w.outcome, 0, offsetof(struct outcome, frame));
	w.outcome->unsettled = w.outcome->undone = 0;
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0 && what >= RECOVERS_ONLY)
		next_primary(what == NEXT_PRIMARY);
	if (pid == 0)
		world_go_on(what == DEATH);
	assert_true(pid > 0);
	while (waitpid(pid, &status, 0) != pid)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && w.outcome->complete)
		return true;
	snprintf(complaint, bytes, "%s (status %#x)",
		 w.outcome->complaint[0] != 0 ? w.outcome->complaint : "the primary dies", (unsigned int)status);
	return false;
}

/* What a client would notice, an operator find in the state file, or a bucket's ticks show. */
static const char *difference(const struct outcome *is, const struct outcome *was)
{
	static char text[160];

	for (uint32_t i = 0; i < is->frames && i < was->frames; i++)
		if (is->frame[i].len != was->frame[i].len ||
		    memcmp(is->frame[i].bytes, was->frame[i].bytes, is->frame[i].len) != 0) {
			snprintf(text, sizeof(text), "frame %u of %u is another one", i, was->frames);
			return text;
		}
	if (is->frames != was->frames) {
		snprintf(text, sizeof(text), "%u frames where %u were sent without a kill", is->frames, was->frames);
		return text;
	}
	for (uint32_t b = 0; b < BUCKETS; b++)
		if (is->words[b].last_tick != was->words[b].last_tick) {
			snprintf(text, sizeof(text), "bucket %u has seen tick %llu, not %llu", b,
				 (unsigned long long)is->words[b].last_tick, (unsigned long long)was->words[b].last_tick);
			return text;
		}
	for (uint32_t at = 0; at < sizeof(is->records); at += STRIDE)
		if (memcmp(is->records + at, was->records + at, STRIDE) != 0) {
			snprintf(text, sizeof(text), "bucket %u, record %u differs", at / (TABLE * STRIDE), at / STRIDE % TABLE);
			return text;
		}
	if (is->posted != was->posted || is->settled != was->settled || is->lost != 0)
		return "messages were lost or doubled";
	return NULL;
}

struct tally {
	uint32_t kills, states, with_unsettled, undone;
};

/* The worker is dead and has left what stands in shared memory. NULL, or what is wrong. */
static const char *judge_death(struct tally *tally)
{
	static char complaint[320];

	if (!go_on(DEATH, complaint, sizeof(complaint)))
		return complaint;
	tally->states++;
	tally->with_unsettled += w.outcome->unsettled != 0;
	tally->undone += w.outcome->undone;
	return difference(w.outcome, &reference);
}

/* ---- states that have been recovered from ---- */

static uint64_t known[STATES_MOST];

/* True the first time. */
static bool is_new(uint64_t hash)
{
	uint64_t at = hash_mix64(hash);

	for (hash |= 1; known[at % STATES_MOST] != 0; at++)
		if (known[at % STATES_MOST] == hash)
			return false;
	known[at % STATES_MOST] = hash;
	return true;
}

/* ---- the run under the stepper ---- */

enum choice { JUDGED = 1, BY_KILL = 2, BY_SEGV = 4, BY_STOP = 8 /* and the fence */ };

static uint64_t address[STEPS_MOST]; /* of the next instruction after k of them */
static uint8_t chosen[STEPS_MOST];   /* enum choice */
static uint64_t whole[STEPS_MOST];   /* hash of all memory after k instructions, where chosen */
static uint32_t steps;               /* N */

/* The burst's turn of the loop is over: settled, counted, and the worker looks for the next one. */
static bool turn_over(uint64_t loops)
{
	return stats_worker_page(&w.rig.stats, 0)->loops != loops;
}

/* True if the journal was full in between: the burst has more than one commit. */
static bool learn_steps(void)
{
	const struct CoreStats *page = stats_worker_page(&w.rig.stats, 0);
	uint64_t loops = page->loops, early = page->early_settles;
	pid_t pid = stepper_start(worker_process, NULL);

	for (steps = 0; address[steps] = stepper_at(pid), !turn_over(loops); steps++) {
		assert_true(steps < STEPS_MOST - 1);
		assert_true(stepper_step(pid));
	}
	stepper_kill(pid);
	back_to_checkpoint();
	return page->early_settles > early;
}

/* Steps through the burst; judges each state, or those after a chosen instruction alone. */
static void sweep(bool all, struct tally *tally)
{
	pid_t pid = stepper_start(worker_process, NULL);
	const char *wrong = NULL;
	uint32_t k;

	memset(known, 0, sizeof(known));
	for (k = 0; wrong == NULL; k++) {
		bool judged = all || (chosen[k] & JUDGED) != 0;

		if (stepper_at(pid) != address[k])
			wrong = "the same burst takes another way";
		if (chosen[k] != 0)
			whole[k] = hash_whole();
		tally->kills += judged;
		if (wrong == NULL && judged && (watch_changed() || !all) && is_new(watch.hash))
			wrong = judge_death(tally);
		if (wrong == NULL && k == steps && !watched_enough())
			wrong = "the worker has changed what is not watched";
		if (wrong != NULL || k == steps)
			break;
		stepper_step(pid);
	}
	stepper_kill(pid);
	back_to_checkpoint();
	if (wrong != NULL)
		fail_msg("killed after %u of %u instructions (at %#llx): %s", k, steps, (unsigned long long)address[k], wrong);
}

/* A place on the way to k that a breakpoint finds: not in a repeated instruction, and not passed too often. */
static uint32_t anchor_of(uint32_t k, uint32_t *nth)
{
	for (uint32_t a = k; a > 0; a--) {
		if (address[a] == address[a - 1] || (a < steps && address[a] == address[a + 1]))
			continue;
		*nth = 0;
		for (uint32_t i = 0; i <= a; i++)
			*nth += address[i] == address[a];
		if (*nth <= 32)
			return a;
	}
	*nth = 0;
	return 0;
}

/* A worker that really ends after instruction k. True if it left what the stepped one showed there. */
static bool kill_at(uint32_t k, int signal)
{
	uint32_t nth, at = anchor_of(k, &nth);
	pid_t pid = stepper_start(worker_process, NULL);

	if (nth != 0)
		stepper_run_to(pid, address[at], nth);
	for (; at < k; at++)
		stepper_step(pid);
	stepper_end(pid, signal);
	bool same = hash_whole() == whole[k];
	back_to_checkpoint();
	return same;
}

static uint32_t choose(uint32_t count, uint8_t mark)
{
	uint32_t done = 0;

	if (count > steps)
		count = steps;
	while (done < count) {
		uint32_t k = fake_below(&seed, steps + 1);

		if (chosen[k] & mark)
			continue;
		chosen[k] |= mark;
		done++;
	}
	return count;
}

static uint32_t from_environment(const char *name, uint32_t otherwise)
{
	const char *text = getenv(name);

	return text != NULL ? (uint32_t)strtoul(text, NULL, 0) : otherwise;
}

static void make_reference(void)
{
	char complaint[320];

	if (!go_on(NO_DEATH, complaint, sizeof(complaint)))
		fail_msg("without a kill: %s", complaint);
	reference = *w.outcome;
	assert_true(reference.frames > 10 && reference.frames < FRAMES_MOST);
	assert_int_equal(reference.lost, 0);
	assert_int_equal(reference.words[0].last_tick, reference.words[1].last_tick);
}

/* True deaths: as many by SIGKILL as `real`, and a quarter as many by each of the others. */
static void kill_in_truth(void)
{
	static const struct { uint8_t choice; int signal; } way[] = {
		{BY_KILL, SIGKILL}, {BY_SEGV, SIGSEGV}, {BY_STOP, SIGSTOP},
	};

	for (uint32_t k = 0; k <= steps; k++)
		for (uint32_t i = 0; i < 3; i++)
			if ((chosen[k] & way[i].choice) != 0 && !kill_at(k, way[i].signal))
				fail_msg("signal %d after %u instructions leaves something else than a stop there",
					 way[i].signal, k);
}

/* samples: instructions after which the state is judged; 0: all. real: SIGKILLs in truth. */
static void play(const char *name, enum scene scene, uint32_t samples, uint32_t real)
{
	struct tally tally = {0};

	signal(SIGSEGV, SIG_DFL); /* cmocka catches it, and a worker would inherit that */
	memset(chosen, 0, sizeof(chosen));
	world_create(scene, &seed);
	watch_start();
	make_reference();
	assert_true(learn_steps());
	if (samples != 0)
		choose(samples, JUDGED);
	choose(real, BY_KILL);
	choose(real / 4, BY_SEGV);
	choose(real / 4, BY_STOP);
	sweep(samples == 0, &tally);
	kill_in_truth();
	printf("{\"test\":\"every_kill\",\"scene\":\"%s\",\"burst\":%u,\"N\":%u,\"kills\":%u,\"states\":%u,"
	       "\"with_unsettled\":%u,\"records_undone\":%u,\"real_kills\":%u}\n",
	       name, w.burst, steps, tally.kills, tally.states, tally.with_unsettled, tally.undone, real + real / 4 * 2);
	assert_true(tally.states > 50 && tally.with_unsettled > tally.states / 2 && tally.undone > tally.states / 4);
	watch_end();
	world_destroy();
}

static void a_kill_after_any_instruction_of_a_burst_is_noticed_by_nobody(void **context)
{
	(void)context;
	play("burst", SCENE_SHORT, 0, 200);
}

static void a_kill_after_any_instruction_of_the_old_owner_completes_a_move(void **context)
{
	(void)context;
	play("revoke", SCENE_REVOKE, 0, 40);
}

static void a_kill_after_any_instruction_of_the_new_owner_gives_its_buckets_to_the_next(void **context)
{
	(void)context;
	play("grant", SCENE_GRANT, 0, 40);
}

/* The worker has died after `k` instructions; its primary dies after each one of its recovery. The next one's roll
 * back, from whatever is left, ends where the first one's would have. Returns the number of states it began with; 0:
 * the worker left nothing to undo. */
static uint32_t kill_the_primary(uint32_t k, uint32_t *kills)
{
	char complaint[320] = "";
	uint32_t states = 0;
	bool good = true;
	pid_t pid = stepper_start(worker_process, NULL);

	for (uint32_t i = 0; i < k; i++)
		stepper_step(pid);
	stepper_kill(pid);
	w.outcome->undone = 0;
	count_open();
	if (w.outcome->undone == 0) {
		back_to_checkpoint();
		return 0;
	}
	assert_true(go_on(RECOVERS_ONLY, complaint, sizeof(complaint)));
	reference = *w.outcome;
	memset(known, 0, sizeof(known));
	pid = stepper_start(primary_process, NULL);
	stepper_run_to(pid, (uint64_t)primary_recovers, 1);
	do {
		++*kills;
		if (!watch_changed() || !is_new(watch.hash))
			continue;
		states++;
		good = go_on(NEXT_PRIMARY, complaint, sizeof(complaint));
		if (good && memcmp(w.outcome->records, reference.records, sizeof(reference.records)) != 0)
			good = false;
		if (good && memcmp(w.outcome->words, reference.words, sizeof(reference.words)) != 0)
			good = false;
	} while (good && stepper_step(pid));
	if (!good) {
		stepper_kill(pid);
		fail_msg("worker killed after %u instructions, primary after %u: %s", k, *kills,
			 complaint[0] != 0 ? complaint : "the next one finds other records");
	}
	back_to_checkpoint();
	return states;
}

static void a_primary_killed_after_any_instruction_of_a_recovery_leaves_it_to_the_next(void **context)
{
	uint32_t states = 0, kills = 0;

	(void)context;
	world_create(SCENE_SHORT, &seed);
	watch_start();
	assert_true(learn_steps());
	for (uint32_t deaths = 0, fresh; deaths < 3; deaths += fresh != 0)
		states += fresh = kill_the_primary(fake_below(&seed, steps), &kills);
	printf("{\"test\":\"every_kill\",\"scene\":\"primary\",\"kills\":%u,\"states\":%u}\n", kills, states);
	assert_true(states >= 9); /* as it was, used = 0, and an undone record at least */
	watch_end();
	world_destroy();
}

/* Of `make chaos`. */
static void a_kill_in_a_long_burst_is_noticed_by_nobody(void **context)
{
	(void)context;
	play("long", SCENE_LONG, from_environment("BATON_KILL_SAMPLES", 2000), 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_kill_after_any_instruction_of_a_burst_is_noticed_by_nobody),
		cmocka_unit_test(a_kill_after_any_instruction_of_the_old_owner_completes_a_move),
		cmocka_unit_test(a_kill_after_any_instruction_of_the_new_owner_gives_its_buckets_to_the_next),
		cmocka_unit_test(a_primary_killed_after_any_instruction_of_a_recovery_leaves_it_to_the_next),
	};
	const struct CMUnitTest chaos[] = {cmocka_unit_test(a_kill_in_a_long_burst_is_noticed_by_nobody)};

	seed = fake_seed("test_every_kill");
	setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}); /* SIGSEGV is meant */
	if (from_environment("BATON_KILL_BURST", 8) != 8)
		return cmocka_run_group_tests(chaos, NULL, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
