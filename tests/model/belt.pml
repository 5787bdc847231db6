/* One belt: a worker that may be killed at any store, its successor, the I/O lcore and the main lcore of a primary that
 * may itself be killed at any step and started again.
 *
 * Requests 1..N of one client in one bucket. The record holds the number of the last one applied; each applied request
 * writes an outbound cell and a reply; request REFUSED is undone by the worker, as one that exceeds max_undo_bytes is.
 * The client repeats, in order, what is unanswered when a primary has died.
 *
 * Memory is x86-TSO: stores of the worker wait in `sb`, first in, first out; its private words are its own. A kill stops
 * it between any two statements; what it has stored drains before its end can be seen. The primary's steps are one store
 * each where a crash in between matters (recovery); the rest of an lcore's turn, which nobody else sees, is one step.
 *
 * What is asserted: requests are applied once and in order; replies once and in order, none before it is settled; cells
 * once, in order, with their entry; after each recovery the record is what settled entries have left. */

#ifndef N
#define N 3
#endif
#ifndef KILLS
#define KILLS 1   /* of workers */
#endif
#ifndef CRASHES
#define CRASHES 1 /* of primaries */
#endif
#ifndef BURST
#define BURST 3
#endif
#ifndef JCAP
#define JCAP 2 /* undo records that the journal holds; an entry needs one: the third of a burst settles early */
#endif
#ifndef BUF
#define BUF 2 /* store buffer */
#endif
#ifndef SLOTS
#define SLOTS 4
#endif
#define OUT 2
#ifndef REFUSED
#define REFUSED 2
#endif
#define DROPPED 100

/* ---- memory ---- */
byte m_offered, m_out_taken;                 /* w: primary */
byte m_done, m_filled;                       /* w: worker, after its end the primary */
byte m_used, m_first, m_undo[JCAP], m_rec;   /* w: worker, after its end the primary */
byte m_verdict[SLOTS], m_cell[OUT];          /* w: worker; a cell is cause * 8 + request */
byte m_slot[SLOTS];                          /* w: primary; request, + 64 if the client has repeated it */

mtype = { DONE, FILLED, USED, FIRST, UNDO, REC, VERDICT, CELL };
chan sb = [BUF] of { mtype, byte, byte };

/* ghosts: the record after each entry, and after the last settled one */
byte after[SLOTS], settled;

bit alive, spawn, killed, pkilled;
byte kills = KILLS, crashes = CRASHES;
byte sent, answered, celled, crashed; /* client: requests sent, answered; cells that arrived; primaries that died */

active proctype StoreBuffer()
{
	mtype what; byte at, v;
	do
	:: d_step { sb?what,at,v;
		if
		:: what == DONE -> m_done = v; settled = after[(v + SLOTS - 1) % SLOTS]
		:: what == FILLED -> m_filled = v
		:: what == USED -> m_used = v
		:: what == FIRST -> m_first = v
		:: what == UNDO -> m_undo[at] = v
		:: what == REC -> m_rec = v
		:: what == VERDICT -> m_verdict[at] = v
		:: what == CELL -> m_cell[at] = v
		fi; what = 0; at = 0; v = 0 }
	od
}

active proctype Killer()
{
	do
	:: atomic { kills > 0 && alive && !killed -> kills--; killed = 1 }
	:: atomic { crashes > 0 && !pkilled -> crashes--; pkilled = 1 }
	od
}

/* ---- worker ---- */
byte w_done, w_filled, w_used, w_rec, w_pos, w_end, w_req, w_was;
bit w_again;
#define PRIOR(r) ((r) - 1 == REFUSED -> (r) - 2 : (r) - 1)
#define WANT(r)  ((r) == 0 -> 0 : PRIOR(r))

inline open_burst(position) /* shared/journal.c:journal_open */
{
	sb!FIRST,0,position
}

inline settle() /* workers/runtime/txn.c:txn_settle */
{
#ifdef M_USED_BEFORE_DONE
	sb!USED,0,0;
#endif
#ifdef M_DONE_BEFORE_FILLED
	sb!DONE,0,w_pos;
#endif
	sb!FILLED,0,w_filled;      /* shared/belt_consumer.h:belt_settle */
	sb!DONE,0,w_pos;           /* shared/belt_consumer.h:belt_settle */
#ifdef M_HEADER_WHILE_USED
	sb!FIRST,0,w_pos;
#endif
	sb!USED,0,0;               /* shared/journal.c:journal_clear */
	d_step { w_done = w_pos; w_used = 0 }
}

