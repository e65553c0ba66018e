/* session_query.c - reads ids and queries of sessions. */
#include "auth/control/session_query.h"

#include <stdio.h>

#include "auth/control/input_error.h"
#include "auth/control/query.h"

#define WORKER_DIGITS 8
#define SERIAL_DIGITS_MAX 16

void
session_id_format(const struct session_id *id, char out[SESSION_ID_MAX])
{
	snprintf(
	    out, SESSION_ID_MAX, "%08x-%llx", (unsigned)id->worker, (unsigned long long)id->serial);
}

/* Lower-case hex digits, without others. */
static bool
parse_hex(struct slice text, uint64_t *out)
{
	uint64_t number = 0;

	if (text.len == 0 || text.len > SERIAL_DIGITS_MAX)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		const char *digit = memchr("0123456789abcdef", text.at[i], 16);

		if (digit == NULL)
			return false;
		number = number << 4 | (uint64_t)(digit - "0123456789abcdef");
	}
	*out = number;
	return true;
}

bool
session_id_parse(struct slice text, struct session_id *out)
{
	uint64_t worker;

	if (text.len < WORKER_DIGITS + 2 || text.at[WORKER_DIGITS] != '-' ||
	    !parse_hex((struct slice){text.at, WORKER_DIGITS}, &worker) ||
	    !parse_hex(slice_after(text, WORKER_DIGITS + 1), &out->serial))
		return false;
	out->worker = (uint32_t)worker;
	return out->serial != 0; /* a serial of 0 would mean all */
}

static bool
parse_state(struct slice text, uint32_t *states)
{
	for (enum session_state state = 0; state < SESSION_STATE_COUNT; state++)
		if (slice_equal(text, slice_of(jg_session_state_name(state)))) {
			*states |= 1u << state;
			return true;
		}
	return false;
}

/* Read a filter that both lists and cuts have. *known: there is one of this name. */
static bool
set_filter(struct slice name, struct slice value, struct session_filter *filter, bool *known,
    struct input_error *error)
{
	*known = true;
	if (slice_equal(name, SLICE("token"))) {
		if (!jg_token_id_valid(value))
			return input_wrong(error, "token", "the id of a token");
		memcpy(filter->token, value.at, value.len);
		return true;
	}
	if (slice_equal(name, SLICE("job"))) {
		if (!jg_job_id_valid(value))
			return input_wrong(error, "job", "the id of a job");
		memcpy(filter->job, value.at, value.len);
		filter->job[value.len] = '\0';
		return true;
	}
	if (slice_equal(name, SLICE("address"))) {
		filter->has_address = true;
		return jg_ip_range_parse(value, &filter->address) ||
		       input_wrong(error, "address",
			   "an address such as 192.0.2.1, or a range such as 10.0.0.0/8");
	}
	*known = false;
	return false;
}

static bool
set_of_list(
    struct slice name, struct slice value, struct session_question *out, struct input_error *error)
{
	size_t limit;

	if (slice_equal(name, SLICE("limit"))) {
		if (!query_limit(value, &limit))
			return input_wrong(error, "limit", "a limit is a number from 1 to 1000");
		out->order.most = limit;
		return true;
	}
	if (slice_equal(name, SLICE("cursor")))
		return session_id_parse(value, &out->from) ||
		       input_wrong(
			   error, "cursor", "not a cursor of this list: list again without it");
	if (slice_equal(name, SLICE("state")))
		return parse_state(value, &out->order.filter.states) ||
		       input_wrong(error, "state",
			   "a state is waiting, connecting, awaiting, relaying or tunnel");
	return input_wrong(error, "", "the query has an unknown parameter");
}

bool
session_query_parse(struct slice query, struct session_question *out, struct input_error *error)
{
	char text[QUERY_MAX], *to = text;
	struct slice name, value;
	unsigned filters = 0;
	bool known;

	if (query.len > sizeof(text))
		return input_wrong(error, "", "the query is too long");
	if (!out->order.cuts)
		out->order.most = QUERY_LIMIT_DEFAULT;
	while (query_next(&query, &to, &name, &value)) {
		bool good = set_filter(name, value, &out->order.filter, &known, error);

		filters += known;
		if (!known && out->order.cuts)
			return input_wrong(error, "", "the query has an unknown parameter");
		if (known ? !good : !set_of_list(name, value, out, error))
			return false;
	}
	if (name.at != NULL)
		return input_wrong(error, "", "the query is not well-formed");
	return !out->order.cuts || filters == 1 ||
	       input_wrong(error, "",
		   "nothing was ended: give exactly one of token, job and address, or the id of a "
		   "session in the path");
}

bool
session_query_scope(const struct label_set *scope, struct session_question *out)
{
	struct session_filter *filter = &out->order.filter;

	filter->scoped = true;
	return jg_selector_format(scope, filter->scope, sizeof(filter->scope)) <
	       sizeof(filter->scope);
}
