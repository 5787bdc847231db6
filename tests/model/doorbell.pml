/* Sleeping and waking: one worker, one doorbell per belt and I/O lcore, x86-TSO on both sides; no time-out saves anybody.
 *
 * Each I/O lcore offers ENTRIES entries and rings where it must; the worker looks, sleeps, is woken. Plain stores of both
 * wait in a store buffer of two places per process; locked instructions and full fences wait until theirs is empty.
 * Lost wake-up: everybody waits and an entry is still in a belt. */

#ifndef LCORES
#define LCORES 2
#endif
#ifndef ENTRIES
#define ENTRIES 2
#endif

byte m_offered[LCORES], m_doorbell[LCORES], m_sleeping[LCORES]; /* memory */
byte taken[LCORES];
bit asleep;
chan lsb[LCORES] = [2] of { byte };       /* `offered` of lcore l */
chan wsb = [2] of { byte, byte };         /* `sleeping` of belt l */

#ifdef M_NO_FENCE_IN_WORKER
#define worker_fence skip
#else
#define worker_fence empty(wsb)
#endif
#ifdef M_NO_FENCE_IN_LCORE
#define lcore_fence(l) skip
#else
#define lcore_fence(l) empty(lsb[l])
#endif

active [LCORES] proctype LcoreBuffer()
{
	byte v;
	do :: d_step { lsb[_pid]?v; m_offered[_pid] = v; v = 0 } od
}

active proctype WorkerBuffer()
{
	byte l, v;
	do :: d_step { wsb?l,v; m_sleeping[l] = v; l = 0; v = 0 } od
}

/* The kernel wakes under the futex's lock: what the waker has stored is visible, the sleeper is awake once. */
inline ring(l) /* primary/datapath/idle.c:doorbell_ring */
{
	atomic { empty(lsb[l]); m_doorbell[l]++; asleep = 0 } /* a locked addition, then futex_wake */
}

proctype Lcore(byte l)
{
	byte offered;
	bit to_ring;
	do
	:: offered < ENTRIES ->
		offered++;
		lsb[l]!offered;                  /* shared/belt_producer.h:belt_publish */
		to_ring = 1;                     /* primary/datapath/steer.c:steer_publish */
	/* Not each turn: the bell has rung less than RING_GAP_US ago (a turn that does nothing); more may be offered first. */
	:: to_ring ->
		lcore_fence(l);                  /* primary/datapath/idle.c:doorbell_ring */
		if
		:: m_sleeping[l] == 0 -> to_ring = 0
		:: m_sleeping[l] != 0 ->
#ifdef M_BELL_FORGOTTEN
			to_ring = 0;
			if :: ring(l) :: skip fi     /* rung too recently: and the wish is forgotten */
#else
			if
			:: to_ring = 0; ring(l)
			:: offered < ENTRIES         /* rung too recently: to_ring stays */
			fi
#endif
		fi
	:: offered == ENTRIES && !to_ring -> break
	od
}

inline look() /* workers/runtime/idle.c:entry_waits, shared/belt_consumer.h:belt_take */
{
	found = 0; l = 0;
	do
	:: l < LCORES ->
		if :: m_offered[l] != taken[l] -> found = 1 :: else fi;
		l++
	:: else -> break
	od
}

proctype Worker()
{
	byte l, value[LCORES];
	bit found;
	do
	:: look();
		if
		:: found -> l = 0;               /* workers/runtime/loop.c:loop_turn */
			do
			:: l < LCORES -> taken[l] = m_offered[l]; l++
			:: else -> break
			od
		:: else
		fi;
		/* workers/runtime/idle.c:idle_sleep */
#ifdef M_BELL_READ_LATE
		l = 0; do :: l < LCORES -> wsb!l,1; l++ :: else -> break od;
		worker_fence;
		look();
		l = 0; do :: l < LCORES -> value[l] = m_doorbell[l]; l++ :: else -> break od;
#else
		l = 0; do :: l < LCORES -> value[l] = m_doorbell[l]; l++ :: else -> break od;
		l = 0; do :: l < LCORES -> wsb!l,1; l++ :: else -> break od; /* workers/runtime/idle.c:set_sleeping */
		worker_fence;
		look();
#endif
		if
		:: !found ->                     /* workers/runtime/idle.c:wait_for_bells */
			atomic { empty(wsb); l = 0; asleep = 1;
				do :: l < LCORES -> if :: m_doorbell[l] != value[l] -> asleep = 0 :: else fi; l++ :: else -> break od };
			!asleep
		:: else
		fi;
		l = 0; do :: l < LCORES -> wsb!l,0; l++ :: else -> break od;
		atomic { found = 0; l = 0; do :: l < LCORES -> value[l] = 0; l++ :: else -> break od; l = 0 }
	od
}

byte n;
init {
	atomic {
		n = 0; do :: n < LCORES -> run Lcore(n); n++ :: else -> break od;
		run Worker()
	}
}

active proctype Judge()
{
	byte l;
	timeout -> do :: l < LCORES -> assert(taken[l] == ENTRIES); l++ :: else -> break od
}
