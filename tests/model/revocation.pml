/*
 * revocation.pml - may a worker honour a record that was revoked longer ago than max_staleness?
 *
 * A model of the protocol between workers and the store, for spin. README.md explains it to readers
 * who do not know spin. Every step of a worker names the functions of auth/ and proxy/ that it
 * stands for.
 */

/* ---- sizes (run.sh sets them) ---- */

#ifndef WORKERS
#define WORKERS 1
#endif
#ifndef KEYS
#define KEYS 1 /* records that a request rests on: a token, a job */
#endif
#ifndef CHANGES
#define CHANGES 2 /* records revoked or granted, all records flushed */
#endif
#ifndef FAILOVERS
#define FAILOVERS 1
#endif
#ifndef DROPS
#define DROPS 1 /* connections that Redis gives up without the worker's noticing */
#endif
#ifndef BREAKS
#define BREAKS true /* whether workers may lose their connections, at any time and any number of times */
#endif

#ifndef B
#define B 3 /* max_staleness, in ticks */
#endif

/* A moment, as a countdown: 0 is 0 in the code, too; PASSED; PASSED + n: n ticks from now; NEVER: UINT64_MAX. */
#define PASSED 1
#define NEVER 15

#ifndef LIMIT
#define LIMIT B
#endif

/* ---- wrong variants: each has to fail ---- */

#define RING 2 /* EPOCHS_MAX, made small */
#ifndef REMEMBERED
#define REMEMBERED (RING - 1) /* past epochs that proved_until() relies on */
#endif

#ifndef IGNORE_OVERTAKEN
#define IGNORE_OVERTAKEN false
#endif
#ifndef IGNORE_ASKED
#define IGNORE_ASKED false
#endif

#ifdef UNTIL_FROM_END
#define PROVED(w) (PASSED + B)
#else
#define PROVED(w) (worker[w].proof_age >= B -> PASSED : PASSED + B - worker[w].proof_age)
#endif

/* Good times: connections break for a failover alone, and time goes on when all is done. */
#ifdef GOOD_TIMES
#define BAD_TIMES false
#else
#define BAD_TIMES true
#endif

/* ---- the store ---- */

mtype = { PUSH_ALL, PONG }; /* what else than a key may come over the push connection */

bool revoked0[KEYS], revoked1[KEYS]; /* what the two servers say; 1 is promoted by the failover */
byte age[KEYS]; /* ticks since the record was revoked, as far as history survives */
unsigned changes : 3;	/* that have been made */
unsigned drops : 3;
bool elected; /* the server that takes changes */
#ifdef LATE_SENTINELS
bool named; /* the server that most sentinels name */
#else
#define named elected
#endif
bool diverging; /* server 1 no longer receives what server 0 does: those changes will be lost */

/* ---- a worker ---- */

/* enum tracker_state: FINDING is part of WAITING, IDENTIFYING and ARMING are part of CONNECTING */
#define WAITING 0
#define CONNECTING 1
#define PROVING 2
#define UP 3

/* parts of a proof */
#define PROOF_SENTINELS 1
#define PROOF_DATA 2 /* and PROOF_ROLE */
#define PROOF_PUSH 4

#ifndef ALL_PARTS
#define ALL_PARTS (PROOF_SENTINELS + PROOF_DATA + PROOF_PUSH)
#endif

/* entry->known */
#define UNKNOWN 0
#define GRANTED 1
#define REFUSED 2

/* entry->read_epoch, counted back from the directory's epoch */
#define CHANGED 0			    /* read_epoch == 0 */
#define CURRENT 1			    /* entry_is_current() */
#define FORGOTTEN (CURRENT + REMEMBERED + 1) /* this, and all before it */

/* a read under way */
#define NO_READ 0
#define SENT 1	   /* Redis has not executed it */
#define FOUND 2	   /* the reply, on its way: it lets in */
#define MISSING 3  /* or it does not */

/* an exchange */
#define IDLE 0
#define ALLOWED 1    /* EXCHANGE_CONNECTING: it watches its records */
#define CLOCK_READ 2 /* the last thing before the head leaves */
#define RUNNING 3

