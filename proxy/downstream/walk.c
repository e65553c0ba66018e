/* walk.c - from one client connection to the next, while connections come and go. */
#include "downstream/connection_state.h"

/*
 * Each purpose has two lists. Handshakes come first: a connection whose handshake ends while it is
 * walked past goes to the other list, and is found there.
 */
#define LISTS (2 * PURPOSE_COUNT)

/* Stand in front of a list. */
static void
walk_list(struct downstream *downstream, unsigned list)
{
	struct walk *walk = &downstream->walk;
	struct places *places;

	*walk = (struct walk){.list = list};
	if (list >= LISTS)
		return;
	places = &downstream->places[list / 2];
	walk->next = TAILQ_FIRST(list % 2 == 0 ? &places->handshaking : &places->connections);
	walk->left = list % 2 == 0 ? places->handshakes : places->count - places->handshakes;
}

void
downstream_walk_begin(struct downstream *downstream)
{
	walk_list(downstream, 0);
}

bool
downstream_walk_dump(struct downstream *downstream, struct dump *dump)
{
	struct walk *walk = &downstream->walk;
	const struct connection *connection;

	while (walk->list < LISTS && (walk->next == NULL || walk->left == 0))
		walk_list(downstream, walk->list + 1);
	if (walk->list >= LISTS)
		return false;
	connection = walk->next;
	walk->next = TAILQ_NEXT(connection, link);
	walk->left--;
	client_connection_dump(connection, dump);
	return true;
}

void
walk_removes(struct downstream *downstream, const struct connection *connection)
{
	if (downstream->walk.next == connection)
		downstream->walk.next = TAILQ_NEXT(connection, link);
}
