/* A bucket that moves from worker to worker while workers are killed anywhere: each I/O lcore, each worker and the main
 * lcore go their own pace.
 *
 * Every I/O lcore receives PACKETS packets of a flow of its own, all for the one bucket; each posts a message to the
 * bucket. A worker's transaction is two steps, the change and the settle; a kill in between is undone by the main lcore,
 * as belt.pml shows of the stores. Belts never fill up. One bucket: where its entries wait is one list per lcore, whose
 * name (of the move, or the orphans of a slot) stands in the steering table.
 *
 * What is asserted: packets and messages are handled once, in the order of their lcore, by the only owner of the bucket;
 * replies leave once and in order; in the end all have. */

#ifndef LCORES
#define LCORES 2
#endif
#ifndef SLOTS
#define SLOTS 3 /* two workers and a spare */
#endif
#ifndef PACKETS
#define PACKETS 1
#endif
#ifndef KILLS
#define KILLS 1
#endif
#ifndef MOVES
#define MOVES 1 /* that an operator asks for */
#endif
#define DEPTH (2 * PACKETS + 2)
#define WAITING_MOST (2 * PACKETS)
#define NONE 0
#define LIST_MOVE 1
#define LIST_ORPHANS(s) (2 + (s))

mtype = { PACKET, MESSAGE, GRANT, REVOKE };
mtype = { ATTACH, MOVE, DEAD };
mtype = { IDLE, REVOKING, WAITING, GRANTING, DRAINING, WATCHING };

/* ---- belts: entries offered and not reaped, the first of them settled ---- */
typedef Belt { mtype kind[DEPTH]; byte value[DEPTH]; byte count, settled };
typedef Row { Belt belt[SLOTS] };
Row at[LCORES];

/* ---- workers ---- */
bit up[SLOTS], gone[SLOTS];       /* runs; its end waits to be seen */
byte owned[SLOTS];                /* workers/runtime/control_loop.c:count_buckets: belts that have granted and not revoked */
mtype open_kind[SLOTS];           /* of the entry whose change is not settled; 0: none */
byte open_lcore[SLOTS];
byte handled[LCORES], heard[LCORES]; /* the records: last packet and message of each lcore */
byte kills = KILLS;

/* ---- I/O lcores ---- */
typedef View { bit attached[SLOTS], dead[SLOTS]; byte owner, list; mtype phase; byte revokes_open; byte count;
	mtype kind[WAITING_MOST]; byte value[WAITING_MOST]; byte sent, out, told };
View io[LCORES];
chan mailbox[LCORES] = [4] of { mtype, byte };

/* ---- main lcore ---- */
bit m_dead[SLOTS], m_recovered[SLOTS];
byte m_acks[SLOTS], m_attached[SLOTS], m_owner;
bit move_open, move_orphans, move_rolled_back;
byte move_from, move_to, move_revoked, move_ended;
byte moves = MOVES;

/* ---- worker ---- */
inline change(l, s)
{
	if
	:: at[l].belt[s].kind[at[l].belt[s].settled] == PACKET -> /* workers/runtime/loop.c:run_packet */
		assert(owned[s] > 0);
		assert(at[l].belt[s].value[at[l].belt[s].settled] == handled[l] + 1);
		handled[l]++
	:: at[l].belt[s].kind[at[l].belt[s].settled] == MESSAGE -> /* workers/runtime/loop.c:run_message */
		assert(owned[s] > 0);
		assert(at[l].belt[s].value[at[l].belt[s].settled] == heard[l] + 1);
		heard[l]++
	:: at[l].belt[s].kind[at[l].belt[s].settled] == GRANT -> /* workers/runtime/control_loop.c:run_grant */
		x = 0;
		do
		:: x < SLOTS -> assert(x == s || ((!up[x] || owned[x] == 0) && open_kind[x] == 0)); x++ /* one owner; nothing to undo */
		:: else -> break
		od;
		x = 0;
		owned[s]++
	:: at[l].belt[s].kind[at[l].belt[s].settled] == REVOKE -> /* workers/runtime/control_loop.c:run_revoke */
		assert(owned[s] > 0);
#ifdef M_BUCKET_DROPPED_AT_FIRST_REVOKE
		owned[s] = 0
#else
		owned[s]--
#endif
	fi;
	open_kind[s] = at[l].belt[s].kind[at[l].belt[s].settled];
	open_lcore[s] = l
}