typedef Entry {
	unsigned known : 2;
	unsigned epoch : 3;
	unsigned until : 3; /* with CHANGED: the watchers may rely on it before this */
	unsigned read : 2;
	bool overtaken;
	bool asked_past; /* asked_epoch != epoch */
};

typedef Worker {
	unsigned tracker : 2;
	bool place; /* the server that its connections lead to */
	/* what that server has of them */
	bool has_data;	    /* the data connection, with what it tracks */
	bool has_push;	    /* the push connection */
	bool tracked[KEYS];
	bool pinged; /* a PING waits there */
	/* the proof under way */
	bool proving;
	unsigned proof_age : 3; /* ticks since it began */
	unsigned missing : 3;
	/* the directory */
	bool linked;
	bool expired;
	unsigned epoch : 1;	/* modulo RING */
	unsigned until : 3;	/* what was read in this epoch may be relied on before this */
	byte ended[RING]; /* ended_until_ms: the same of past epochs, as it was at their end */
	unsigned stale_due : 4;
	Entry entry[KEYS];
	/* an exchange that rests on all records */
	unsigned exchange : 2;
};

Worker worker[WORKERS];

/* On the push connection, in this order. */
chan pushes[WORKERS] = [CHANGES + 1] of { byte };

#define KEY(k) (10 + (k))

#define watched(w) (worker[w].exchange != IDLE)
#define entry_(w, k) worker[w].entry[k]
#define current(w, k) (entry_(w, k).epoch == CURRENT)
#define reading(w, k) (entry_(w, k).read != NO_READ)

/* Locals of the steps, no part of the state. A search for the shortest counterexample knows no hidden ones. */
#ifdef SHORTEST
byte i, j, u, message;
#else
hidden byte i, j, u, message;
#endif
bool survived; /* the exchange of a worker has seen a reconnect */

/* ---- witnesses: what must be possible; run.sh expects to find each ---- */

#ifdef WITNESS
#define witness(n, condition) if :: WITNESS == n && (condition) -> assert(false) :: else fi
#else
#define witness(n, condition) skip
#endif

/* ---- the directory ---- */

/* proved_until() of entry.c, into u */
inline entry_until(w, k)
{
	if
	:: entry_(w, k).epoch == CURRENT -> u = worker[w].until
	:: entry_(w, k).epoch == CHANGED -> u = entry_(w, k).until
	:: entry_(w, k).epoch > CURRENT && entry_(w, k).epoch < FORGOTTEN ->
		u = worker[w].ended[(worker[w].epoch + 4 * RING - (entry_(w, k).epoch - CURRENT)) % RING]
	:: entry_(w, k).epoch >= FORGOTTEN -> u = 0
	fi
}

/* The part of entry_join() for entries in the lists stale and refreshing. */
inline entry_join(w, k)
{
	entry_until(w, k);
	if
	:: u > 0 && u < worker[w].stale_due -> worker[w].stale_due = u
	:: else
	fi
}

/*
 * entry_settle(): an entry that is not watched and not current is worth nothing. What no step will
 * look at again is set to 0 here, too, so that there are fewer states.
 */
inline tidy(w)
{
	i = 0;
	j = 0; /* the oldest epoch that matters */
	do
	:: i < KEYS ->
		if
		:: !watched(w) && !current(w, i) ->
			entry_(w, i).known = UNKNOWN;
			entry_(w, i).epoch = CHANGED;
			entry_(w, i).until = 0
		:: else
		fi;
		if
		:: entry_(w, i).epoch > CURRENT && entry_(w, i).epoch < FORGOTTEN && entry_(w, i).epoch > j ->
			j = entry_(w, i).epoch
		:: else
		fi;
		i++
	:: else -> break
	od;
	if
	:: !watched(w) -> worker[w].stale_due = NEVER
	:: else
	fi;
	if
	:: j == 0 ->
		worker[w].epoch = 0;
		worker[w].ended[0] = 0;
		worker[w].ended[1] = 0
	:: j == CURRENT + 1 -> /* the last one alone */
		worker[w].ended[worker[w].epoch] = 0
	:: else
	fi
}

