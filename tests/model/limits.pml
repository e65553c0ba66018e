/*
 * limits.pml - may a permit be left behind, or a limit be exceeded?
 *
 * Workers take and give permits for one token with two cells, and any of them is killed between
 * any two steps. proxy/limits/permit.c is the code. Wrong variants, each of which has to fail:
 *
 *   TWO_STORES     a cell is taken by one store, and its owner written by another
 *   NO_RELEASES    "full" is believed after one pass over the cells (with -DWORKERS=3)
 *   LATE_ZEROING   a worker's number is used again before its cells are zeroed
 *   KEPT_PERMIT    the permit is not given back when the rate's CAS fails
 */
#define MOST 3 /* workers */
#ifndef WORKERS
#define WORKERS 2
#endif
#define CELLS 2
#define BUDGET 2 /* what the rate allows in all; there is no time in this model */
#define SEARCHES 2 /* SEARCHES_MAX, but smaller: the first and the last */
#ifndef TAKES
#define TAKES 3
#endif
#ifndef KILLS
#define KILLS 1
#endif
#define TAKEN 9 /* TWO_STORES: by a worker that is not known yet */

byte owner[CELLS];  /* struct limit_place: 0 free, else worker + 1 */
byte releases, tat; /* of the same */
byte takes = TAKES, kills = KILLS;
bool killed[MOST], busy[MOST];

/* What the code does not have: for the promises. */
bool held[MOST * CELLS]; /* an exchange runs with this permit */
byte running;
bool releasing[MOST * CELLS]; /* given back, but not yet counted in releases */
bool searching[MOST];
bool was_full[MOST]; /* at some moment of its search, no permit was left */

#define AT(w, i) ((w) * CELLS + (i))
#define GONE(i) (owner[i] != 0 || releasing[AT(0, i)] || releasing[AT(1, i)] || releasing[AT(2, i)])

inline note_full()
{
	if
	:: GONE(0) && GONE(1) ->
		was_full[0] = was_full[0] || searching[0];
		was_full[1] = was_full[1] || searching[1];
		was_full[2] = was_full[2] || searching[2]
	:: else
	fi
}

/* While no worker does anything, all permits are those of exchanges that run. */
inline idle(w)
{
	busy[w] = false;
	assert(busy[0] || busy[1] || busy[2] || killed[0] || killed[1] ||
	       (owner[0] != 0) + (owner[1] != 0) == running)
}

/* jg_limits_give() */
inline give(w, i)
{
	d_step {
		assert(owner[i] == w + 1);
		owner[i] = 0;
		releasing[AT(w, i)] = true
	}
	d_step { releases++; releasing[AT(w, i)] = false };
}

proctype worker(byte w)
{
	byte i, seen, looked, searches;

end_life:
	{
end:		do
		:: d_step { takes > 0 -> takes--; busy[w] = true }
look:			/* count_request(): the rate */
			looked = tat;
			if
			:: looked == BUDGET -> goto refused
			:: else
			fi;
			searches = 0;
search:			/* take_permit() */
			skip;
			d_step {
				seen = releases;
				searching[w] = true;
				was_full[w] = false;
				note_full();
				i = 0
			}
			do
			:: i == CELLS ->
				if
#ifdef NO_RELEASES
				:: true ->
#else
				:: releases == seen ->
#endif
					assert(was_full[w]);
					goto refused
#ifndef NO_RELEASES
				:: releases != seen ->
					searches++;
					/* The last one is believed, so that the worker goes on. */
					if
					:: searches == SEARCHES -> goto refused
					:: else -> goto search
					fi
#endif
				fi
			:: i < CELLS ->
				/* take_in() */
				if
#ifdef TWO_STORES
				:: atomic { owner[i] == 0 -> owner[i] = TAKEN }
					d_step { owner[i] = w + 1; note_full(); searching[w] = false }
					break
#else
				:: d_step {
						owner[i] == 0 ->
						owner[i] = w + 1;
						note_full();
						searching[w] = false
					}
					break
#endif
				:: owner[i] != 0 -> i++
				fi
			od;
			if
			:: d_step { tat == looked -> tat++ }
				d_step {
					held[AT(w, i)] = true;
					running++;
					assert(running <= CELLS)
				}
			:: tat != looked ->
#ifndef KEPT_PERMIT
				give(w, i);
#endif
				goto look
			fi;
refused:		atomic { searching[w] = false; i = 0; looked = 0; seen = 0; searches = 0; idle(w) }
		:: held[AT(w, 0)] -> d_step { held[AT(w, 0)] = false; running--; busy[w] = true }
			give(w, 0);
			atomic { idle(w) }
		:: held[AT(w, 1)] -> d_step { held[AT(w, 1)] = false; running--; busy[w] = true }
			give(w, 1);
			atomic { idle(w) }
		od
	} unless { killed[w] };
	d_step { /* its exchanges end with it */
		running = running - held[AT(w, 0)] - held[AT(w, 1)];
		held[AT(w, 0)] = false;
		held[AT(w, 1)] = false;
		searching[w] = false;
		was_full[w] = false;
		busy[w] = false;
		i = 0;
		looked = 0;
		seen = 0;
		searches = 0
	}
#ifdef LATE_ZEROING
	killed[w] = false;
	run zero(w);
#else
	/* limit_table_worker_ended() */
	i = 0;
	do
	:: i < CELLS ->
		if
		:: owner[i] == w + 1 -> owner[i] = 0; releases++
		:: else
		fi;
		i++
	:: i == CELLS -> break
	od;
	atomic {
		releasing[AT(w, 0)] = false;
		releasing[AT(w, 1)] = false;
		i = 0;
		killed[w] = false /* another worker starts with this number */
	}
#endif
	goto end_life
}

#ifdef LATE_ZEROING
proctype zero(byte w)
{
	byte i = 0;

	do
	:: i < CELLS ->
		if
		:: owner[i] == w + 1 -> owner[i] = 0; releases++
		:: else
		fi;
		i++
	:: i == CELLS -> break
	od
}
#endif

init
{
	atomic {
		run worker(0);
		run worker(1);
#if WORKERS > 2
		run worker(2)
#endif
	}
	/* A kill comes at any moment. */
end:	do
	:: d_step { kills > 0 && !killed[0] -> kills--; killed[0] = true }
	:: d_step { kills > 0 && !killed[1] -> kills--; killed[1] = true }
	od
}
