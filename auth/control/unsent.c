/* unsent.c - limits the memory of answers that wait for their clients. */
#include "auth/control/connection.h"

#define SMALL (64u << 10) /* answers of this size are bounded by the number of connections */

/* The memory that waits for a client: an answer is kept whole until its last byte has been taken.
 */
static size_t
unsent(const struct connection *connection)
{
	size_t len = evbuffer_get_length(bufferevent_get_output(connection->evhtp->bev));

	return len > 0 && connection->answer_len > len ? connection->answer_len : len;
}

/* Who waits longest with much of its answer; NULL: none but the one that is to be answered. */
static struct connection *
find_slow(const struct connections *all, const struct connection *answered)
{
	struct connection *one;

	for (one = TAILQ_FIRST(&all->list); one != NULL; one = TAILQ_NEXT(one, link))
		if (one != answered && unsent(one) > SMALL)
			return one;
	return NULL;
}

void
connection_make_room(const struct connection *connection, size_t len)
{
	const struct connections *all = connection->all;
	struct connection *one;
	size_t total = len;

	if (len <= SMALL)
		return;
	for (one = TAILQ_FIRST(&all->list); one != NULL; one = TAILQ_NEXT(one, link))
		total += unsent(one);
	while (total > UNSENT_MAX && (one = find_slow(all, connection)) != NULL) {
		log_debug(&connection->setup->log,
		    "closing the connection of %s: it reads its answer too slowly, and others "
		    "wait",
		    one->peer);
		total -= unsent(one);
		connection_abort(one);
	}
}
