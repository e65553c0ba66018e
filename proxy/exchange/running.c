/* running.c - the exchanges that run, as operators see them: what a session shows, and its end. */
#include "exchange/running.h"

#include <stdlib.h>

#include "exchange/exchange_local.h"
#include "exchange/exchange_state.h"

struct running_walk {
	struct exchange_context *context;
	struct session_order order;
	struct label labels[SELECTOR_LABELS_MAX];
	struct label_set scope; /* of labels, which point into the order */
	struct running place;	/* in the list, in front of the next exchange */
};

/* The records of a session that runs, as they are known now; NULL: not known. */
struct records {
	const struct token *token;
	const struct job *job;
};

uint32_t
running_worker(const struct exchange_context *context)
{
	return (uint32_t)(context->ids.worker >> 32);
}

/* ---- what a session is ---- */

/* Only of tokens that may pass: strangers neither fill lists nor choose what is in them. */
static bool
is_session(const struct exchange *exchange)
{
	return exchange->peer->purpose == FOR_JOBS && !exchange->control &&
	       exchange->route.names_job && exchange->token_watch.entry != NULL &&
	       (exchange->held || exchange_is_allowed(exchange));
}

static enum session_state
state_of(const struct exchange *exchange)
{
	switch (exchange->state) {
	case EXCHANGE_AUTHORIZING:
		return SESSION_WAITING;
	case EXCHANGE_LOCAL:
	case EXCHANGE_CONNECTING:
		break;
	case EXCHANGE_AWAITING:
		return SESSION_AWAITING;
	case EXCHANGE_RELAYING:
		return SESSION_RELAYING;
	case EXCHANGE_TUNNEL:
	case EXCHANGE_ENDED:
		return SESSION_TUNNEL;
	}
	return exchange->hold_until_ms != 0 ? SESSION_WAITING : SESSION_CONNECTING;
}

static struct records
find_records(const struct exchange *exchange)
{
	struct exchange_context *context = exchange->context;
	uint64_t now_ms = loop_now_ms(context->loop);
	struct directory_answer answer =
	    jg_directory_watched(context->directory, &exchange->token_watch, now_ms);
	struct records found = {.job = exchange_fixed_job(context)};

	if (answer.known == RECORD_KNOWN)
		found.token = &answer.record->token;
	if (found.job != NULL || exchange->job_watch.entry == NULL)
		return found;
	answer = jg_directory_watched(context->directory, &exchange->job_watch, now_ms);
	if (answer.known == RECORD_KNOWN)
		found.job = &answer.record->job;
	return found;
}

/* ---- filters ---- */

/* True when the caller may learn which token it is. */
static bool
shows_token(const struct running_walk *walk, const struct records *records)
{
	return !walk->order.filter.scoped ||
	       (records->token != NULL &&
		   jg_selector_match(&walk->scope, &records->token->selector));
}

/* True when the caller may learn of the session. */
static bool
in_scope(const struct running_walk *walk, const struct records *records)
{
	return !walk->order.filter.scoped ||
	       (walk->scope.count > 0 && records->job != NULL &&
		   jg_selector_match(&walk->scope, &records->job->labels));
}

/* The filters that need no record. */
static bool
passes(const struct session_filter *filter, const struct exchange *exchange)
{
	const struct in6_addr *address = exchange_address(exchange);

	return (filter->serial == 0 || filter->serial == exchange->serial) &&
	       (filter->before == 0 || exchange->serial < filter->before) &&
	       (filter->states == 0 || (filter->states >> state_of(exchange) & 1) != 0) &&
	       (filter->token[0] == '\0' ||
		   memcmp(filter->token, exchange->token_id, TOKEN_ID_LEN) == 0) &&
	       (filter->job[0] == '\0' ||
		   slice_equal(slice_of(filter->job), route_job(&exchange->route))) &&
	       (!filter->has_address ||
		   (address != NULL && jg_ip_range_contains(&filter->address, address)));
}

/* ---- what is told ---- */

static void
copy_text(char *out, size_t max, struct slice text)
{
	size_t len = text.len < max ? text.len : max;

	memcpy(out, text.at, len);
	out[len] = '\0';
}

#define COPY(to, text) copy_text(to, sizeof(to) - 1, text)

