/* reply_fields.c - adds the header fields of an answer to libevhtp's request. */
#include "auth/control/reply_fields.h"

#include <stdio.h>

#include "auth/control/call.h"

static void
add_field(evhtp_request_t *request, const char *name, const char *value)
{
	evhtp_header_t *field = evhtp_header_new(name, value, 1, 1);

	if (field != NULL)
		evhtp_headers_add_header(request->headers_out, field);
}

void
reply_add_fields(evhtp_request_t *request, const struct call *call, const struct reply *reply)
{
	char length[24], confirmed[16];

	if (call->replicas >= 0 && reply->status < 300) {
		snprintf(confirmed, sizeof(confirmed), "%d", call->replicas);
		add_field(request, "Jobgate-Replicas-Confirmed", confirmed);
	}
	if (reply->location != NULL)
		add_field(request, "Location", reply->location);
	if (reply->status == 503 || reply->status == 429)
		add_field(request, "Retry-After", "1");
	if (reply->status == 405)
		add_field(request, "Allow", call->allow);
	if (call->challenge != NULL)
		add_field(request, "WWW-Authenticate", call->challenge);
	add_field(request, "X-Request-Id", call->request_id);
	add_field(request, "Cache-Control", "no-store");
	/* Without this flag libevhtp adds a Content-Length, which 204 must not have (RFC 9110
	 * section 8.6). */
	if (reply->status == 204)
		evhtp_request_enable_flag(request, EVHTP_REQ_FLAG_CHUNKED);
	if (reply->content != NULL) {
		snprintf(length, sizeof(length), "%zu", reply->len);
		add_field(request, "Content-Length", length);
		add_field(request, "Content-Type", reply->type);
	}
}
