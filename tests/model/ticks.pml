/* Ticks of one group of buckets across moves, kills and primaries: I/O lcore 0 gives numbers and posts them, workers run
 * for each bucket that they own what it has missed.
 *
 * A tick of a bucket changes its last_tick and its record (`ran`: the last number that was run) in one transaction; an
 * early settle may commit between two of them, in the middle of an entry. A kill undoes what is not settled. Moves are
 * taken from move.pml: bucket 0 goes from worker to worker, a revoke and a grant on belt 0, where ticks are, the other
 * belts' revokes some time later.
 *
 * What is asserted: each bucket runs each number once and in order, from its first on; what is committed has last_tick
 * and record of the same number; in the end each bucket has the last number. */

#ifndef NUMBERS
#define NUMBERS 3 /* the clock goes so far with the last primary */
#endif
#ifndef CATCH_UP
#define CATCH_UP 1
#endif
#ifndef MOVES
#define MOVES 1
#endif
#ifndef KILLS
#define KILLS 1
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#define BUCKETS 2
#define WORKERS 2
#define START 1 /* last_tick of the file: bucket 1 has had number 1, bucket 0 never had any */

mtype = { TICK, REVOKE, GRANT };

/* ---- the state file: as it is, and as settled entries have left it ---- */
byte last_tick[BUCKETS], ran[BUCKETS], settled_last[BUCKETS], settled_ran[BUCKETS];
byte posted; /* shared/state.h:state_header: tick_posted */

/* ---- workers ---- */
chan belt[WORKERS] = [4] of { mtype, byte };
bit up[WORKERS], killed[WORKERS];
byte kills = KILLS, crashes = CRASHES, moves = MOVES;
typedef Owned { bit bucket[BUCKETS] };
Owned owns[WORKERS];           /* the worker's own count, > 0 */

/* ---- I/O lcore 0 ---- */
byte number;                       /* primary/datapath/ticks.c:ticks_number */
bit wanted[WORKERS], open[WORKERS], revoked;
byte owner[BUCKETS];
bit moving, granting; byte target;
bit restarting;

bit inside[WORKERS]; /* the process has not left yet */
bit busy[WORKERS]; /* a burst is open: what it changes is of the buckets that the worker owns */

inline commit(u) /* workers/runtime/txn.c:txn_settle */
{
	x = 0;
	do
	:: x < BUCKETS ->
		if
		:: owns[u].bucket[x] -> settled_last[x] = last_tick[x]; settled_ran[x] = ran[x]; assert(ran[x] == last_tick[x])
		:: else
		fi;
		x++
	:: else -> break
	od;
	x = 0
}

inline roll_back(u) /* shared/state.c:state_roll_back */
{
	x = 0;
	do
	:: x < BUCKETS ->
		if
		:: owns[u].bucket[x] ->
#ifndef M_TICK_OUTSIDE
			last_tick[x] = settled_last[x];
#endif
			ran[x] = settled_ran[x]
		:: else
		fi;
		x++
	:: else -> break
	od;
	x = 0; busy[u] = 0
}

