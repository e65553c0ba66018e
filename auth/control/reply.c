/* reply.c - the answers of handlers: JSON, text, problems. */
#include "auth/control/reply.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/crypto.h>

#include "auth/control/call.h"

/* Sent in place of an answer for which memory is short. The call may have made its change. */
static const char memory_short[] =
    "{\"type\":\"about:blank\",\"title\":\"Internal Server Error\",\"status\":500,"
    "\"detail\":\"memory is short, so the answer was lost: if the call was to change something, "
    "see whether it was changed before you try again\"}";

/*
 * Send JSON, which it releases. The buffer has the right size from the start: a growing one would
 * leave copies of secrets.
 */
static void
reply_json(struct call *call, struct reply *reply, json_t *body)
{
	if (body != NULL) {
		reply->len = json_dumpb(body, NULL, 0, JSON_COMPACT);
		if (reply->len > 0)
			reply->content = malloc(reply->len);
		/* It needs memory itself. Without it nothing, or only a part, is written. */
		if (reply->content != NULL &&
		    json_dumpb(body, reply->content, reply->len, JSON_COMPACT) != reply->len) {
			OPENSSL_cleanse(reply->content, reply->len);
			free(reply->content);
			reply->content = NULL;
		}
		json_decref(body);
	}
	if (reply->content == NULL) {
		reply->status = 500;
		reply->type = "application/problem+json";
		reply->content = strdup(memory_short);
		reply->len = reply->content != NULL ? sizeof(memory_short) - 1 : 0;
	}
	call->send(call, reply);
}

void
call_answer(struct call *call, unsigned status, json_t *body)
{
	struct reply reply = {.status = status, .type = "application/json"};

	if (status == 204)
		call->send(call, &reply);
	else
		reply_json(call, &reply, body);
}

void
call_answer_created(struct call *call, const char *location, json_t *body)
{
	struct reply reply = {.status = 201, .type = "application/json", .location = location};

	reply_json(call, &reply, body);
}

void
call_answer_text(struct call *call, unsigned status, const char *type, char *text)
{
	struct reply reply = {.status = status, .type = type, .content = text};

	if (text == NULL) {
		reply_json(call, &reply, NULL);
		return;
	}
	reply.len = strlen(text);
	call->send(call, &reply);
}

const char *
reply_title(unsigned status)
{
	switch (status) {
	case 400:
		return "Bad Request";
	case 401:
		return "Unauthorized";
	case 403:
		return "Forbidden";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 409:
		return "Conflict";
	case 413:
		return "Content Too Large";
	case 414:
		return "URI Too Long";
	case 429:
		return "Too Many Requests";
	case 431:
		return "Request Header Fields Too Large";
	case 503:
		return "Service Unavailable";
	case 507:
		return "Insufficient Storage";
	default:
		return "Internal Server Error";
	}
}

/*
 * After a failure the caller may repeat the request; then the name may find another token, or none.
 */
static void
add_named_id(const struct call *call, unsigned status, char *text, size_t size)
{
	size_t len = strlen(text);

	if (call->named_id[0] != '\0' && (status == 409 || status == 429 || status >= 500))
		snprintf(text + len, size - len,
		    " (if you repeat the request, give the token's id, %.*s, not its name)",
		    TOKEN_ID_LEN, call->named_id);
}

void
call_refuse(struct call *call, unsigned status, const char *field, const char *detail, ...)
{
	struct reply reply = {.status = status, .type = "application/problem+json"};
	char text[512];
	json_t *body;
	va_list args;

	va_start(args, detail);
	vsnprintf(text, sizeof(text), detail, args);
	va_end(args);
	add_named_id(call, status, text, sizeof(text));
	for (char *c = text; *c != '\0';
	     c++) /* it may quote a client's bytes, in an unknown encoding */
		if (*c < ' ' || *c > '~')
			*c = '?';
	body = json_pack("{s:s, s:s, s:i, s:s, s:s}", "type", "about:blank", "title",
	    reply_title(status), "status", (int)status, "detail", text, "request_id",
	    call->request_id);
	if (body != NULL && field != NULL)
		json_object_set_new(body, "field", json_string(field));
	reply_json(call, &reply, body);
}

void
call_refuse_memory(struct call *call)
{
	call_refuse(call, 500, NULL,
	    "memory is short: try again, and give the gateway more memory if this goes on");
}