inline handle() /* workers/runtime/loop.c:run_packet */
{
	/* workers/runtime/txn.h:txn_begin; workers/runtime/txn.c:txn_settle_early */
	if
	:: w_used + 1 > JCAP -> settle();
#ifndef M_EARLY_SETTLE_WITHOUT_HEADER
		open_burst(w_pos)
#endif
	:: else
	fi;
	d_step { w_req = m_slot[w_pos % SLOTS] % 64; w_again = m_slot[w_pos % SLOTS] / 64; w_was = w_rec };
	if
	:: w_again && w_req <= w_rec ->        /* workers/plugins/game/move.c:game_move, a repeat: answered from the record */
		atomic { sb!VERDICT,(w_pos % SLOTS),w_req; after[w_pos % SLOTS] = w_rec }
	:: w_again && w_req == REFUSED && w_rec >= REFUSED -> atomic { sb!VERDICT,(w_pos % SLOTS),DROPPED; after[w_pos % SLOTS] = w_rec }
	:: else ->
		assert(w_rec == WANT(w_req)); /* once and in order */
#ifdef M_SAVE_AFTER_WRITE
		sb!REC,0,w_req;
		sb!UNDO,w_used,w_was;
		sb!USED,0,w_used + 1;
#else
		sb!UNDO,w_used,w_was;   /* workers/sdk/baton.h:baton_save */
		sb!USED,0,w_used + 1;   /* workers/sdk/baton.h:baton_save */
		sb!REC,0,w_req;         /* workers/plugins/game/move.c:game_move */
#endif
		w_used++;
		sb!CELL,(w_filled % OUT),(w_pos * 8 + w_req); /* workers/runtime/outbox.c:baton_post */
		w_filled++;
		if
		:: w_req == REFUSED ->  /* workers/runtime/txn.c:txn_refuse, shared/journal.c:journal_undo_to */
			sb!REC,0,w_was;
			d_step { w_used--;
#ifndef M_REFUSED_KEEPS_CELLS
			w_filled--
#endif
			};
			sb!USED,0,w_used;
			atomic { sb!VERDICT,(w_pos % SLOTS),DROPPED; after[w_pos % SLOTS] = w_was }
		:: else ->              /* workers/runtime/txn.h:txn_end */
			atomic { sb!VERDICT,(w_pos % SLOTS),w_req; w_rec = w_req; after[w_pos % SLOTS] = w_req }
		fi
	fi;
	w_pos++
}

active proctype Worker()
{
start:	atomic { spawn -> spawn = 0; alive = 1 };
	{
		/* workers/runtime/txn.c:txn_bind, shared/belt.c:belt_consumer_init */
#if !defined(M_ONLY_VALID_CLEARED) && !defined(M_REDELIVERY_BEFORE_UNDO)
		assert(m_used == 0);
#endif
		d_step { w_done = m_done; w_filled = m_filled; w_rec = m_rec; w_used = 0 };
	do
		:: m_offered != w_done ->  /* workers/runtime/loop.c:loop_turn, shared/belt_consumer.h:belt_take */
			d_step { w_end = (m_offered - w_done < BURST -> m_offered : w_done + BURST); w_pos = w_done };
			open_burst(w_pos);     /* workers/runtime/txn.c:txn_open */
			do                     /* workers/runtime/loop.c:run_burst */
			:: w_pos != w_end && w_filled + 1 - m_out_taken <= OUT -> handle()
			:: w_pos == w_end -> break
			:: w_pos != w_end && w_filled + 1 - m_out_taken > OUT -> break
			od;
			settle();
			if /* nothing was handled for want of cells: waits, instead of turning round */
			:: w_pos == w_end
			:: w_pos != w_end -> w_filled + 1 - m_out_taken <= OUT
			fi
		od
	} unless { killed };
	/* killed stays up until the buffer has drained: then the end can be seen (workers/zygote: waitid) */
	atomic { empty(sb); alive = 0; killed = 0;
		w_done = 0; w_filled = 0; w_used = 0; w_rec = 0; w_pos = 0; w_end = 0; w_req = 0; w_was = 0; w_again = 0 };
	goto start
}