/* exchange_end(), and exchange_refuse() of one that runs: jg_directory_unwatch() */
inline exchange_end(w)
{
	survived = false;
	worker[w].exchange = IDLE
}

/* entry_set_stale() */
inline entry_set_stale(w, k)
{
	entry_until(w, k);
	entry_(w, k).until = u;
	entry_(w, k).epoch = CHANGED;
	if
	:: watched(w) -> entry_join(w, k)
	:: else
	fi
}

/* begin_epoch() */
inline begin_epoch(w)
{
	worker[w].ended[worker[w].epoch % RING] = worker[w].until;
	i = 0;
	do
	:: i < KEYS ->
		if
		:: watched(w) && current(w, i) && worker[w].until < worker[w].stale_due ->
			worker[w].stale_due = worker[w].until
		:: else
		fi;
		if
		:: entry_(w, i).epoch >= CURRENT && entry_(w, i).epoch < FORGOTTEN -> entry_(w, i).epoch++
		:: else
		fi;
		entry_(w, i).asked_past = reading(w, i);
		i++
	:: else -> break
	od;
	worker[w].epoch = (worker[w].epoch + 1) % RING
}

/* jg_directory_good(): the proof that has ended began proof_age ticks ago */
inline directory_good(w)
{
	if
	:: PROVED(w) > worker[w].until ->
		worker[w].until = PROVED(w);
		worker[w].expired = false
	/* Both have passed, and the later one may be the new one. */
	:: PROVED(w) == PASSED && worker[w].until == PASSED -> worker[w].expired = false
	:: else
	fi
}

/* jg_directory_tick() by a clock that has just been read; also what its callbacks do:
 * exchange_judge_again() ends the exchange when one of its records is past its bound */
inline directory_tick(w)
{
	if
	:: !worker[w].expired && worker[w].until <= PASSED ->
		worker[w].expired = true;
		i = 0;
		do
		:: i < KEYS ->
			if
			:: watched(w) && current(w, i) -> exchange_end(w)
			:: else
			fi;
			i++
		:: else -> break
		od
	:: else
	fi;
	if
	:: worker[w].stale_due == PASSED ->
		worker[w].stale_due = NEVER;
		i = 0;
		do
		:: i < KEYS ->
			if
			:: watched(w) && !current(w, i) ->
				entry_until(w, i);
				if
				:: u > PASSED && u < worker[w].stale_due -> worker[w].stale_due = u
				:: u > PASSED && u >= worker[w].stale_due
				:: u <= PASSED -> exchange_end(w)
				fi
			:: else
			fi;
			i++
		:: else -> break
		od
	:: else
	fi;
	tidy(w)
}

/* jg_directory_due_ms() has come */
#define due(w) ((!worker[w].expired && worker[w].until <= PASSED) || worker[w].stale_due == PASSED)

/* ---- the store's side ---- */

#define says_revoked(server, k) ((!(server) && revoked0[k]) || ((server) && revoked1[k]))
#define is_revoked(k) says_revoked(elected, k)

inline forget_tracked(w)
{
	i = 0;
	do
	:: i < KEYS -> worker[w].tracked[i] = false; i++
	:: else -> break
	od;
	skip
}

/* Redis tells the worker of a change to what it has read, once for each read. */
inline push(w, k, message)
{
	if
	:: worker[w].tracked[k] && worker[w].has_push && worker[w].place == elected ->
		pushes[w]!message
	:: else
	fi;
	if
	:: worker[w].place == elected -> worker[w].tracked[k] = false
	:: else
	fi
}

/* The change is made at the server that is elected. Before the failover it may get lost with it. */
inline set_revoked(k, to)
{
	if
	:: !elected -> revoked0[k] = to
	:: else
	fi;
	if
	:: elected || !diverging -> revoked1[k] = to
	:: else
	fi;
	age[k] = 0
}

inline change(k)
{
	printf("store: record %d is %d (1: revoked)\n", k, !is_revoked(k));
	changes++;
	set_revoked(k, !is_revoked(k));
	j = 0;
	do
	:: j < WORKERS -> push(j, k, KEY(k)); j++
	:: else -> break
	od;
	skip
}

