/*
 * lookup_port.c - requests for a port of a job. The label of the port's host, "a-9000", may also be
 * the id of a job of its own, which takes precedence. So both records count: the port is served
 * only while its job's record names it, and the other job is known to have no record, not even a
 * broken one.
 */
#include "exchange/exchange_state.h"
#include "exchange/exchange_verdict.h"

static struct directory_answer
look_up(struct exchange *exchange, struct slice id, uint64_t now_ms, bool waits)
{
	return jg_directory_lookup(
	    exchange->context->directory, RECORD_JOB, id, now_ms, waits ? &exchange->waiter : NULL);
}

/*
 * True when the label's job has its host, although it may not be served: browsers keep its cookies
 * for that host.
 */
static bool
has_host(const struct directory_answer *label)
{
	return label->known == RECORD_KNOWN || label->broken;
}

void
exchange_read_port_early(struct exchange *exchange, uint64_t now_ms)
{
	struct route *route = &exchange->route;

	if (route->label_len > 0 && route->job_len != route->label_len)
		look_up(exchange, route_label(route), now_ms, false);
	if (route->job_len != route->owner_len)
		look_up(exchange, route_owner(route), now_ms, false);
}

/* The job with the URL of the port; NULL when it has no such port. */
static const struct job *
job_at_port(const struct job *job, uint16_t number, struct job *room)
{
	const struct job_port *port = jg_job_port_find(job, number);

	return port != NULL ? jg_effective_job(job, &port->url, room) : NULL;
}

/* The job that may have the port. False when the request has to wait for its record. */
static bool
look_up_owner(struct exchange *exchange, uint64_t now_ms, struct lookup *lookup)
{
	struct route *route = &exchange->route;
	struct directory_answer answer = look_up(exchange, route_owner(route), now_ms, true);
	const struct job *job = NULL;

	if (answer.pending)
		return false;
	if (answer.known == RECORD_KNOWN) {
		job = job_at_port(jg_directory_job(answer.entry), route->port, &lookup->room->job);
		if (job == NULL)
			answer.known = RECORD_ABSENT;
	}
	lookup->evidence.job_known = answer.known;
	if (job == NULL)
		return true;
	route_choose(route, true);
	exchange->by_port = true;
	lookup->evidence.job = job;
	lookup->job_entry = answer.entry;
	return true;
}

/*
 * A session is bound to one of the two jobs. With a sign-in host it is not: one sign-in counts for
 * all jobs, and its cookie for whatever is served at this host.
 */
static bool
is_bound(const struct exchange *exchange)
{
	return exchange_by_session(exchange) && exchange->context->options.sign_in_host == NULL;
}

bool
exchange_look_up_port(struct exchange *exchange, uint64_t now_ms, struct lookup *lookup)
{
	struct route *route = &exchange->route;
	struct directory_answer label = {.known = RECORD_ABSENT};

	exchange->by_port = false;
	if (route_may_be_label(route))
		route_choose(route, false);
	if (route->label_len > 0)
		label = look_up(exchange, route_label(route), now_ms, true);
	if (label.pending) {
		look_up(exchange, route_owner(route), now_ms, false);
		return false;
	}
	lookup->evidence.job_known = label.known;
	if (label.known == RECORD_UNKNOWN)
		return true;
	if (label.known == RECORD_KNOWN && route_may_be_label(route) &&
	    !exchange->session_of_owner) {
		lookup->evidence.job = jg_directory_job(label.entry);
		lookup->job_entry = label.entry;
		return true;
	}
	lookup->evidence.job_known = RECORD_ABSENT;
	if (has_host(&label) || (is_bound(exchange) && !exchange->session_of_owner))
		return true;
	lookup->label_entry = label.entry;
	return look_up_owner(exchange, now_ms, lookup);
}

/*
 * True when a job that is listed as public has the port. Only then is the label's job looked up:
 * strangers choose among the few ports that records name. False in *ready: wait for the record.
 */
static bool
owner_is_public(struct exchange *exchange, uint64_t now_ms, struct lookup *lookup, bool *ready)
{
	const struct route *route = &exchange->route;
	struct directory_answer answer;

	*ready = true;
	if (!jg_directory_lists_public(exchange->context->directory, route_owner(route)))
		return false;
	answer = look_up(exchange, route_owner(route), now_ms, true);
	*ready = !answer.pending;
	lookup->evidence.job_known = answer.known;
	return answer.known == RECORD_UNKNOWN ||
	       (answer.known == RECORD_KNOWN && jg_job_is_public(jg_directory_job(answer.entry)) &&
		   jg_job_port_find(jg_directory_job(answer.entry), route->port) != NULL);
}

/* The job whose id is the label. False when the request has to wait for its record. */
static bool
look_up_label(struct exchange *exchange, uint64_t now_ms, struct lookup *lookup)
{
	struct directory_answer answer =
	    look_up(exchange, route_label(&exchange->route), now_ms, true);

	if (answer.pending)
		return false;
	exchange->by_port = false;
	route_choose(&exchange->route, false);
	lookup->evidence.job_known = answer.known;
	if (answer.known == RECORD_KNOWN) {
		lookup->evidence.job = jg_directory_job(answer.entry);
		lookup->job_entry = answer.entry;
	}
	return true;
}

bool
exchange_look_up_listed_port(struct exchange *exchange, uint64_t now_ms, struct lookup *lookup)
{
	const struct route *route = &exchange->route;
	struct evidence *evidence = &lookup->evidence;
	bool ready, by_owner = owner_is_public(exchange, now_ms, lookup, &ready);
	bool by_label = route_may_be_label(route) &&
			jg_directory_lists_public(exchange->context->directory, route_label(route));

	if (!ready)
		return false;
	evidence->is_listed_public = by_owner || by_label;
	if (by_owner && evidence->job_known == RECORD_UNKNOWN)
		return true;
	if (!by_owner)
		return !by_label || look_up_label(exchange, now_ms, lookup);
	if (!exchange_look_up_port(exchange, now_ms, lookup))
		return false;
	evidence->is_listed_public = exchange->by_port || by_label;
	return true;
}

enum verdict
exchange_port_verdict(const struct exchange *exchange, enum verdict verdict)
{
	return is_bound(exchange) &&
		       (verdict == VERDICT_NO_SUCH_JOB || verdict == VERDICT_OUT_OF_SCOPE)
		   ? VERDICT_NO_CREDENTIAL
		   : verdict;
}

void
exchange_judge_port(struct exchange *exchange, uint64_t now_ms, struct directory_answer *answer,
    const struct job **job, struct job *room)
{
	const struct route *route = &exchange->route;
	struct directory_answer label = {.known = RECORD_ABSENT};

	if (route->label_len > 0)
		label = jg_directory_watched(
		    exchange->context->directory, &exchange->label_watch, now_ms);
	if (label.changed_ms > answer->changed_ms)
		answer->changed_ms = label.changed_ms;
	if (label.known != RECORD_ABSENT || label.broken) {
		answer->known = has_host(&label) ? RECORD_ABSENT : RECORD_UNKNOWN;
		*job = NULL;
	} else if (answer->known == RECORD_KNOWN) {
		*job = job_at_port(*job, route->port, room);
		if (*job == NULL)
			answer->known = RECORD_ABSENT;
	}
}