/* ---- primary ---- */
byte p_offered, p_reaped, p_out, p_shadow[SLOTS]; /* shared/belt_producer.h:belt_producer_init */
byte pend[N + 1], pends;                          /* primary/datapath/pending.h:pending_append */
bit orphaned;                                     /* the bucket waits for an owner */
byte t_done, t_filled, i, j, k;
#define ROOM (p_offered - p_reaped < SLOTS)

inline offer(entry) /* primary/datapath/steer.c:offer_entry, shared/belt_producer.h:belt_offer, belt_publish */
{
	p_shadow[p_offered % SLOTS] = entry;
	m_slot[p_offered % SLOTS] = entry;
	p_offered++;
	m_offered = p_offered
}

inline reap() /* primary/datapath/reap.c:reap_slot, of t_done and t_filled */
{
	do
	:: p_reaped != t_done ->
		assert(p_reaped < p_offered);
		i = p_shadow[p_reaped % SLOTS] % 64;
		k = m_verdict[p_reaped % SLOTS];
		assert((i == REFUSED && k == DROPPED) || (k == i)); /* whole, and of this entry */
		assert(i == answered + 1);  /* in order, once; nothing is answered twice, as the client repeats what is not */
		assert(m_done > p_reaped);  /* commit before emit */
#ifdef M_SETTLED_REPLY_DROPPED
		if :: alive -> answered++ :: else fi;
#else
		answered++;
#endif
		do /* primary/datapath/emit.c:emit_cells */
		:: p_out != t_filled && m_cell[p_out % OUT] / 8 == p_reaped ->
			k = m_cell[p_out % OUT] % 8;
			assert(k == i && k != REFUSED);
			assert(k == celled + 1 || k == celled + 2 && k - 1 == REFUSED || crashed && k > celled);
			celled = k; p_out++
		:: else -> break
		od;
		/* each applied entry has its cell: a repeat after a crash had one that was lost */
		assert(celled == i || i == REFUSED || p_shadow[p_reaped % SLOTS] / 64);
		p_reaped++
	:: else -> break
	od;
	assert(p_out == t_filled || m_cell[p_out % OUT] / 8 >= p_reaped); /* primary/datapath/reap.c:end_cells */
	m_out_taken = p_out;
	i = 0; k = 0; t_done = 0; t_filled = 0
}

inline load_commit_words() /* primary/datapath/reap.c:reap_ready */
{
#ifdef M_FILLED_LOADED_BEFORE_DONE
	t_filled = m_filled;
	t_done = m_done
#else
	t_done = m_done;    /* shared/belt_producer.h:belt_settled */
	t_filled = m_filled /* shared/belt_producer.h:belt_out_waiting */
#endif
}

inline roll_back() /* shared/journal.c:journal_roll_back */
{
	d_step { j = m_used; k = (j != 0 && m_first >= m_done) };
#ifdef M_USED_BEFORE_UNDO
	m_used = 0;
#endif
#ifndef M_NO_UNDO
	if
	:: k ->
#ifdef M_UNDO_FORWARDS
		i = 0;
		do :: i < j -> d_step { m_rec = m_undo[i]; i++ } :: else -> break od;
#else
		i = j;
		do :: i > 0 -> d_step { i--; m_rec = m_undo[i] } :: else -> break od;
#endif
	:: else
	fi;
#endif
#ifdef M_ONLY_VALID_CLEARED
	if :: k -> m_used = 0 :: else fi;
#else
	m_used = 0;
#endif
	d_step { i = 0; j = 0; k = 0; assert(m_rec == settled) } /* what settled entries have left, no more and no less */
}

inline take_back() /* primary/datapath/death.c:take_back: unsettled entries in front of what waits */
{
	d_step {
#ifdef M_APPEND_AT_DEATH
		do
		:: p_reaped < p_offered -> pend[pends] = p_shadow[p_reaped % SLOTS]; pends++; p_reaped++
		:: else -> break
		od;
#else
		i = p_offered;
		do
		:: i > p_reaped -> i--;
			j = pends;
			do :: j > 0 -> pend[j] = pend[j - 1]; j-- :: else -> break od;
			pend[0] = p_shadow[i % SLOTS]; pends++
		:: else -> break
		od;
#endif
		i = 0; j = 0; p_reaped = p_offered
	}
}