inline flush_all()
{
	printf("store: FLUSHALL\n");
	changes++;
	i = 0;
	do
	:: i < KEYS ->
		if
		:: !is_revoked(i) -> set_revoked(i, true)
		:: else
		fi;
		i++
	:: else -> break
	od;
	j = 0;
	do
	:: j < WORKERS ->
		if
		:: worker[j].has_data && worker[j].has_push && worker[j].place == elected ->
			pushes[j]!PUSH_ALL
		:: else
		fi;
		i = 0;
		do
		:: i < KEYS && worker[j].place == elected -> worker[j].tracked[i] = false; i++
		:: else -> break
		od;
		j++
	:: else -> break
	od;
	skip
}

/*
 * Most sentinels name server 1 from now on. Changes that it never received never happened; where
 * that takes a grant back, this is the moment of revocation.
 */
inline failover()
{
	printf("store: failover\n");
	i = 0;
	do
	:: i < KEYS ->
		if
		:: !revoked1[i] || !revoked0[i] -> age[i] = 0
		:: else
		fi;
		i++
	:: else -> break
	od;
	elected = true;
	diverging = false
}

/* The process that writes to the store. */
proctype Writer(byte k)
{
end:	do
	:: d_step { changes < CHANGES -> change(k) }
	:: d_step { changes < CHANGES && k == 0 -> flush_all() }
	od
}

proctype Failover()
{
end:	do
	:: d_step { FAILOVERS > 0 && !elected && !diverging && changes < CHANGES -> diverging = true }
	:: d_step { FAILOVERS > 0 && !elected -> failover() }
#ifdef LATE_SENTINELS
	:: d_step { elected && !named -> printf("sentinels: most name server 1\n"); named = true }
#endif
	od
}

/* What the server does for a worker's two connections. */
proctype Server(byte w)
{
end:	do
	/* ROLE and EXISTS, which are sent together. A server that was replaced may not know. */
	:: d_step { worker[w].proving && (worker[w].missing & PROOF_DATA) && worker[w].has_data ->
		printf("worker %d's server: ROLE, EXISTS answered\n", w);
		worker[w].missing = worker[w].missing - PROOF_DATA }
	:: d_step { worker[w].pinged ->
		printf("worker %d's server: PONG\n", w);
		worker[w].pinged = false;
		pushes[w]!PONG }
	:: d_step { drops < DROPS && worker[w].has_data ->
		printf("worker %d's server: has lost the data connection\n", w);
		drops++;
		worker[w].has_data = false;
		forget_tracked(w) }
	:: d_step { drops < DROPS && worker[w].has_push ->
		printf("worker %d's server: has lost the push connection\n", w);
		drops++;
		worker[w].has_push = false;
		worker[w].pinged = false;
		forget_tracked(w) }
	od
}

/* ---- the worker's side ---- */

/* Between the reading of the clock and the writing of the head a worker does nothing else. */
#define may_step(w) (worker[w].exchange != CLOCK_READ)

/* proof_begin() */
inline proof_begin(w)
{
	worker[w].proving = true;
	worker[w].proof_age = 0;
	worker[w].missing = ALL_PARTS;
	worker[w].pinged = worker[w].has_push && (ALL_PARTS & PROOF_PUSH)
}

/* the end of proof_close() */
inline proof_end(w)
{
	worker[w].proving = false;
	worker[w].proof_age = 0
}

/* tracker_break(): reads under way are fed as FEED_FAILED; jg_directory_link_down() */
inline tracker_break(w)
{
	proof_end(w);
	worker[w].missing = 0;
	worker[w].tracker = WAITING;
	worker[w].linked = false;
	worker[w].has_data = false;
	worker[w].has_push = false;
	worker[w].pinged = false;
	worker[w].place = 0;
	forget_tracked(w);
	i = 0;
	do
	:: i < KEYS ->
		entry_(w, i).read = NO_READ;
		entry_(w, i).overtaken = false;
		entry_(w, i).asked_past = false;
		i++
	:: else -> break
	od;
	do
	:: nempty(pushes[w]) -> pushes[w]?message
	:: empty(pushes[w]) -> break
	od;
	tidy(w)
}

