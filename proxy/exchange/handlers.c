/* handlers.c - methods that are not served, redirects, and Max-Forwards. */
#include "exchange/handlers.h"

#include <string.h>

#include "exchange/local_reply.h"
#include "exchange/query_token.h"
#include "exchange/rewrite.h"
#include "http/request.h"
#include "http/target.h"
#include "http/write.h"
#include "net/buffer.h"

/* The longest URL: a head's path, escaped, and the rest of that head. */
_Static_assert((PATH_ESCAPE_GROWTH + 1) * BUFFER_LARGE <= LOCAL_ROOM, "a Location fits");

/* ---- methods ---- */

static bool
is_unserved(const struct exchange_peer *peer, const struct request *request)
{
	(void)peer;
	return request->method_id == METHOD_CONNECT || request->method_id == METHOD_TRACE;
}

static enum local_action
refuse_method(const struct local_call *call, struct local_answer *answer)
{
	const struct request_rejection rejection = request_rejection(REQUEST_NOT_SERVED);

	(void)call;
	answer->outcome = OUTCOME_BAD_REQUEST;
	answer->status = rejection.status;
	answer->title = rejection.title;
	answer->detail = rejection.detail;
	answer->no_reuse = true;
	return LOCAL_ANSWER;
}

const struct local_handler unserved_handler = {.handles = is_unserved, .begin = refuse_method};

/* ---- redirects ---- */

static bool
is_redirected(const struct exchange_peer *peer, const struct request *request)
{
	(void)request;
	return peer->redirect;
}

/* The request's URL over https; its host has been parsed. */
static struct slice
https_url(const struct local_call *call, struct slice host)
{
	struct writer writer = writer_of(call->room, LOCAL_ROOM);

	write_literal(&writer, "https://");
	write_slice(&writer, host);
	if (call->https_port != 443) {
		write_literal(&writer, ":");
		write_number(&writer, call->https_port);
	}
	write_slice(&writer, call->request->path);
	write_slice(&writer, call->request->query);
	return (struct slice){call->room, (size_t)(writer.at - call->room)};
}

static enum local_action
redirect(const struct local_call *call, struct local_answer *answer)
{
	struct authority authority;

	if (query_holds_ours(call->request->query, call->room, LOCAL_ROOM)) {
		answer->outcome = OUTCOME_BAD_REQUEST;
		answer->status = 400;
		answer->title = SLICE("Token in the query");
		answer->detail = SLICE("A token was sent over http, where it may have been read on "
				       "the way: renew it, and use https.");
		return LOCAL_ANSWER;
	}
	if (!authority_parse(call->request->authority, &authority) ||
	    slice_equal(call->request->path, SLICE("*"))) {
		answer->outcome = OUTCOME_BAD_REQUEST;
		answer->status = 400;
		answer->title = SLICE("Bad request");
		answer->detail = SLICE("Without a host and a path there is no URL to redirect to.");
		answer->no_reuse = true;
		return LOCAL_ANSWER;
	}
	answer->outcome = OUTCOME_REDIRECTED;
	answer->status = 308;
	answer->title = SLICE("Use HTTPS");
	answer->detail = SLICE("This is served only over https. A token that was sent over http "
			       "may have been read on the way: renew it.");
	local_answer_add(answer, SLICE("Location"), https_url(call, authority.host));
	return LOCAL_ANSWER;
}

const struct local_handler redirect_handler = {.handles = is_redirected, .begin = redirect};

/* ---- a job's path without a slash ---- */

static bool
is_any(const struct exchange_peer *peer, const struct request *request)
{
	(void)peer;
	(void)request;
	return true;
}

/* "/jobs/x" to "/jobs/x/": relative links of the job's pages would lead out of its path. */
static enum local_action
add_slash(const struct local_call *call, struct local_answer *answer)
{
	struct slice query = call->request->query;
	struct slice parts[] = {call->before, call->request->path, SLICE("/")};
	size_t len = call->before.len + call->request->path.len + 1;
	char *at = call->room;

	if (len + query.len > LOCAL_ROOM)
		return LOCAL_UNAVAILABLE;
	/* The query may lie in the room itself, so it is moved first. */
	if (query.len > 0)
		memmove(call->room + len, query.at, query.len);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (parts[i].len > 0)
			memcpy(at, parts[i].at, parts[i].len);
		at += parts[i].len;
	}
	answer->outcome = OUTCOME_REDIRECTED;
	answer->status = 308;
	answer->title = SLICE("Slash missing");
	answer->detail = SLICE("The path of a job ends with a slash.");
	local_answer_add(answer, SLICE("Location"), (struct slice){call->room, len + query.len});
	return LOCAL_ANSWER;
}

const struct local_handler add_slash_handler = {.handles = is_any, .begin = add_slash};

/* ---- Max-Forwards ---- */

static bool
goes_no_further(const struct exchange_peer *peer, const struct request *request)
{
	(void)peer;
	return rewrite_hops_left(request) == 0;
}

static enum local_action
answer_options(const struct local_call *call, struct local_answer *answer)
{
	(void)call;
	answer->outcome = OUTCOME_REFUSED;
	answer->status = 200;
	answer->title = SLICE("Options of the gateway");
	answer->detail = SLICE("Max-Forwards ends the request here.");
	local_answer_add(answer, SLICE("Allow"), JOB_METHODS);
	return LOCAL_ANSWER;
}

const struct local_handler max_forwards_handler = {
    .handles = goes_no_further, .begin = answer_options};
