/* running_session.c - what a session shows to operators, and to which of them. */
#include "exchange/exchange_state.h"
#include "exchange/running_state.h"

uint32_t
running_worker(const struct exchange_context *context)
{
	return (uint32_t)(context->ids.worker >> 32);
}

enum session_state
running_state_of(const struct exchange *exchange)
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

void
running_find_records(const struct exchange *exchange, struct running_records *out)
{
	struct exchange_context *context = exchange->context;
	uint64_t now_ms = loop_now_ms(context->loop);
	struct directory_answer answer =
	    jg_directory_watched(context->directory, &exchange->token_watch, now_ms);

	*out = (struct running_records){.job = exchange_fixed_job(context)};
	if (answer.known == RECORD_KNOWN)
		out->token = jg_directory_token(answer.entry, &out->room);
	if (out->job != NULL || exchange->job_watch.entry == NULL)
		return;
	answer = jg_directory_watched(context->directory, &exchange->job_watch, now_ms);
	if (answer.known == RECORD_KNOWN)
		out->job = jg_directory_job(answer.entry);
}

/* ---- scopes ---- */

void
running_scope_read(struct running_scope *scope, const struct session_filter *filter)
{
	size_t bad;

	scope->scoped = filter->scoped != 0;
	memcpy(scope->text, filter->scope, sizeof(scope->text));
	scope->text[SESSION_SCOPE_MAX - 1] = '\0';
	scope->set = (struct label_set){.items = scope->labels};
	if (scope->scoped && jg_selector_parse(slice_of(scope->text), scope->labels,
				 &scope->set.count, &bad) != LABEL_OK)
		scope->set.count = 0;
}

bool
running_names(const struct running_scope *scope, const struct running_records *records)
{
	return !scope->scoped || (records->token != NULL &&
				     jg_selector_match(&scope->set, &records->token->selector));
}

bool
running_sees(const struct running_scope *scope, const struct running_records *records)
{
	return !scope->scoped || (scope->set.count > 0 && records->job != NULL &&
				     jg_selector_match(&scope->set, &records->job->labels));
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

void
running_describe(const struct exchange *exchange, const struct running_records *records,
    bool with_token, struct session *out)
{
	char address[ADDRESS_TEXT_MAX];

	*out = (struct session){.serial = exchange->serial,
	    .started_us = exchange->started_us,
	    .age_us = exchange_age_us(exchange),
	    .bytes_in = exchange->bytes_in,
	    .bytes_out = exchange->bytes_out,
	    .state = (uint8_t)running_state_of(exchange),
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
