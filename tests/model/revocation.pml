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
#define PROOF_ELECTION 1
#define PROOF_DATA 2 /* and PROOF_ROLE */
#define PROOF_PUSH 4

#ifndef ALL_PARTS
#define ALL_PARTS (PROOF_ELECTION + PROOF_DATA + PROOF_PUSH)
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

/* ---- the steps ---- */

#include "directory.pml"
#include "store.pml"
#include "worker.pml"
#include "exchange.pml"
#include "time.pml"

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
