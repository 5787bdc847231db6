/* ATTACK: two attackers, two targets in one bucket, the messages between the buckets in any order, and a primary that
 * dies with all that are under way. A worker's kill is a transaction that never was (belt.pml): nothing of it is here.
 *
 * The client repeats its request while it has no answer, and goes on to the next sequence when it has one. Sequence 1
 * is aimed at target 0, sequence 2 at target 1: both share the attacker's one memory in the bucket. A target that was
 * never hit needs a record, for which there may be no room.
 *
 * What time decides is taken for granted: a hit is under way for less than MEMORY_KEEP_NS (60 s) after the attacker's
 * bucket has the result, and for less than FIGHT_QUIET_S after the last one of its attack was posted.
 *
 * What is asserted: a hit is applied once per (attacker, sequence), is told only if it was, is never applied if it was told
 * that there is no room for it, and in the end each attack is answered; a bucket remembers no more than it may. */

#ifndef ATTACKERS
#define ATTACKERS 2
#endif
#ifndef MOST
#define MOST 1   /* attack.memory */
#endif
#ifndef SEQUENCES
#define SEQUENCES 2
#endif
#ifndef REPEATS
#define REPEATS 1 /* of a request, beyond those that a loss makes necessary */
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#define INDEX(a, q) ((a) * (SEQUENCES + 1) + (q))
#define ALL (ATTACKERS * (SEQUENCES + 1))

/* under way, by attacker and sequence; `posted` of a FORGET, 0: it does not know */
byte hits[ALL], results[ALL], fulls[ALL], forgets[ALL], forget_posted[ALL];

/* workers/plugins/game/fight.h:fighter, of the attackers */
typedef Fighter { byte sequence, posted; bit open, away, only, no_room };
Fighter fighter[ATTACKERS];
/* workers/plugins/game/fight.h:memory, in the targets' bucket */
typedef Memory { bit used; byte sequence, came, posted; bit forgotten, stray };
Memory memory[ATTACKERS];
bit known[2]; /* the target has a record */

byte applied[ALL]; bit refused[ALL];               /* ghosts */
byte client[ATTACKERS], repeats[ATTACKERS];        /* sequence asked for; repeats so far */
bit answered[ATTACKERS];
byte crashes = CRASHES, fails = 1, losses = 1; /* primaries that die; hits that find no record; replies that are lost */

#define SPENT(a) (memory[a].used && memory[a].forgotten && (memory[a].posted != 0 && !memory[a].stray && memory[a].came >= memory[a].posted)) /* workers/plugins/game/hit.c:is_spent */

inline post_hit(a) /* workers/plugins/game/attack.c:post_hit */
{
	fighter[a].posted++;
	hits[INDEX(a, fighter[a].sequence)]++
}

inline tell(a, q) /* a reply reaches the client, or is lost with the primary */
{
	assert(applied[INDEX(a, q)] == 1);
	if :: client[a] == q -> answered[a] = 1 :: else fi
}

inline tell_full(a, q)
{
	assert(applied[INDEX(a, q)] == 0);
	refused[INDEX(a, q)] = 1;
	if :: client[a] == q -> answered[a] = 1 :: else fi
}

#define UNDER_WAY(a) (hits[INDEX(a, client[a])] > 0 || fulls[INDEX(a, client[a])] > 0)

/* A request; repeats of older sequences change nothing (GAME_STALE). */
inline attack(a) /* workers/plugins/game/attack.c:game_attack */
{
	if
	:: client[a] == fighter[a].sequence ->           /* workers/plugins/game/attack.c:repeat */
#ifdef M_STORED_RESULT_NOT_USED
		post_hit(a)
#else
		if
		:: !fighter[a].open && fighter[a].no_room -> tell_full(a, client[a])
		:: !fighter[a].open && !fighter[a].no_room -> tell(a, client[a])
		:: fighter[a].open && fighter[a].away && UNDER_WAY(a) -> skip
		:: fighter[a].open && fighter[a].away && !UNDER_WAY(a) -> fighter[a].only = 1; post_hit(a)
		:: fighter[a].open && !fighter[a].away -> post_hit(a)
		fi
#endif
	:: client[a] > fighter[a].sequence && fighter[a].open -> assert(0) /* GAME_BUSY: this client has had its answer */
	:: client[a] > fighter[a].sequence && !fighter[a].open -> /* workers/plugins/game/attack.c:accept */
		fighter[a].sequence = client[a]; fighter[a].posted = 0; fighter[a].open = 1;
		fighter[a].away = 0; fighter[a].only = 0; fighter[a].no_room = 0;
		post_hit(a);
#ifdef M_RESULT_TOLD_AT_ONCE
		fighter[a].open = 0;
		tell(a, client[a])
#endif
	fi
}