proctype Worker(byte s)
{
	byte l, x;
	do /* workers/runtime/loop.c:loop_turn: one open burst over all belts */
	:: d_step { up[s] && open_kind[s] == 0 && at[0].belt[s].settled < at[0].belt[s].count -> l = 0; change(l, s) }
#if LCORES > 1
	:: d_step { up[s] && open_kind[s] == 0 && at[1].belt[s].settled < at[1].belt[s].count -> l = 1; change(l, s); l = 0 }
#endif
#if LCORES > 2
	:: d_step { up[s] && open_kind[s] == 0 && at[2].belt[s].settled < at[2].belt[s].count -> l = 2; change(l, s); l = 0 }
#endif
	:: d_step { up[s] && open_kind[s] != 0 -> /* workers/runtime/txn.c:txn_settle */
		at[open_lcore[s]].belt[s].settled++; open_kind[s] = 0; open_lcore[s] = 0 }
	:: d_step { up[s] && kills > 0 -> kills--; up[s] = 0; gone[s] = 1; owned[s] = 0 }
	od
}

/* ---- I/O lcore ---- */
inline offer(s, pk, pv) /* primary/datapath/steer.c:offer_entry, primary/datapath/steer.c:offer_control */
{
	at[l].belt[s].kind[at[l].belt[s].count] = pk;
	at[l].belt[s].value[at[l].belt[s].count] = pv;
	at[l].belt[s].count++
}

inline append(pk, pv) /* primary/datapath/pending.h:pending_append */
{
	io[l].kind[io[l].count] = pk; io[l].value[io[l].count] = pv; io[l].count++
}

inline prepend(pk, pv) /* primary/datapath/pending.h:pending_prepend */
{
	y = io[l].count;
	do
	:: y > 0 -> io[l].kind[y] = io[l].kind[y - 1]; io[l].value[y] = io[l].value[y - 1]; y--
	:: else -> break
	od;
	io[l].kind[0] = pk; io[l].value[0] = pv; io[l].count++
}

inline steer(pk, pv) /* primary/datapath/steer.c:steer_burst, primary/datapath/message.c:message_steer */
{
	if
	:: io[l].list == NONE -> y = io[l].owner; offer(y, pk, pv); y = 0
	:: else -> append(pk, pv)
	fi
}

/* The first entry of the belt, which is settled. */
inline reap(s) /* primary/datapath/reap.c:reap_slot */
{
	k = at[l].belt[s].kind[0]; v = at[l].belt[s].value[0];
	y = 1;
	do
	:: y < at[l].belt[s].count ->
		at[l].belt[s].kind[y - 1] = at[l].belt[s].kind[y]; at[l].belt[s].value[y - 1] = at[l].belt[s].value[y]; y++
	:: else -> break
	od;
	at[l].belt[s].count--; at[l].belt[s].settled--;
	at[l].belt[s].kind[at[l].belt[s].count] = 0; at[l].belt[s].value[at[l].belt[s].count] = 0;
	if
	:: k == PACKET -> assert(v == io[l].out + 1); io[l].out++; steer(MESSAGE, v) /* primary/datapath/emit.c:emit_message */
	:: k == MESSAGE -> assert(v == io[l].told + 1); io[l].told++ /* primary/datapath/reap.c:message_reaped */
	:: k == REVOKE -> /* primary/datapath/move.c:move_revoke_reaped */
		if
		:: io[l].phase == WAITING && io[l].revokes_open == 1 -> io[l].revokes_open = 0; move_revoked++
		:: else
		fi
	:: k == GRANT
	fi;
	k = 0; v = 0; y = 0
}

inline take_over(s) /* primary/datapath/death.c:death_take_over */
{
	if
	:: io[l].attached[s] ->
		/* primary/datapath/death.c:orphan_buckets, before the final reap posts messages */
		if :: io[l].owner == s && io[l].list == NONE -> io[l].list = LIST_ORPHANS(s) :: else fi;
#ifndef M_NO_FINAL_REAP
		do :: at[l].belt[s].settled > 0 -> reap(s) :: else -> break od; /* primary/datapath/death.c:final_reap */
#endif
		/* primary/datapath/death.c:take_back: youngest first, each in front */
#ifdef M_APPEND_AT_DEATH
		z = 0;
		do
		:: z < at[l].belt[s].count ->
			if :: at[l].belt[s].kind[z] == PACKET || at[l].belt[s].kind[z] == MESSAGE -> k = at[l].belt[s].kind[z]; v = at[l].belt[s].value[z]; append(k, v)
			:: else fi; z++
		:: else -> break
		od;
#else
		z = at[l].belt[s].count;
		do
		:: z > 0 -> z--;
			if :: at[l].belt[s].kind[z] == PACKET || at[l].belt[s].kind[z] == MESSAGE -> k = at[l].belt[s].kind[z]; v = at[l].belt[s].value[z]; prepend(k, v)
			:: else fi
		:: else -> break
		od;
#endif
		do
		:: at[l].belt[s].count > 0 -> at[l].belt[s].count--;
			at[l].belt[s].kind[at[l].belt[s].count] = 0; at[l].belt[s].value[at[l].belt[s].count] = 0
		:: else -> break
		od;
		at[l].belt[s].settled = 0; z = 0; y = 0; k = 0; v = 0
	:: else
	fi;
	io[l].attached[s] = 0; io[l].dead[s] = 1; m_acks[s]++
}

