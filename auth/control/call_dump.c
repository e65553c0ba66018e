/* call_dump.c - what a dump shows of a call. */
#include "auth/control/call.h"

static const char *
caller_name(enum caller caller)
{
	switch (caller) {
	case CALLER_UNAUTHENTICATED:
		return "unauthenticated";
	case CALLER_LOCAL:
		return "local";
	case CALLER_TOKEN:
		return "token";
	}
	return NULL;
}

void
call_dump(const struct call *call, struct dump *dump)
{
	jg_dump_begin(dump, "call");
	if (call->row != NULL)
		jg_dump_text(dump, "endpoint", slice_of(call->row->pattern));
	jg_dump_word(dump, "caller", caller_name(call->caller));
	if (call->token != NULL)
		jg_dump_text(dump, "token", call->token->token.id);
	jg_dump_flag(dump, "scoped", call->scope.count > 0);
	jg_dump_number(dump, "body_len", call->body_len);
	jg_dump_flag(dump, "client_left", call->connection == NULL);
	jg_dump_flag(dump, "has_state", call->state != NULL);
	jg_dump_flag(dump, "has_result", call->result != NULL);
	jg_dump_end(dump);
}