proctype Client(byte a)
{
	do
	:: d_step { client[a] < SEQUENCES && (client[a] == 0 || answered[a]) -> client[a]++; answered[a] = 0; repeats[a] = 0; attack(a) }
	:: d_step { client[a] > 0 && !answered[a] && repeats[a] < REPEATS -> repeats[a]++; attack(a) }
	/* nothing of it is under way: the client repeats, however often */
	:: d_step { client[a] > 0 && !answered[a] && repeats[a] >= REPEATS && hits[INDEX(a, client[a])] == 0 && results[INDEX(a, client[a])] == 0 && fulls[INDEX(a, client[a])] == 0 -> attack(a) }
	od
}

/* ---- the target's bucket ---- */
#ifdef M_MEMORY_EVICTED_EARLY
#define MAY_GO(b) (memory[b].used)
#else
#define MAY_GO(b) SPENT(b)
#endif

inline erase(b)
{
	memory[b].used = 0; memory[b].sequence = 0; memory[b].came = 0; memory[b].posted = 0; memory[b].forgotten = 0; memory[b].stray = 0
}

inline turn_away(a, q) /* workers/plugins/game/hit.c:turn_away */
{
	fulls[INDEX(a, q)]++
}

inline apply(a, q, before_used)
{
	/* workers/plugins/game/hit.c:apply; a record for a target that was never hit, if there is room */
	if
	:: known[q - 1] || room -> known[q - 1] = 1;
		applied[INDEX(a, q)]++;
		assert(applied[INDEX(a, q)] == 1 && !refused[INDEX(a, q)]);
		results[INDEX(a, q)]++
	:: else ->
#ifdef M_FAILED_HIT_FORGETS
		erase(a);
#else
		if
		:: before_used -> memory[a].sequence = old.sequence; memory[a].came = old.came; memory[a].posted = old.posted;
			memory[a].forgotten = old.forgotten; memory[a].stray = old.stray
		:: else -> erase(a)
		fi;
#endif
		turn_away(a, q)
	fi
}

Memory old;

inline arrived(a, q) /* workers/plugins/game/hit.c:hit_arrived */
{
	hits[INDEX(a, q)]--;
#ifdef M_NO_MEMORY_AT_TARGET
	erase(a);
#endif
	if
	:: memory[a].used && memory[a].sequence == q -> /* workers/plugins/game/hit.c:again */
		memory[a].came++;
		if
		:: !memory[a].forgotten -> results[INDEX(a, q)]++
		:: else -> if :: SPENT(a) -> erase(a) :: else fi
		fi
	:: memory[a].used && q < memory[a].sequence -> skip
	:: memory[a].used && q > memory[a].sequence ->
		old.used = 1; old.sequence = memory[a].sequence; old.came = memory[a].came; old.posted = memory[a].posted;
		old.forgotten = memory[a].forgotten; old.stray = memory[a].stray;
		memory[a].sequence = q; memory[a].came = 1; memory[a].posted = 0; memory[a].forgotten = 0; memory[a].stray = 1;
		apply(a, q, 1)
	:: !memory[a].used ->
		x = 0; count = 0; gone = 0;
		do /* workers/plugins/game/hit.c:remember */
		:: x < ATTACKERS ->
			if
			:: memory[x].used && !gone && MAY_GO(x) -> erase(x); gone = 1
			:: memory[x].used && (gone || !MAY_GO(x)) -> count++
			:: else
			fi;
			x++
		:: else -> break
		od;
#ifdef M_MEMORY_WITHOUT_BOUND
		count = 0;
#endif
		if
		:: count >= MOST -> turn_away(a, q) /* not without memory */
		:: else ->
			memory[a].used = 1; memory[a].sequence = q; memory[a].came = 1; memory[a].posted = 0; memory[a].forgotten = 0;
			memory[a].stray = 0;
			apply(a, q, 0)
		fi
	fi;
	old.used = 0; old.sequence = 0; old.came = 0; old.posted = 0; old.forgotten = 0; old.stray = 0; x = 0; count = 0; gone = 0;
	x = 0; do :: x < ATTACKERS -> count = count + memory[x].used; x++ :: else -> break od;
	assert(count <= MOST); /* bounded */
	x = 0; count = 0
}

