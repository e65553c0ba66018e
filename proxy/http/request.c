/* request.c - the rules for targets and hosts of requests, and the answers when they are broken. */
#include "http/request.h"

/* Set the authority of a request: that of its target, if there is one, which must match Host. */
static bool
authority_of(const struct target *target, struct slice host, struct slice *out)
{
	struct authority from_target, from_host;

	*out = host;
	if (target->authority.len == 0)
		return true;
	*out = target->authority;
	return host.len == 0 ||
	       (authority_parse(target->authority, &from_target) &&
		   authority_parse(host, &from_host) &&
		   authority_same(&from_target, &from_host,
		       slice_equal_nocase(target->scheme, SLICE("https")) ? 443 : 80));
}

/*
 * OPTIONS with an absolute form without path and query asks about the server itself, and is
 * forwarded in asterisk form (RFC 9112 section 3.2.4).
 */
static bool
asks_for_server(const struct target *target, enum method_id method)
{
	return method == METHOD_OPTIONS && target->form == TARGET_ABSOLUTE && target->pathless &&
	       target->query.len == 0;
}

/* False: the path hides dot segments. */
static bool
set_path(struct request *request, const struct target *target, char *room)
{
	enum path_status status;
	size_t len;

	request->path = target->path;
	if (target->form == TARGET_ASTERISK || asks_for_server(target, request->method_id)) {
		request->path = SLICE("*");
		return true;
	}
	status = path_resolve(target->path, room, &len);
	request->path_resolved = status == PATH_RESOLVED;
	if (target->raw_path)
		len = path_escape(room, len);
	if (status == PATH_RESOLVED || target->raw_path)
		request->path = (struct slice){room, len};
	return status != PATH_BAD;
}

enum request_error
request_set_target(
    struct request *request, const struct target *target, struct slice host, char *room)
{
	if (target->form == TARGET_BAD ||
	    (target->form == TARGET_ASTERISK && request->method_id != METHOD_OPTIONS) ||
	    (target->form == TARGET_AUTHORITY) != (request->method_id == METHOD_CONNECT))
		return REQUEST_BAD_TARGET;
	request->query = target->query;
	if (!authority_of(target, host, &request->authority))
		return REQUEST_HOST_DIFFERS;
	if (target->form != TARGET_AUTHORITY && !set_path(request, target, room))
		return REQUEST_HIDES_DOTS;
	return REQUEST_OK;
}

struct request_rejection
request_rejection(enum request_error error)
{
	struct request_rejection out = {400, SLICE("Bad request"), {0}};

	switch (error) {
	case REQUEST_OK:
	case REQUEST_MALFORMED:
		out.detail = SLICE("The request breaks the rules of its protocol.");
		return out;
	case REQUEST_BAD_TARGET:
		out.detail = SLICE("The request's target is not valid.");
		return out;
	case REQUEST_BAD_SCHEME:
		out.detail = SLICE("The request's scheme must be http or https.");
		return out;
	case REQUEST_BAD_HOST:
		out.detail = SLICE("One Host field with a valid host name is needed.");
		return out;
	case REQUEST_HOST_DIFFERS:
		out.detail = SLICE("The request's target and its Host field disagree.");
		return out;
	case REQUEST_HIDES_DOTS:
		out.detail = SLICE("The path of the request's target hides dot segments.");
		return out;
	case REQUEST_BAD_EXPECT:
		return (struct request_rejection){417, SLICE("Expectation failed"),
		    SLICE("The only expectation known is 100-continue.")};
	case REQUEST_TARGET_TOO_LONG:
		return (struct request_rejection){414, SLICE("URI too long"),
		    SLICE("The request's target is longer than this gateway accepts.")};
	case REQUEST_TOO_LARGE:
		return (struct request_rejection){431, SLICE("Head too large"),
		    SLICE(
			"The request's head has more bytes or fields than this gateway accepts.")};
	case REQUEST_NOT_SERVED:
		return (struct request_rejection){
		    405, SLICE("Method not allowed"), SLICE("CONNECT and TRACE are not served.")};
	case REQUEST_BAD_PROTOCOL:
		return (struct request_rejection){501, SLICE("Protocol not implemented"),
		    SLICE("The only protocol of extended CONNECT is websocket.")};
	}
	return out;
}
