/* audit.c - the lines of the log that say who changed what. */
#include <stdio.h>

#include "auth/control/handlers.h"
#include "auth/moment.h"
#include "auth/record.h"

void
handler_audit_change(struct call *call, enum store_result result, const char *did,
    enum record_kind kind, struct slice id, const char *change)
{
	const struct control *control = call->ctx;
	struct log log = control->setup->log;
	struct slice token = call->token != NULL ? call->token->token.id : SLICE("");

	call->replicas = store_confirmed(control->store);
	if (result != STORE_OK && result != STORE_UNKNOWN)
		return;
	if (log.level < LOG_LEVEL_INFO) /* whatever the log level is */
		log.level = LOG_LEVEL_INFO;
	log_info(&log, "audit: %s %s %.*s%s by %s%.*s%s%s request %s%s%s", record_types[kind].noun,
	    did, (int)id.len, id.at,
	    result == STORE_UNKNOWN ? " perhaps (the store did not answer)" : "",
	    token.len > 0 ? "token " : "", (int)token.len, token.at, token.len > 0 ? " from " : "",
	    call->peer, call->request_id, change[0] != '\0' ? ": " : "", change);
}

void
handler_audit(struct call *call, enum store_result result, const char *did, enum record_kind kind,
    struct slice id)
{
	handler_audit_change(call, result, did, kind, id, "");
}

/* A time, or "none" for 0. */
static const char *
moment_text(uint64_t ms, char room[MOMENT_TEXT_MAX])
{
	if (ms == 0)
		return "none";
	moment_format(ms, room);
	return room;
}

static const char *
from_text(const struct ip_ranges *from, char room[TOKEN_FROM_TEXT_MAX])
{
	if (from->count == 0)
		return "everywhere";
	jg_ip_ranges_format(from, room, TOKEN_FROM_TEXT_MAX);
	return room;
}

void
audit_token_change(
    const struct token *before, const struct token *after, char out[AUDIT_CHANGE_MAX])
{
	char times[4][MOMENT_TEXT_MAX], from[2][TOKEN_FROM_TEXT_MAX];
	const char *old_from = from_text(&before->from, from[0]);
	const char *new_from = from_text(&after->from, from[1]);
	int len = snprintf(out, AUDIT_CHANGE_MAX,
	    "version %llu -> %llu, expires_at %s -> %s, previous_until %s -> %s",
	    (unsigned long long)before->version, (unsigned long long)after->version,
	    moment_text(before->expires_ms, times[0]), moment_text(after->expires_ms, times[1]),
	    moment_text(before->previous_until_ms, times[2]),
	    moment_text(after->previous_until_ms, times[3]));

	if (memcmp(&before->limits, &after->limits, sizeof(before->limits)) != 0)
		len += snprintf(out + len, AUDIT_CHANGE_MAX - (size_t)len,
		    ", rate %llu -> %llu, burst %llu -> %llu, concurrency %llu -> %llu",
		    (unsigned long long)before->limits.rate, (unsigned long long)after->limits.rate,
		    (unsigned long long)before->limits.burst,
		    (unsigned long long)after->limits.burst,
		    (unsigned long long)before->limits.concurrency,
		    (unsigned long long)after->limits.concurrency);
	if (strcmp(old_from, new_from) != 0)
		snprintf(out + len, AUDIT_CHANGE_MAX - (size_t)len, ", from %s -> %s", old_from,
		    new_from);
}

void
audit_token_new(const struct token *token, char out[AUDIT_CHANGE_MAX])
{
	char expires[MOMENT_TEXT_MAX], from[TOKEN_FROM_TEXT_MAX], selector[512];
	size_t len = jg_selector_format(&token->selector, selector, sizeof(selector));

	int end = snprintf(out, AUDIT_CHANGE_MAX,
	    "role %s, expires_at %s, from %s, label_selector %s", jg_role_name(token->role),
	    moment_text(token->expires_ms, expires), from_text(&token->from, from),
	    len == 0		     ? "none"
	    : len < sizeof(selector) ? selector
				     : "(long)");

	if ((token->limits.rate | token->limits.burst | token->limits.concurrency) != 0)
		snprintf(out + end, AUDIT_CHANGE_MAX - (size_t)end,
		    ", rate %llu, burst %llu, concurrency %llu",
		    (unsigned long long)token->limits.rate, (unsigned long long)token->limits.burst,
		    (unsigned long long)token->limits.concurrency);
}