proctype Worker(byte w)
{
	byte b, n, i, x, what; bit behind; mtype kind;
	do
	:: atomic { up[w] && belt[w]?[kind,what] -> belt[w]?<kind,what>; b = 0; behind = 0; busy[w] = 1; inside[w] = 1 };
		do
		:: up[w] && kind == REVOKE -> revoked = 1; break /* owned until the other belts have revoked */
		:: up[w] && kind == GRANT -> owns[w].bucket[0] = 1; break
		:: up[w] && kind == TICK && b < BUCKETS ->  /* workers/runtime/control_loop.c:run_tick */
			if
			:: d_step { up[w] && owns[w].bucket[b] ->
				/* workers/runtime/control_loop.c:loop_tick_bucket */
#ifdef M_NO_CATCH_UP
				n = what;
#else
				n = (last_tick[b] != 0 -> last_tick[b] + 1 : what);
#endif
#ifdef M_NO_GUARD
				n = (last_tick[b] >= what -> what : n);
#endif
				i = 0 };
				do
#ifdef M_NO_GUARD
				:: d_step { up[w] && i < CATCH_UP && n <= what ->
#else
				:: d_step { up[w] && i < CATCH_UP && n <= what && n > last_tick[b] ->
#endif
					last_tick[b] = n };  /* workers/runtime/txn.c:txn_begin_tick */
					if
					:: d_step { up[w] ->
						assert(ran[b] == 0 || n == ran[b] + 1); /* each number once, in order */
						ran[b] = n; n++; i++ }
					:: !up[w]
					fi;
					if
					:: d_step { up[w] -> commit(w) } /* workers/runtime/txn.c:txn_settle_early */
					:: up[w]
					:: !up[w]
					fi
				:: d_step { up[w] && (i == CATCH_UP || n > what) -> behind = behind | (last_tick[b] < what) }; break
				:: !up[w] -> break
				od
			:: up[w] && !owns[w].bucket[b]
			:: !up[w]
			fi;
			b++
		:: up[w] && kind == TICK && b == BUCKETS -> break
		:: !up[w] -> break
		od;
		/* the settle, and its reap: of an entry that ended well */
		if
		:: d_step { up[w] -> commit(w); busy[w] = 0; belt[w]?kind,what;
			if
			:: kind == TICK -> open[w] = 0; /* primary/datapath/ticks.c:ticks_reaped */
#ifndef M_SILENT_BEHIND
				if :: behind -> wanted[w] = 1 :: else fi
#endif
			:: else
			fi }
		:: !up[w]
		fi;
		d_step { inside[w] = 0; b = 0; n = 0; i = 0; what = 0; behind = 0; kind = 0 }
	:: atomic { up[w] && kills > 0 && !restarting -> kills--; up[w] = 0; killed[w] = 1 }
	od
}

/* Posts are what housekeeping does when the belt has room. */
inline tell(w) /* primary/datapath/ticks.c:post_wanted */
{
	wanted[w] = 0; open[w] = 1; belt[w]!TICK,number
}

inline drain(w)
{
	do :: belt[w]?_,_ :: empty(belt[w]) -> break od;
	open[w] = 0; wanted[w] = 0
}

active proctype Lcore()
{
	byte w, x;
	(owner[1] == 1);
	do
	/* primary/datapath/ticks.c:advance, the clock */
	:: d_step { !restarting && number < NUMBERS ->
		number++; posted = number;
		wanted[0] = 1; wanted[1] = 1 }
	:: d_step { !restarting && up[0] && wanted[0] && !open[0] && nfull(belt[0]) -> tell(0) }
	:: d_step { !restarting && up[1] && wanted[1] && !open[1] && nfull(belt[1]) -> tell(1) }
	/* a move of bucket 0 to the other worker: primary/datapath/move.c:move_step */
	:: d_step { !restarting && moves > 0 && !moving && up[owner[0]] && up[1 - owner[0]] && nfull(belt[owner[0]]) ->
		moves--; moving = 1; target = 1 - owner[0]; revoked = 0; belt[owner[0]]!REVOKE,0 }
	:: d_step { !restarting && moving && !granting && revoked && up[owner[0]] && !busy[owner[0]] -> owns[owner[0]].bucket[0] = 0; granting = 1 } /* the last belt's revoke */
	:: d_step { !restarting && moving && granting && nfull(belt[target]) && up[target] ->
		belt[target]!GRANT,0; owner[0] = target; moving = 0; granting = 0; revoked = 0;
#ifndef M_NO_TICK_AFTER_GRANT
		wanted[target] = 1 /* primary/datapath/ticks.c:ticks_granted */
#endif
		}
	/* a death: undone, its belt lost, and another incarnation in its place gets what it owned */
	:: d_step { !restarting && (killed[0] && !inside[0] || killed[1] && !inside[1]) -> w = (killed[0] && !inside[0] -> 0 : 1); /* primary/datapath/datapath.c:recover */
		roll_back(w); drain(w); owns[w].bucket[0] = 0; owns[w].bucket[1] = 0;
		killed[w] = 0; up[w] = 1;
		if :: moving && owner[0] == w -> granting = 1 :: else fi;
		if :: owner[0] == w && !moving -> owns[w].bucket[0] = 1 :: else fi;
		if :: owner[1] == w -> owns[w].bucket[1] = 1 :: else fi;
#ifndef M_NO_TICK_AFTER_GRANT
		wanted[w] = 1;
#endif
		w = 0 }
	/* a primary dies: workers with it, the numbers of the next one go on from the file */
	:: atomic { crashes > 0 && !restarting -> crashes--; restarting = 1 }
	:: d_step { restarting && up[0] -> up[0] = 0 }
	:: d_step { restarting && up[1] -> up[1] = 0 }
	:: d_step { restarting && !up[0] && !up[1] && !inside[0] && !inside[1] -> roll_back(0); roll_back(1); drain(0); drain(1);
		/* shared/state.c:state_last_tick */
		assert(last_tick[0] <= posted && last_tick[1] <= posted);
#ifdef M_NUMBERS_RESTART
		number = 1;
#else
		number = (last_tick[0] > last_tick[1] -> last_tick[0] : last_tick[1]) + 1; /* primary/datapath/ticks.c:advance */
#endif
		assert(number > last_tick[0] && number > last_tick[1]); /* what is given now has not been run */
		posted = number;
		moving = 0; granting = 0; revoked = 0; killed[0] = 0; killed[1] = 0;
		up[0] = 1; up[1] = 1; restarting = 0;
		owns[0].bucket[0] = 0; owns[0].bucket[1] = 0; owns[1].bucket[0] = 0; owns[1].bucket[1] = 0;
		owns[owner[0]].bucket[0] = 1; owns[owner[1]].bucket[1] = 1; wanted[0] = 1; wanted[1] = 1 }
	od
}

init
{
	d_step {
		last_tick[1] = START; ran[1] = START; settled_last[1] = START; settled_ran[1] = START;
		number = START; posted = START; up[0] = 1; up[1] = 1;
		owner[0] = 0; owner[1] = 1; owns[0].bucket[0] = 1; owns[1].bucket[1] = 1
	};
	atomic { run Worker(0); run Worker(1) };
	timeout -> assert(number >= NUMBERS && last_tick[0] == number && last_tick[1] == number && ran[0] == number && ran[1] == number)
}