inline begin() /* primary/datapath/move.c:move_begin */
{
	io[l].owner = move_from; io[l].list = LIST_MOVE; /* primary/datapath/move.c:move_point */
	if
	:: move_orphans -> io[l].phase = WAITING; move_revoked++
	:: else -> io[l].phase = REVOKING
	fi
}

#ifdef M_DEAD_TARGET_CHOSEN
#define TARGET_DIED 0
#else
#define TARGET_DIED io[l].dead[move_to] /* primary/datapath/move.c:target_died */
#endif
#ifdef M_GRANT_AFTER_OWN_REVOKE
#define MAY_GRANT (io[l].revokes_open == 0)
#else
#ifdef M_GRANT_BEFORE_UNDO
#define MAY_GRANT (move_revoked == LCORES || move_rolled_back || io[l].dead[move_from])
#else
#define MAY_GRANT (move_revoked == LCORES || move_rolled_back) /* primary/datapath/move.c:move_may_grant */
#endif
#endif

inline fail() /* primary/datapath/move.c:move_fail */
{
	io[l].owner = move_to; io[l].list = LIST_ORPHANS(move_to);
	io[l].phase = IDLE; io[l].revokes_open = 0; move_ended++ /* primary/datapath/move.c:move_end */
}

inline drain() /* primary/datapath/move.c:move_drain, primary/datapath/steer.c:offer_waiting */
{
	z = 0;
	do
	:: z < io[l].count -> k = io[l].kind[z]; v = io[l].value[z]; offer(move_to, k, v); io[l].kind[z] = 0; io[l].value[z] = 0; z++
	:: else -> break
	od;
	z = 0; k = 0; v = 0; io[l].count = 0;
	io[l].owner = move_to; io[l].list = NONE
}

proctype Lcore(byte l)
{
	byte s, v, y, z; mtype k;
	do
	:: d_step { mailbox[l]?[ATTACH,_] -> mailbox[l]?ATTACH,s; /* primary/datapath/housekeep.c:attach */
		io[l].attached[s] = 1; io[l].dead[s] = 0; m_attached[s]++; s = 0 }
	:: d_step { mailbox[l]?[MOVE,_] -> mailbox[l]?MOVE,s; begin(); s = 0 }
	:: d_step { mailbox[l]?[DEAD,_] -> mailbox[l]?DEAD,s; take_over(s); s = 0 }
	:: d_step { io[l].sent < PACKETS -> io[l].sent++; steer(PACKET, io[l].sent) } /* primary/datapath/rx.c:rx_port */
	/* primary/datapath/reap.c:reap_all */
	:: d_step { io[l].attached[0] && at[l].belt[0].settled > 0 -> reap(0) }
	:: d_step { io[l].attached[1] && at[l].belt[1].settled > 0 -> reap(1) }
#if SLOTS > 2
	:: d_step { io[l].attached[2] && at[l].belt[2].settled > 0 -> reap(2) }
#endif
	/* primary/datapath/move.c:move_step; between two phases other turns may come, as the belt may be full */
	:: d_step { io[l].phase == REVOKING -> io[l].phase = WAITING;
		if :: !io[l].dead[move_from] -> offer(move_from, REVOKE, 0); io[l].revokes_open = 1 :: else fi }
	:: d_step { io[l].phase == WAITING && MAY_GRANT ->
		if :: TARGET_DIED -> fail() :: else -> io[l].phase = GRANTING fi }
	:: d_step { io[l].phase == GRANTING ->
		if :: TARGET_DIED -> fail() :: else -> offer(move_to, GRANT, 0); io[l].phase = DRAINING fi }
#ifdef M_DIRECT_BEFORE_LIST_IS_EMPTY
	:: d_step { io[l].phase == GRANTING && !TARGET_DIED -> offer(move_to, GRANT, 0); io[l].phase = DRAINING;
		io[l].owner = move_to; io[l].list = NONE }
#endif
	:: d_step { io[l].phase == DRAINING ->
		if :: TARGET_DIED -> fail() :: else -> drain(); io[l].phase = WATCHING fi }
	:: d_step { io[l].phase == WATCHING -> io[l].phase = IDLE; io[l].revokes_open = 0; move_ended++ }
	od
}

