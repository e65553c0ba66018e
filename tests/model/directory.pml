/* directory.pml - a part of revocation.pml: the directory of a worker: auth/directory.c and auth/entry.c. */

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
