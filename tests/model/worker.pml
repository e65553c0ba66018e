/* worker.pml - a part of revocation.pml: the worker's side: auth/redis/tracker*.c. */

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
	:: d_step { may_step(w) && worker[w].proving && (worker[w].missing & PROOF_ELECTION) && named == worker[w].place ->
		printf("worker %d: on_elected: the same server\n", w);
		worker[w].missing = worker[w].missing - PROOF_ELECTION }
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
