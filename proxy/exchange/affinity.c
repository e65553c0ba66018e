/*
 * affinity.c - a browser stays at one replica of a job that wants it (affinity: cookie). The cookie
 * is sealed: it tells nothing of the URLs, and opens for no other job. It decides nothing but which
 * replica is asked first.
 */
#include "browser/session.h"
#include "exchange/exchange_forward.h"
#include "exchange/exchange_state.h"
#include "exchange/exchange_verdict.h"

/*
 * True when the cookie can belong to the job alone: with the path form, all jobs share one origin.
 */
static bool
has_affinity(const struct exchange *exchange, const struct job *job)
{
	return job->affinity.len > 0 && exchange->route.prefix_len == 0 &&
	       exchange->context->options.affinity_key != NULL;
}

size_t
exchange_find_affinity(
    struct exchange *exchange, const struct request *request, const struct job *job)
{
	size_t i = job->replicas.count;
	struct slice cookie;

	if (!has_affinity(exchange, job))
		return i;
	exchange->sticky = true;
	cookie = cookie_find(&request->fields, SLICE(REPLICA_COOKIE "="));
	if (cookie.at == NULL || !replica_open(exchange->context->options.affinity_key,
				     route_job(&exchange->route), cookie, &exchange->sticks_to))
		return i;
	for (i = 0; i < job->replicas.count; i++)
		if (job->replicas.items[i].hash == exchange->sticks_to)
			break;
	return i;
}

void
exchange_add_affinity(struct exchange *exchange, struct fields *fields, struct writer *room)
{
	const char *begin = room->at;
	char text[REPLICA_COOKIE_LEN];

	if (!exchange->sticky || exchange->sticks_to == exchange->target ||
	    fields->count == HEAD_FIELDS_MAX ||
	    !replica_seal(exchange->context->options.affinity_key, route_job(&exchange->route),
		exchange->target, text))
		return;
	write_literal(room, REPLICA_COOKIE "=");
	write_slice(room, (struct slice){text, sizeof(text)});
	write_literal(room, "; Path=/; Secure; HttpOnly; SameSite=Lax");
	if (!room->full)
		fields->items[fields->count++] = (struct field){.name = SLICE("Set-Cookie"),
		    .value = {begin, (size_t)(room->at - begin)},
		    .id = FIELD_SET_COOKIE};
}
