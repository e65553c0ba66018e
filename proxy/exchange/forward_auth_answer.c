/* forward_auth_answer.c - the fields that another proxy sets in place of the client's. */
#include "exchange/forward_auth_answer.h"

#include "browser/session.h"
#include "exchange/subprotocol.h"
#include "http/head.h"

static void
answer_authorization(const struct fields *fields, bool keep, struct local_reply *reply)
{
	struct slice left = {0};

	for (size_t i = 0; i < fields->count && keep; i++)
		if (fields->items[i].id == FIELD_AUTHORIZATION)
			left = fields->items[i].value;
	local_reply_add(reply, SLICE("Authorization"), left);
}

/* Write the cookies of one field, without the session's. first: where the whole list begins. */
static void
write_cookies(struct writer *room, const char *first, struct slice cookies)
{
	struct slice pair;

	while (cookie_next(&cookies, &pair)) {
		if (cookie_is_ours(pair))
			continue;
		if (room->at > first)
			write_literal(room, "; ");
		write_slice(room, pair);
	}
}

static bool
answer_cookies(const struct fields *fields, struct writer *room, struct local_reply *reply)
{
	const char *first = room->at;

	for (size_t i = 0; i < fields->count; i++)
		if (fields->items[i].id == FIELD_COOKIE)
			write_cookies(room, first, fields->items[i].value);
	local_reply_add(reply, SLICE("Cookie"), (struct slice){first, (size_t)(room->at - first)});
	return !room->full;
}

/*
 * Servers refuse a WebSocket whose field is empty, and Envoy would send an empty one: so a request
 * without the field gets none. But where the answer has no field, Caddy 2.6 sends the name of its
 * placeholder. It asks with X-Forwarded-Uri, so such a question always gets the field.
 */
static bool
answer_subprotocols(const struct fields *fields, struct writer *room, struct local_reply *reply)
{
	const char *first = room->at;

	if (field_value(fields, FIELD_SEC_WEBSOCKET_PROTOCOL).at == NULL &&
	    field_value(fields, FIELD_X_FORWARDED_URI).at == NULL)
		return true;
	subprotocols_write(room, fields);
	local_reply_add(reply, SLICE("Sec-WebSocket-Protocol"),
	    (struct slice){first, (size_t)(room->at - first)});
	return !room->full;
}

bool
forward_auth_answer(const struct fields *fields, bool keep_authorization, struct writer *room,
    struct local_reply *reply)
{
	answer_authorization(fields, keep_authorization, reply);
	return answer_cookies(fields, room, reply) && answer_subprotocols(fields, room, reply);
}