/* jg_directory_invalidate() */
inline directory_invalidate(w, k)
{
	if
	:: reading(w, k) -> entry_(w, k).overtaken = true
	:: !reading(w, k) -> entry_set_stale(w, k)
	fi
}

/* tracker_proved(): jg_directory_link_up() */
inline link_up(w)
{
	worker[w].tracker = UP;
#if WITNESS == 6
	survived = worker[w].exchange == RUNNING;
#endif
#ifndef NO_EPOCH
	begin_epoch(w);
#endif
	worker[w].linked = true;
	worker[w].until = 0;
	worker[w].expired = false;
	directory_good(w)
}

proctype Tracker(byte w)
{
end:	do
	/* tracker_begin(), on_found(): most sentinels name a server */
	:: d_step { may_step(w) && worker[w].tracker == WAITING ->
		printf("worker %d: on_found: server %d\n", w, named);
		worker[w].place = named;
		worker[w].tracker = CONNECTING }
	/* on_up(), tracker_identified(), tracker_armed() */
	:: d_step { may_step(w) && worker[w].tracker == CONNECTING ->
		printf("worker %d: tracker_armed: the first proof begins\n", w);
		worker[w].has_data = true;
		worker[w].has_push = true;
		worker[w].tracker = PROVING;
		proof_begin(w) }
	/* proof_tick(): the next one is due a tick after the last good one began */
	:: d_step { may_step(w) && worker[w].tracker == UP && !worker[w].proving && worker[w].until < PASSED + B ->
		printf("worker %d: proof_begin\n", w);
		proof_begin(w) }
	/* on_elected(): most sentinels, asked after the proof began, still name this server */
	:: d_step { may_step(w) && worker[w].proving && (worker[w].missing & PROOF_SENTINELS) && named == worker[w].place ->
		printf("worker %d: on_elected: the same server\n", w);
		worker[w].missing = worker[w].missing - PROOF_SENTINELS }
	/* proof_close(), tracker_proved() */
	:: d_step { may_step(w) && worker[w].proving && worker[w].missing == 0 && worker[w].tracker == PROVING ->
		printf("worker %d: tracker_proved: jg_directory_link_up (proof is %d old)\n", w, worker[w].proof_age);
		link_up(w);
		proof_end(w);
		tidy(w) }
	:: d_step { may_step(w) && worker[w].proving && worker[w].missing == 0 && worker[w].tracker == UP ->
		printf("worker %d: proof_close: jg_directory_good (proof is %d old)\n", w, worker[w].proof_age);
		directory_good(w);
		proof_end(w) }
	/* proof_close() after proof_fail(): the sentinels did not agree */
	:: d_step { BAD_TIMES && may_step(w) && worker[w].proving && worker[w].missing == 0 && worker[w].tracker == UP ->
		printf("worker %d: proof_close: in doubt\n", w);
		proof_end(w) }
	/* tracker_pushed(), on_push_pong() */
	:: d_step { may_step(w) && nempty(pushes[w]) ->
		pushes[w]?message;
		if
		:: message == PONG ->
			printf("worker %d: on_push_pong\n", w);
			worker[w].missing = worker[w].missing - PROOF_PUSH
		:: message == PUSH_ALL && worker[w].tracker == UP ->
			printf("worker %d: jg_directory_invalidate_all\n", w);
			begin_epoch(w)
		:: message >= KEY(0) && worker[w].tracker == UP ->
			printf("worker %d: jg_directory_invalidate: record %d\n", w, message - KEY(0));
			directory_invalidate(w, message - KEY(0))
		:: else /* is_listening() is false, or nothing has been read */
		fi;
		tidy(w) }
	/* tracker_break(): a connection broke, a deadline passed, the sentinels name another server, ... */
	:: d_step { may_step(w) && worker[w].tracker != WAITING && (BAD_TIMES -> BREAKS : worker[w].place != named) ->
		printf("worker %d: tracker_break\n", w);
		tracker_break(w) }
	od
}