static void
describe(const struct exchange *exchange, const struct records *records, bool with_token,
    struct session *out)
{
	char address[ADDRESS_TEXT_MAX];

	*out = (struct session){.serial = exchange->serial,
	    .started_us = exchange->started_us,
	    .age_us = exchange_age_us(exchange),
	    .bytes_in = exchange->bytes_in,
	    .bytes_out = exchange->bytes_out,
	    .state = (uint8_t)state_of(exchange),
	    .version = (uint8_t)exchange->version};
	if (with_token && exchange->authenticated)
		COPY(out->token_id, ((struct slice){exchange->token_id, TOKEN_ID_LEN}));
	if (with_token && records->token != NULL)
		COPY(out->token_name, records->token->name);
	COPY(out->job, route_job(&exchange->route));
	if (exchange->has_address)
		COPY(out->client, ((struct slice){address,
				      address_bytes_format(exchange->address.s6_addr, address)}));
	else
		COPY(out->client, peer_text(exchange->peer, address));
	COPY(out->method, ((struct slice){exchange->method, exchange->method_len}));
	COPY(out->path, ((struct slice){exchange->path, exchange->path_len}));
	jg_log_blot(out->path, strlen(out->path));
}

/* ---- its end ---- */

/* Access remains, so the client may send the request again. */
static void
cut_session(struct exchange *exchange)
{
	if (exchange->answer_begun)
		exchange_cut(exchange, OUTCOME_CUT, END_REVOKED,
		    &(struct cut_reason){WEBSOCKET_POLICY_VIOLATION, GRPC_UNAVAILABLE,
			SLICE("an operator has ended the session")});
	else
		exchange_fail(exchange, OUTCOME_CUT, 503, SLICE("Session ended"),
		    SLICE("An operator has ended this request. Its token is still valid."));
}

/* ---- the walk ---- */

/*
 * Check what the order contains. Without a scope that is valid, in_scope is false for each session.
 * False: the order is of no use.
 */
static bool
check_order(struct running_walk *walk)
{
	struct session_filter *filter = &walk->order.filter;
	size_t bad;

	if (filter->has_address && filter->address.prefix > 128)
		return false;
	filter->scope[SESSION_SCOPE_MAX - 1] = '\0';
	filter->token[TOKEN_ID_LEN] = '\0';
	filter->job[JOB_ID_MAX] = '\0';
	walk->scope.items = walk->labels;
	if (filter->scoped && jg_selector_parse(slice_of(filter->scope), walk->labels,
				  &walk->scope.count, &bad) != LABEL_OK)
		walk->scope.count = 0;
	return true;
}

struct running_walk *
running_walk_new(struct exchange_context *context, const struct session_order *order)
{
	struct running_walk *walk = calloc(1, sizeof(*walk));

	if (walk == NULL)
		return NULL;
	CHECK(context->walk == NULL, exchange_context_dump, context);
	walk->context = context;
	walk->order = *order;
	if (!check_order(walk)) {
		free(walk);
		return NULL;
	}
	context->walk = walk;
	LIST_INSERT_HEAD(&context->running, &walk->place, link);
	return walk;
}

void
running_walk_free(struct running_walk *walk)
{
	if (walk == NULL)
		return;
	LIST_REMOVE(&walk->place, link);
	walk->context->walk = NULL;
	free(walk);
}

enum running_step
running_walk_next(struct running_walk *walk, size_t *left, struct session *out)
{
	struct running *running;

	while (*left > 0 && (running = LIST_NEXT(&walk->place, link)) != NULL) {
		struct exchange *exchange = container_of(running, struct exchange, running);
		struct records records;
		bool with_token;

		(*left)--;
		LIST_REMOVE(&walk->place, link);
		LIST_INSERT_AFTER(running, &walk->place, link);
		if (!is_session(exchange) || !passes(&walk->order.filter, exchange))
			continue;
		records = find_records(exchange);
		with_token = shows_token(walk, &records);
		if (!in_scope(walk, &records) ||
		    (walk->order.filter.token[0] != '\0' && !with_token))
			continue;
		describe(exchange, &records, with_token, out);
		if (walk->order.cuts)
			cut_session(exchange);
		return RUNNING_FOUND;
	}
	return LIST_NEXT(&walk->place, link) != NULL ? RUNNING_PAUSE : RUNNING_DONE;
}
