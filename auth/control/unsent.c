/* unsent.c - finds the clients that leave too much of their answers unread. */
#include "auth/control/connection.h"

#define SMALL (64u << 10) /* the number of connections limits answers up to this size */

/* Memory that a client keeps: an answer is stored completely until its last byte has been sent. */
static size_t
unsent(const struct connection *connection)
{
	size_t len = evbuffer_get_length(bufferevent_get_output(connection->evhtp->bev));

	return len > 0 && connection->answer_len > len ? connection->answer_len : len;
}

struct connection *
connection_too_slow(const struct connections *all, const struct connection *answered, size_t len)
{
	struct connection *one, *slow = NULL;
	size_t total = len;

	if (len <= SMALL)
		return NULL;
	for (one = TAILQ_FIRST(&all->list); one != NULL; one = TAILQ_NEXT(one, link)) {
		total += unsent(one);
		if (slow == NULL && one != answered && unsent(one) > SMALL)
			slow = one;
	}
	return total > UNSENT_MAX ? slow : NULL;
}