/* ---- main lcore ---- */
inline post(what, slot) /* primary/datapath/datapath.c:post */
{
	x = 0; do :: x < LCORES -> mailbox[x]!what,slot; x++ :: else -> break od; x = 0
}

inline ask(target, orphans) /* primary/datapath/datapath.c:datapath_move */
{
	move_open = 1; move_from = m_owner; move_to = target; move_orphans = orphans;
	move_revoked = 0; move_ended = 0; move_rolled_back = 0;
	post(MOVE, 0)
}

#define MAY_GET(t) (t != m_owner && !m_dead[t] && m_attached[t] == LCORES)

inline undo(s) /* shared/state.c:state_roll_back */
{
	if
	:: open_kind[s] == PACKET -> handled[open_lcore[s]]--
	:: open_kind[s] == MESSAGE -> heard[open_lcore[s]]--
	:: else
	fi;
	open_kind[s] = 0; open_lcore[s] = 0
}

#ifdef M_RECOVERED_AT_FIRST_LCORE
#define ENOUGH 1
#else
#define ENOUGH LCORES
#endif

proctype Slot(byte s) /* the main lcore, as far as slot s is concerned: its turns are one step each, in any order */
{
	byte x;
	do
	:: d_step { moves > 0 && !move_open && !m_dead[m_owner] && MAY_GET(s) -> moves--; ask(s, 0) } /* primary/control/transfer.c:ask_move */
	:: d_step { gone[s] && !m_dead[s] -> gone[s] = 0; m_dead[s] = 1; m_recovered[s] = 0; m_acks[s] = 0; m_attached[s] = 0;
		post(DEAD, s) } /* primary/datapath/datapath.c:datapath_slot_dead */
	/* primary/datapath/datapath.c:recover, in two steps: undo; then done moves on and a waiting move may grant */
	:: m_dead[s] && !m_recovered[s] && m_acks[s] >= ENOUGH ->
		d_step { undo(s) };
		d_step {
			x = 0;
			do :: x < LCORES -> at[x].belt[s].settled = at[x].belt[s].count; x++ :: else -> break od; x = 0;
			if :: move_open && move_from == s -> move_rolled_back = 1 :: else fi;
			m_recovered[s] = 1
		}
	:: d_step { move_open && move_to == s && move_ended == LCORES -> m_owner = s; move_open = 0; /* primary/datapath/datapath.c:datapath_move_done */
		move_from = 0; move_to = 0; move_revoked = 0; move_ended = 0; move_rolled_back = 0; move_orphans = 0 }
	/* primary/control/supervisor.c:poll_worker: what a dead and recovered slot owned goes to a live one */
	:: d_step { !move_open && m_dead[m_owner] && m_recovered[m_owner] && MAY_GET(s) -> ask(s, 1) }
	/* primary/datapath/datapath.c:datapath_slot_recovered, primary/control/worker_spawn.c:slot_spawn: the slot is used again */
	:: d_step { m_dead[s] && m_recovered[s] && m_owner != s && !(move_open && (move_from == s || move_to == s)) ->
		m_dead[s] = 0; m_recovered[s] = 0; up[s] = 1; owned[s] = 0;
		post(ATTACH, s) } /* primary/datapath/datapath.c:datapath_slot_attach */
	od
}

init
{
	byte l, s;
	atomic {
		do
		:: l < LCORES ->
			s = 0; do :: s < SLOTS -> io[l].attached[s] = 1; s++ :: else -> break od;
			io[l].phase = IDLE; l++
		:: else -> break
		od;
		owned[0] = LCORES;
		s = 0; do :: s < SLOTS -> up[s] = 1; m_attached[s] = LCORES; run Worker(s); run Slot(s); s++ :: else -> break od;
		l = 0; do :: l < LCORES -> run Lcore(l); l++ :: else -> break od;
		l = 0; s = 0
	}
	timeout -> atomic {
		do
		:: l < LCORES ->
			assert(io[l].sent == PACKETS && io[l].out == PACKETS && io[l].told == PACKETS);
			assert(handled[l] == PACKETS && heard[l] == PACKETS); l++
		:: else -> break
		od;
		assert(!move_open && up[m_owner])
	}
}
