/* audit.c - the lines of the log that say who changed what. */
#include <stdarg.h>
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

void
handler_audit_gone(struct call *call, enum store_result result, const char *did,
    enum record_kind kind, struct slice id)
{
	const struct control *control = call->ctx;
	const struct record *before = store_before(control->store);
	char had[AUDIT_CHANGE_MAX] = "";

	if (result == STORE_OK && before != NULL && before->kind == RECORD_TOKEN)
		audit_token(&before->token, had);
	else if (result == STORE_OK && before != NULL && before->kind == RECORD_JOB)
		audit_job_gone(&before->job, had);
	handler_audit_change(call, result, did, kind, id, had);
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

/* Add to the end of the text; what does not fit is cut. */
__attribute__((format(printf, 2, 3))) static void
add(char out[AUDIT_CHANGE_MAX], const char *format, ...)
{
	size_t len = strlen(out);
	va_list args;

	va_start(args, format);
	vsnprintf(out + len, AUDIT_CHANGE_MAX - len, format, args);
	va_end(args);
}

/* The label selector comes last: the log cuts long lines at their end. */
static void
add_selector(char out[AUDIT_CHANGE_MAX], const struct token *token)
{
	char selector[512];
	size_t len = jg_selector_format(&token->selector, selector, sizeof(selector));

	add(out, ", label_selector %s",
	    len == 0		     ? "none"
	    : len < sizeof(selector) ? selector
				     : "(long)");
}

/* Begin the text with the token's name and role. */
static void
begin_token(char out[AUDIT_CHANGE_MAX], const struct token *token)
{
	out[0] = '\0';
	add(out, "name %.*s, role %s", (int)token->name.len, token->name.at,
	    jg_role_name(token->role));
}

void
audit_token_change(
    const struct token *before, const struct token *after, char out[AUDIT_CHANGE_MAX])
{
	char times[4][MOMENT_TEXT_MAX], from[2][TOKEN_FROM_TEXT_MAX];
	const char *old_from = from_text(&before->from, from[0]);
	const char *new_from = from_text(&after->from, from[1]);

	begin_token(out, after);
	add(out, ", version %llu -> %llu, expires_at %s -> %s, previous_until %s -> %s",
	    (unsigned long long)before->version, (unsigned long long)after->version,
	    moment_text(before->expires_ms, times[0]), moment_text(after->expires_ms, times[1]),
	    moment_text(before->previous_until_ms, times[2]),
	    moment_text(after->previous_until_ms, times[3]));
	if (memcmp(&before->limits, &after->limits, sizeof(before->limits)) != 0)
		add(out, ", rate %llu -> %llu, burst %llu -> %llu, concurrency %llu -> %llu",
		    (unsigned long long)before->limits.rate, (unsigned long long)after->limits.rate,
		    (unsigned long long)before->limits.burst,
		    (unsigned long long)after->limits.burst,
		    (unsigned long long)before->limits.concurrency,
		    (unsigned long long)after->limits.concurrency);
	if (strcmp(old_from, new_from) != 0)
		add(out, ", from %s -> %s", old_from, new_from);
	add_selector(out, after);
}

void
audit_token(const struct token *token, char out[AUDIT_CHANGE_MAX])
{
	char expires[MOMENT_TEXT_MAX], from[TOKEN_FROM_TEXT_MAX];

	begin_token(out, token);
	add(out, ", expires_at %s, from %s", moment_text(token->expires_ms, expires),
	    from_text(&token->from, from));
	if ((token->limits.rate | token->limits.burst | token->limits.concurrency) != 0)
		add(out, ", rate %llu, burst %llu, concurrency %llu",
		    (unsigned long long)token->limits.rate, (unsigned long long)token->limits.burst,
		    (unsigned long long)token->limits.concurrency);
	add_selector(out, token);
}

#define VALUE_SHOWN_MAX 256 /* bytes of a URL, so that the other changes have room in the line */

/* Add "what old -> new", with a name behind what. A value of NULL is none. */
static void
add_change(char out[AUDIT_CHANGE_MAX], const char *what, struct slice name, struct slice old_value,
    struct slice new_value)
{
	const struct slice none = SLICE("none"), empty = SLICE("\"\"");
	struct slice values[2] = {old_value, new_value};

