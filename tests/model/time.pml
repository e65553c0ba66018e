/* time.pml - a part of revocation.pml: time, and what must hold at each tick. */

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
