/* ask.c - asks the control process for a local handler, and keeps the handler's answer until it is
 * known whether it may be sent. */
#include <openssl/crypto.h>

#include "exchange/exchange_forward.h"
#include "exchange/exchange_local.h"
#include "exchange/exchange_state.h"
#include "http/write.h"
#include "jobgate/check.h"

/* The answer, in the exchange's block of content; its fields follow as lines. */
struct kept_answer {
	enum outcome outcome;
	unsigned status;
	struct slice title, detail; /* static */
};

static bool
has_content(const struct request *request)
{
	return request->content == CONTENT_UNKNOWN ||
	       (request->content == CONTENT_LENGTH && request->length > 0);
}

static size_t
lines_len(const struct local_answer *answer)
{
	size_t len = 0;

	for (size_t i = 0; i < answer->field_count; i++)
		len += answer->fields[i].name.len + answer->fields[i].value.len + 4;
	return len;
}

/* Keep the answer in place of the content that the handler has read. False when memory is short. */
static bool
keep_answer(struct exchange *exchange, const struct local_answer *answer)
{
	struct buffer_pool *buffers = exchange->context->buffers;
	size_t len = _Alignof(struct kept_answer) + sizeof(struct kept_answer) + lines_len(answer);
	struct buffer *buffer = buffer_take(buffers, len);
	struct kept_answer *kept;

	if (buffer == NULL)
		return false;
	kept = buffer_place(buffer, _Alignof(struct kept_answer));
	*kept =
	    (struct kept_answer){answer->outcome, answer->status, answer->title, answer->detail};
	buffer->start = buffer->end = (uint32_t)((char *)(kept + 1) - buffer->bytes);
	for (size_t i = 0; i < answer->field_count; i++) {
		buffer_append(buffer, answer->fields[i].name);
		buffer_append(buffer, SLICE(": "));
		buffer_append(buffer, answer->fields[i].value);
		buffer_append(buffer, SLICE("\r\n"));
	}
	if (exchange->content != NULL)
		exchange_local_wipe(exchange);
	buffer_give(buffers, exchange->content);
	exchange->content = buffer;
	return true;
}

void
exchange_ask(struct exchange *exchange, const struct local_handler *handler,
    const struct request *request, const struct local_answer *answer)
{
	/* Content that has no reader would go to the control process. */
	if (request != NULL && has_content(request)) {
		exchange_fail(exchange, OUTCOME_BAD_REQUEST, 400, SLICE("Bad request"),
		    SLICE("This request must have no content."));
		return;
	}
	if (!exchange_take_place(exchange)) {
		exchange_fail_retry_later(exchange, OUTCOME_RATE_LIMITED, 429,
		    SLICE("Too many requests"),
		    SLICE("Too many people sign in just now; try again shortly."), 1);
		return;
	}
	if (!keep_answer(exchange, answer)) {
		exchange_refuse(exchange, VERDICT_UNAVAILABLE);
		return;
	}
	exchange->asks = true;
	exchange->handler = handler;
	exchange_call_without_token(exchange, answer->ask_path, answer->ask);
}

__attribute__((cold)) void
exchange_asked_head(struct exchange *exchange, unsigned status)
{
	exchange->status = status;
	exchange_set_state(exchange, EXCHANGE_RELAYING);
	exchange_restart_deadline(exchange);
	exchange_drop_kept(exchange);
}

/* The control process agrees: send the answer that was kept. */
static void
send_kept(struct exchange *exchange)
{
	struct reply_form form = exchange_form(exchange);
	struct slice lines = buffer_bytes(exchange->content);
	const struct kept_answer *kept =
	    buffer_place(exchange->content, _Alignof(struct kept_answer));
	struct local_reply reply;
	struct field field;

	form.html = true;
	local_reply_make(&reply, kept->status, kept->title, kept->detail, &form);
	while (field_line_next(&lines, &field))
		local_reply_add(&reply, field.name, field.value);
	exchange_send_reply(exchange, &reply, kept->outcome);
}

void
exchange_asked(struct exchange *exchange, unsigned status)
{
	struct local_answer answer = {0};
	struct local_call call;

	CHECK(exchange->asks && exchange->handler != NULL && exchange->content != NULL,
	    exchange_dump, exchange);
	if (status == 204) {
		send_kept(exchange);
		return;
	}
	call = exchange_local_call(exchange, NULL);
	exchange_local_act(exchange, exchange->handler, NULL,
	    exchange->handler->denied(&call, status, &answer), &answer);
}