	for (size_t i = 0; i < 2; i++) {
		if (values[i].at == NULL)
			values[i] = none;
		else if (values[i].len == 0)
			values[i] = empty;
		if (values[i].len > VALUE_SHOWN_MAX)
			values[i].len = VALUE_SHOWN_MAX;
	}
	add(out, "%s%s%.*s %.*s -> %.*s", out[0] != '\0' ? ", " : "", what, (int)name.len, name.at,
	    (int)values[0].len, values[0].at, (int)values[1].len, values[1].at);
}

/* The value of a label; NULL: there is no such label. */
static struct slice
value_of(const struct label_set *labels, struct slice name)
{
	for (size_t i = 0; i < labels->count; i++)
		if (slice_equal(labels->items[i].name, name))
			return labels->items[i].value;
	return (struct slice){0};
}

/* Add what differs between the ports. */
static void
compare_ports(const struct job *before, const struct job *after, char out[AUDIT_CHANGE_MAX])
{
	const struct job *jobs[2] = {before, after};

	for (size_t side = 0; side < 2; side++)
		for (size_t i = 0; i < jobs[side]->ports.count; i++) {
			const struct job_port *port = &jobs[side]->ports.items[i];
			const struct job_port *other =
			    jg_job_port_find(jobs[1 - side], port->number);
			struct slice none = {0}, url = other != NULL ? other->url_text : none;
			char name[8];

			snprintf(name, sizeof(name), "%u", (unsigned)port->number);
			/* One that both have is compared with the first side. */
			if (side == 0 && !slice_equal(port->url_text, url))
				add_change(out, "port ", slice_of(name), port->url_text, url);
			if (side == 1 && other == NULL)
				add_change(out, "port ", slice_of(name), none, port->url_text);
		}
}

/* What differs; "" for nothing. */
static void
compare_jobs(const struct job *before, const struct job *after, char out[AUDIT_CHANGE_MAX])
{
	const struct label_set *sets[2] = {&before->labels, &after->labels};
	const struct slice none = {0}, one = SLICE("");
	char old_lease[24], new_lease[24];

	out[0] = '\0';
	if (!slice_equal(before->url_text, after->url_text))
		add_change(out, "url", one, before->url_text.len > 0 ? before->url_text : none,
		    after->url_text.len > 0 ? after->url_text : none);
	snprintf(old_lease, sizeof(old_lease), "%llu", (unsigned long long)before->lease);
	snprintf(new_lease, sizeof(new_lease), "%llu", (unsigned long long)after->lease);
	if (before->lease != after->lease)
		add_change(out, "lease", one, before->lease > 0 ? slice_of(old_lease) : none,
		    after->lease > 0 ? slice_of(new_lease) : none);
	if (jg_job_is_public(before) != jg_job_is_public(after))
		add_change(out, "access", one, jg_job_is_public(before) ? before->access : none,
		    jg_job_is_public(after) ? after->access : none);
	compare_ports(before, after, out);
	for (size_t set = 0; set < 2; set++)
		for (size_t i = 0; i < sets[set]->count; i++) {
			struct slice name = sets[set]->items[i].name;
			struct slice old_value = value_of(&before->labels, name);
			struct slice new_value = value_of(&after->labels, name);

			/* One that both have is compared with the first set. */
			if (set == 0 ? new_value.at == NULL || !slice_equal(old_value, new_value)
				     : old_value.at == NULL)
				add_change(out, "label ", name, old_value, new_value);
		}
}

void
audit_job_change(const struct job *before, const struct job *after, char out[AUDIT_CHANGE_MAX])
{
	compare_jobs(before, after, out);
	if (out[0] == '\0')
		add(out, "all values as before");
}

void
audit_job_new(const struct job *job, char out[AUDIT_CHANGE_MAX])
{
	const struct job none = {0};

	compare_jobs(&none, job, out);
	if (out[0] == '\0')
		add(out, "no url, no labels");
}

void
audit_job_gone(const struct job *job, char out[AUDIT_CHANGE_MAX])
{
	const struct job none = {0};

	compare_jobs(job, &none, out);
	if (out[0] == '\0')
		add(out, "no url, no labels");
}