inline result(a, q) /* workers/plugins/game/attack.c:attack_result */
{
	results[INDEX(a, q)]--;
	if
	:: fighter[a].sequence == q && fighter[a].open ->
#ifndef M_RESULT_TOLD_NOT_STORED
		fighter[a].open = 0;
#endif
		if :: told -> tell(a, q) :: else fi /* or the reply is lost on its way */
	:: else
	fi;
	forgets[INDEX(a, q)]++;
	forget_posted[INDEX(a, q)] = (fighter[a].sequence == q -> fighter[a].posted : 0)
}

inline turned_away(a, q) /* workers/plugins/game/attack.c:was_last */
{
	fulls[INDEX(a, q)]--;
	if
	:: fighter[a].sequence == q && fighter[a].open ->
		if :: fighter[a].posted > 0 -> fighter[a].posted-- :: else fi;
		fighter[a].away = 1;
		if
#ifdef M_FIRST_TURNED_AWAY_ENDS_IT
		:: true ->
#else
		:: fighter[a].posted == 0 || fighter[a].only ->
#endif
			fighter[a].open = 0; fighter[a].no_room = 1;
			if :: told -> tell_full(a, q) :: else fi
#ifndef M_FIRST_TURNED_AWAY_ENDS_IT
		:: else
#endif
		fi
	:: else
	fi
}

inline forget_arrived(a, q) /* workers/plugins/game/hit.c:hit_forgotten */
{
	forgets[INDEX(a, q)]--;
	if
	:: memory[a].used && memory[a].sequence == q && !memory[a].forgotten ->
		memory[a].forgotten = 1; memory[a].posted = forget_posted[INDEX(a, q)];
		if :: SPENT(a) -> erase(a) :: else fi
	:: else
	fi
}

/* What attacker a has under way, in any order, and the ticks of the bucket. */
proctype Messages(byte a)
{
	byte q, x, count; bit gone, room, told;
	do
	:: atomic { hits[INDEX(a, 1)] > 0 -> if :: room = 1 :: fails > 0 -> fails--; room = 0 fi; d_step { arrived(a, 1); room = 0 } }
	:: atomic { hits[INDEX(a, 2)] > 0 -> if :: room = 1 :: fails > 0 -> fails--; room = 0 fi; d_step { arrived(a, 2); room = 0 } }
	:: atomic { results[INDEX(a, 1)] > 0 -> if :: told = 1 :: losses > 0 -> losses--; told = 0 fi; d_step { result(a, 1); told = 0 } }
	:: atomic { results[INDEX(a, 2)] > 0 -> if :: told = 1 :: losses > 0 -> losses--; told = 0 fi; d_step { result(a, 2); told = 0 } }
	:: atomic { fulls[INDEX(a, 1)] > 0 -> if :: told = 1 :: losses > 0 -> losses--; told = 0 fi; d_step { turned_away(a, 1); told = 0 } }
	:: atomic { fulls[INDEX(a, 2)] > 0 -> if :: told = 1 :: losses > 0 -> losses--; told = 0 fi; d_step { turned_away(a, 2); told = 0 } }
	:: d_step { forgets[INDEX(a, 1)] > 0 -> forget_arrived(a, 1) }
	:: d_step { forgets[INDEX(a, 2)] > 0 -> forget_arrived(a, 2) }
	/* workers/plugins/game/hit.c:hit_tick: the result once more; and what is 60 s old goes, when no hit is under way */
	:: d_step { memory[a].used && !memory[a].forgotten && hits[INDEX(a, memory[a].sequence)] == 0 &&
		results[INDEX(a, memory[a].sequence)] == 0 && forgets[INDEX(a, memory[a].sequence)] == 0 ->
		results[INDEX(a, memory[a].sequence)]++ }
	:: d_step { memory[a].used && memory[a].forgotten && hits[INDEX(a, 1)] == 0 && (hits[INDEX(a, 2)] == 0 || memory[a].sequence < 2) -> erase(a) }
	od
}

active proctype Primary()
{
	byte z;
	do
	:: d_step { crashes > 0 -> crashes--;
		z = 0;
		do :: z < ALL -> hits[z] = 0; results[z] = 0; fulls[z] = 0; forgets[z] = 0; forget_posted[z] = 0; z++ :: else -> break od;
		z = 0 }
	od
}

init
{
	byte a;
	atomic { do :: a < ATTACKERS -> run Client(a); run Messages(a); a++ :: else -> break od; a = 0 };
	timeout -> do :: a < ATTACKERS -> assert(client[a] == SEQUENCES && answered[a]); a++ :: else -> break od
}