/* exchange_judge_again(), without a look at the clock: directory_tick() sees to that */
inline judge_again(w)
{
	i = 0;
	do
	:: i < KEYS ->
		if
		:: watched(w) && entry_(w, i).known != GRANTED ->
			printf("worker %d: exchange_judge_again: record %d ends the exchange\n", w, i);
			witness(4, worker[w].exchange == RUNNING);
			exchange_end(w)
		:: else
		fi;
		i++
	:: else -> break
	od;
	skip
}

/* A record, as a worker knows it. */
proctype Record(byte w; byte k)
{
end:	do
	/* jg_directory_lookup() of what is not current; refresh_stale(); jg_directory_invalidate() of what is
	 * watched; jg_directory_feed() of what was overtaken: all end in entry_read() */
	:: d_step { may_step(w) && worker[w].linked && !current(w, k) && !reading(w, k) ->
		printf("worker %d: entry_read: record %d\n", w, k);
		entry_(w, k).read = SENT;
		if
		:: watched(w) -> entry_join(w, k)
		:: else
		fi }
	/* HGETALL: the server remembers who is to be told of a change */
	:: d_step { entry_(w, k).read == SENT && worker[w].has_data ->
		printf("worker %d's server: HGETALL of record %d: %d (1: revoked)\n", w, k, says_revoked(worker[w].place, k));
		worker[w].tracked[k] = worker[w].has_push;
		entry_(w, k).read = FOUND + says_revoked(worker[w].place, k) }
	/* jg_directory_feed() */
	:: d_step { may_step(w) && entry_(w, k).read >= FOUND ->
		assert(!current(w, k));
		if
		:: (!entry_(w, k).overtaken || IGNORE_OVERTAKEN) && (!entry_(w, k).asked_past || IGNORE_ASKED) ->
			printf("worker %d: jg_directory_feed: record %d\n", w, k);
			entry_(w, k).known = GRANTED + (entry_(w, k).read == MISSING);
			entry_(w, k).epoch = CURRENT;
			entry_(w, k).until = 0;
			judge_again(w)
		:: else ->
			printf("worker %d: jg_directory_feed: record %d, overtaken\n", w, k);
			witness(8, true)
		fi;
		entry_(w, k).read = NO_READ;
		entry_(w, k).overtaken = false;
		entry_(w, k).asked_past = false;
		tidy(w) }
	/* make_room(), entry_bury() */
	:: d_step { BAD_TIMES && may_step(w) && !watched(w) && current(w, k) ->
		printf("worker %d: entry_bury: record %d\n", w, k);
		entry_(w, k).known = UNKNOWN;
		entry_(w, k).epoch = CHANGED }
	od
}

/* ---- the exchange ---- */

/* The clock has been read. Of none of the records that the exchange rests on may the revocation be too old. */
inline not_too_late(w)
{
	i = 0;
	do
	:: i < KEYS -> assert(!(is_revoked(i) && age[i] >= LIMIT)); i++
	:: else -> break
	od;
	skip
}

/* exchange_catch_up() */
inline catch_up(w)
{
#ifndef TURN_CLOCK
	if
	:: due(w) -> directory_tick(w)
	:: else
	fi
#else
	skip
#endif
}

#define in_order(w, k) (current(w, k) && entry_(w, k).known == GRANTED)
#if KEYS == 1
#define all_in_order(w) in_order(w, 0)
#elif KEYS == 2
#define all_in_order(w) (in_order(w, 0) && in_order(w, 1))
#endif