inline death() /* primary/datapath/death.c:death_take_over */
{
	orphaned = 1;                   /* orphan_buckets */
#ifdef M_SETTLED_CELLS_DROPPED
	p_out = m_filled;
#endif
#ifndef M_NO_FINAL_REAP
	d_step { load_commit_words(); reap() }; /* primary/datapath/death.c:final_reap */
#endif
	take_back();
#ifndef M_UNSETTLED_CELLS_KEPT
	p_out = m_filled;
#endif
	m_out_taken = p_out;
#ifdef M_REDELIVERY_BEFORE_UNDO
	d_step { m_done = p_offered; orphaned = 0; spawn = 1 };
	alive;
#endif
#ifdef M_DONE_BEFORE_UNDO
	m_done = p_offered;
#endif
	roll_back();                    /* primary/datapath/datapath.c:recover */
	m_done = p_offered;             /* primary/datapath/death.c:death_done_on */
	d_step { orphaned = 0; spawn = 1 }
}

inline turn() /* primary/datapath/loop.c:io_turn */
{
	do
	:: d_step { sent < N && (orphaned || pends > 0 || !ROOM) && pends < N -> /* primary/datapath/steer.c:park; primary/datapath/message.c:message_steer when the belt is full */
		sent++; pend[pends] = sent + (crashed && sent <= j_again -> 64 : 0); pends++ }
	:: d_step { sent < N && !orphaned && pends == 0 && ROOM -> /* primary/datapath/steer.c:steer_burst */
		sent++; offer(sent + (crashed && sent <= j_again -> 64 : 0)) }
	:: d_step { !orphaned && pends > 0 && ROOM -> /* primary/datapath/steer.c:offer_waiting */
		offer(pend[0]); pends--;
		i = 0; do :: i < pends -> pend[i] = pend[i + 1]; i++ :: else -> break od; pend[pends] = 0; i = 0 }
#ifdef M_FILLED_LOADED_BEFORE_DONE
	:: t_filled = m_filled; m_done != p_reaped -> d_step { t_done = m_done; reap() }
#else
	:: m_done != p_reaped -> t_done = m_done; d_step { t_filled = m_filled; reap() }
#endif
#ifdef M_REAP_BEYOND_DONE
	:: d_step { p_reaped != p_offered -> t_done = p_offered; t_filled = m_filled; reap() }
#endif
	:: !alive && !spawn && !killed -> death() /* primary/control/worker_slot.c:bury */
	od
}

byte j_again; /* the client repeats requests up to this one */

active proctype Primary()
{
start:	{
		/* primary/control/state_file.c:state_file_init, shared/state_open.c:open_locked: the lock, then the file */
		if :: atomic { alive -> killed = 1 } :: else fi; /* the death signal, in its own time */
		!alive && !spawn && !killed;
		roll_back();                      /* primary/control/state_file.c:roll_back_all */
		d_step {                          /* shared/belt.c:belt_producer_init */
#ifdef M_POSITIONS_RESTART
			p_offered = 0;
#else
			p_offered = m_done;
#endif
			p_reaped = p_offered;
			m_offered = p_offered;
#ifdef M_STALE_CELLS
			p_out = m_out_taken;
#else
			p_out = m_filled;
#endif
			m_out_taken = p_out
		};
		spawn = 1;                        /* primary/control/worker_spawn.c:slot_spawn */
		turn()
	} unless { pkilled };
	d_step {
		crashed = 1; spawn = 0; pkilled = 0;
		j_again = (sent > j_again -> sent : j_again);
		sent = answered;
		p_offered = 0; p_reaped = 0; p_out = 0; pends = 0; orphaned = 0; t_done = 0; t_filled = 0; i = 0; j = 0; k = 0;
		do :: i < SLOTS -> p_shadow[i] = 0; i++ :: else -> break od;
		i = 0; do :: i < N + 1 -> pend[i] = 0; i++ :: else -> break od; i = 0
	};
	goto start
}

/* When nothing more can happen, all has happened: a packet that was lost or a process that waits for ever shows here. */
active proctype Judge()
{
	timeout -> assert(answered == N && empty(sb) && m_rec == (N == REFUSED -> N - 1 : N))
}
