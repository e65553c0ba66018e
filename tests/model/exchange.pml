/* exchange.pml - a part of revocation.pml: the exchange: proxy/exchange. */

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