proctype Exchange(byte w)
{
end:	do
	/* exchange_look_up(), jg_decide(), exchange_allow(). The turn's clock may be older than `until`, but not than the tick that
	 * found it passed. */
	:: d_step { worker[w].exchange == IDLE && all_in_order(w) && (worker[w].until > PASSED || !worker[w].expired) ->
		printf("worker %d: exchange_allow\n", w);
		worker[w].exchange = ALLOWED }
	/* the same for /authorize, by a clock read at that moment: exchange_grant() */
	:: d_step { BAD_TIMES && worker[w].exchange == IDLE && all_in_order(w) && worker[w].until > PASSED ->
		not_too_late(w) }
	/* exchange_send_request(): exchange_catch_up() reads the clock */
	:: d_step { worker[w].exchange == ALLOWED ->
		printf("worker %d: exchange_catch_up, before the head\n", w);
		catch_up(w);
		if
		:: watched(w) ->
			not_too_late(w);
			worker[w].exchange = CLOCK_READ
		:: else
		fi }
	/* upstream->ops->begin(), flush() */
	:: d_step { worker[w].exchange == CLOCK_READ ->
		printf("worker %d: the head is sent\n", w);
		witness(1, !elected && changes == 0);
		witness(2, elected && worker[w].place && in_order(w, 0));
		witness(3, changes == 2 && in_order(w, 0) && !is_revoked(0) && !diverging);
		worker[w].exchange = RUNNING }
	/* bytes of the exchange move: exchange_catch_up() first */
	:: d_step { worker[w].exchange == RUNNING ->
		printf("worker %d: exchange_catch_up, before bytes move\n", w);
		catch_up(w);
		if
		:: watched(w) ->
			not_too_late(w);
			witness(6, survived && in_order(w, 0));
			witness(7, entry_(w, 0).epoch > CURRENT);
			witness(9, entry_(w, 0).epoch == CHANGED)
		:: else ->
			witness(5, true)
		fi }
	:: d_step { BAD_TIMES && may_step(w) && watched(w) ->
		printf("worker %d: exchange_end\n", w);
		exchange_end(w);
		tidy(w) }
	/* on_tick() of tracker.c: jg_directory_tick() */
	:: d_step { may_step(w) && due(w) ->
		printf("worker %d: jg_directory_tick\n", w);
		directory_tick(w) }
	od
}

/* ---- time ---- */

#define lower(x) x = (x > PASSED -> x - 1 : x)
#define higher(x, most) x = (x < most -> x + 1 : x)

#ifdef GOOD_TIMES
/* All that can be done without time is done, and the exchange runs, or is refused by a record that is current. */
#define settled(w) \
	(worker[w].tracker == UP && !worker[w].proving && worker[w].until == PASSED + B && empty(pushes[w]) && \
	    !reading(w, 0) && current(w, 0) && (worker[w].exchange == RUNNING || entry_(w, 0).known == REFUSED))
#define may_tick settled(0)

/* What good times are like: the record is known as it is, and a request that it allows is served. A failover
 * may go unnoticed until the next proof. */
inline served(w)
{
	assert(!worker[w].expired);
	assert(worker[w].place != elected || (entry_(w, 0).known == GRANTED) == !is_revoked(0));
	assert(worker[w].place != elected || (worker[w].exchange == RUNNING) == !is_revoked(0))
}
#else
#define may_tick true
#define served(w) skip
#endif

proctype Clock()
{
#ifndef GOOD_TIMES
end:
#endif
	do
	:: d_step {
		may_tick ->
		printf("--- tick ---\n");
		served(0);
		i = 0;
		do
		:: i < KEYS ->
			if
			:: is_revoked(i) -> higher(age[i], LIMIT)
			:: else
			fi;
			i++
		:: else -> break
		od;
		j = 0;
		do
		:: j < WORKERS ->
			lower(worker[j].until);
			lower(worker[j].ended[0]);
			lower(worker[j].ended[1]);
			if
			:: worker[j].stale_due != NEVER -> lower(worker[j].stale_due)
			:: else
			fi;
			if
			:: worker[j].proving -> higher(worker[j].proof_age, B)
			:: else
			fi;
			i = 0;
			do
			:: i < KEYS -> lower(entry_(j, i).until); i++
			:: else -> break
			od;
			j++
		:: else -> break
		od;
		skip }
#ifdef GOOD_TIMES
progress:
		skip
#endif
	od
}

init {
	byte w, k;

	atomic {
		run Clock();
		run Failover();
		k = 0;
		do
		:: k < KEYS -> run Writer(k); k++
		:: else -> break
		od;
		w = 0;
		do
		:: w < WORKERS ->
			worker[w].stale_due = NEVER;
			run Server(w);
			run Tracker(w);
			run Exchange(w);
			k = 0;
			do
			:: k < KEYS -> run Record(w, k); k++
			:: else -> break
			od;
			w++
		:: else -> break
		od
	}
}
