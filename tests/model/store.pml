/* store.pml - a part of revocation.pml: the store's side: Redis, its replicas and its writers. */

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
