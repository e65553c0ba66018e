/* local.c - runs local handlers: sends what they answer, reads content for them, has them decide.
 */
#include <openssl/crypto.h>

#include "browser/sign_in.h"
#include "browser/sign_in_host.h"
#include "exchange/exchange_local.h"
#include "exchange/exchange_state.h"
#include "exchange/exchange_verdict.h"
#include "exchange/handlers.h"
#include "exchange/origin.h"
#include "jobgate/check.h"

/* The handlers of each stage; NULL ends a row. */
static const struct local_handler *const handlers[][3] = {
    [LOCAL_EARLY] = {&unserved_handler, &redirect_handler},
    [LOCAL_ROUTED] = {&sign_in_handler},
    [LOCAL_ALLOWED] = {&max_forwards_handler},
    [LOCAL_SLASHLESS] = {&add_slash_handler},
    [LOCAL_MONITORING] = {&health_handler},
    [LOCAL_SIGN_IN] = {&sign_in_host_handler},
    [LOCAL_CONTROL] = {&console_handler},
};

static enum local_host
host_of(const struct exchange *exchange)
{
	if (exchange->route.own_host)
		return LOCAL_HOST_OF_ONE;
	return exchange->context->options.jobs.fixed != NULL ? LOCAL_HOST_FIXED
							     : LOCAL_HOST_OF_MANY;
}

bool
exchange_has_sessions(const struct exchange *exchange)
{
	const struct exchange_options *options = &exchange->context->options;

	return options->session_key != NULL && exchange->route.names_job &&
	       exchange->route.own_host &&
	       (!exchange->peer->forward_auth || options->sign_in_host != NULL);
}

/* X-Forwarded-Prefix of a trusted proxy, if it is a path. */
static struct slice
path_before(const struct exchange *exchange, const struct request *request)
{
	static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				   "-._~!$&'()*+,;=:@/%";
	struct slice before = {0};

	if (exchange->peer->trusted && request != NULL)
		before = field_value(&request->fields, FIELD_X_FORWARDED_PREFIX);
	while (before.len > 0 && before.at[before.len - 1] == '/')
		before.len--;
	/* "//host" would lead elsewhere. */
	if (before.len < 2 || before.at[0] != '/' || before.at[1] == '/')
		return (struct slice){0};
	for (size_t i = 0; i < before.len; i++)
		if (memchr(good, before.at[i], sizeof(good) - 1) == NULL)
			return (struct slice){0};
	return before;
}

struct local_call
exchange_local_call(const struct exchange *exchange, const struct request *request)
{
	struct exchange_context *context = exchange->context;
	struct slice frame_policy = {0};

	if (!exchange->peer->forward_auth)
		frame_policy = context->frame_policy;
	return (struct local_call){
	    .request = request,
	    .request_id = exchange_id(exchange),
	    .before = path_before(exchange, request),
	    .job = route_job(&exchange->route),
	    .host = host_of(exchange),
	    .tls = request != NULL && exchange_uses_tls(exchange, request),
	    .by_session = exchange_by_session(exchange),
	    .presented = exchange->carrier != CARRIER_NONE,
	    .https_port = context->options.https_port,
	    .session_key = context->options.session_key,
	    .session_ms = context->options.session_ms,
	    .help = context->options.help,
	    .sign_in_host = slice_of(
		context->options.sign_in_host != NULL ? context->options.sign_in_host : ""),
	    .frame_policy = frame_policy,
	    .now_s = loop_wall_us(context->loop) / 1000000,
	    .shared = context->options.shared,
	    .room = context->local_room,
	};
}

/* Send the reply that was made for the answer's status, with the answer's page and fields. */
static void
send_answer(struct exchange *exchange, struct local_reply *reply, const struct local_answer *answer)
{
	if (answer->page.len > 0)
		local_reply_page(reply, answer->page, exchange->method_id == METHOD_HEAD);
	if (answer->policy.len > 0)
		local_reply_policy(reply, answer->policy);
	for (size_t i = 0; i < answer->field_count; i++)
		local_reply_add(reply, answer->fields[i].name, answer->fields[i].value);
	reply->response.no_reuse = answer->no_reuse;
	reply->call_status = answer->grpc_status;
	exchange_send_reply(exchange, reply, answer->outcome);
}

static void
send_local_answer(struct exchange *exchange, const struct local_answer *answer)
{
	struct reply_form form = exchange_form(exchange);
	struct local_reply reply;

	if (answer->message.len > 0) {
		exchange_send_message(exchange, answer->message, answer->outcome);
		return;
	}
	form.html = exchange->html || answer->page.len > 0;
	local_reply_make(&reply, answer->status, answer->title, answer->detail, &form);
	send_answer(exchange, &reply, answer);
}

/* True when the room takes these bytes before content, of which some must fit, too. */
static bool
put_before(struct exchange *exchange, struct slice before)
{
	if (before.len > exchange->handler->content_max / 2)
		return false;
	buffer_append(exchange->content, before);
	return true;
}

void
exchange_read_content(struct exchange *exchange, const struct local_handler *handler,
    const struct request *request, struct slice before)
{
	struct exchange_context *context = exchange->context;

	exchange_set_state(exchange, EXCHANGE_LOCAL);
	exchange->handler = handler;
	exchange->content_ended = request->content == CONTENT_NONE ||
				  (request->content == CONTENT_LENGTH && request->length == 0);
	exchange->content = buffer_take(context->buffers, handler->content_max);
	if (exchange->content == NULL || (before.len > 0 && !put_before(exchange, before))) {
		exchange_refuse(exchange, VERDICT_UNAVAILABLE);
	} else if (exchange->content_ended) {
		exchange_local_content_end(exchange);
	} else {
		exchange_start_deadline(exchange, context->options.timeouts.body);
		if (request->expect_continue)
			exchange->client->ops->interim(exchange->client,
			    &(struct response){.status = 100, .reason = SLICE("Continue")});
	}
}

void
exchange_local_act(struct exchange *exchange, const struct local_handler *handler,
    const struct request *request, enum local_action action, const struct local_answer *answer)
{
	switch (action) {
	case LOCAL_ANSWER:
		send_local_answer(exchange, answer);
		break;
	case LOCAL_CONTENT:
		CHECK(request != NULL, exchange_dump, exchange);
		exchange_read_content(exchange, handler, request, answer->before);
		break;
	case LOCAL_CLAIM: /* exchange_handle has seen to it */
		break;
	case LOCAL_ASK:
		exchange_ask(exchange, handler, request, answer);
		break;
	case LOCAL_UNAVAILABLE:
		exchange_refuse(exchange, VERDICT_UNAVAILABLE);
		break;
	}
}

/* False when the handler wants the verdict on the browser's sign-in first. */
static bool
begin(struct exchange *exchange, const struct local_handler *handler, const struct request *request)
{
	struct local_call call = exchange_local_call(exchange, request);
	struct local_answer answer = {0};
	enum local_action action = handler->begin(&call, &answer);

	exchange_local_act(exchange, handler, request, action, &answer);
	return action != LOCAL_CLAIM;
}

static void
answer_message(struct exchange *exchange, const struct local_handler *handler)
{
	struct local_call call = exchange_local_call(exchange, NULL);
	struct local_answer answer = {0};

	exchange_local_act(exchange, handler, NULL,
	    handler->message(&call, buffer_bytes(exchange->content), &answer), &answer);
}

bool
exchange_handle(struct exchange *exchange, enum local_stage stage, const struct request *request)
{
	const struct local_handler *const *at = handlers[stage];

	while (*at != NULL && !(*at)->handles(exchange->peer, request))
		at++;
	if (*at == NULL)
		return false;
	if (stage == LOCAL_EARLY)
		exchange_describe(exchange, request);
	return begin(exchange, *at, request);
}

/* More content has come than the handler reads. */
static void
refuse_content(struct exchange *exchange)
{
	const struct local_answer answer = {
	    .outcome = OUTCOME_BAD_REQUEST,
	    .status = 413,
	    .title = SLICE("Content too large"),
	    .detail = SLICE("The request's content is larger than this gateway accepts."),
	    .grpc_status = exchange->handler->too_large_status,
	};

	send_local_answer(exchange, &answer);
}

size_t
exchange_local_content(struct exchange *exchange, struct slice data)
{
	if (data.len > exchange->handler->content_max - buffer_len(exchange->content)) {
		refuse_content(exchange);
		return 0;
	}
	buffer_append(exchange->content, data);
	exchange->bytes_in += data.len;
	return data.len;
}

void
exchange_local_content_end(struct exchange *exchange)
{
	exchange->content_ended = true;
	timer_stop(&exchange->timer);
	if (exchange->open_call)
		exchange_call_open_content(exchange);
	else if (exchange->handler->message != NULL)
		answer_message(exchange, exchange->handler);
	else
		exchange_authorize_content(exchange);
}

void
exchange_local_wipe(struct exchange *exchange)
{
	if (exchange->content != NULL)
		OPENSSL_cleanse(exchange->content->bytes, exchange->content->capacity);
}

void
exchange_claim_content(struct exchange *exchange, struct claim *claim)
{
	char value[LOCAL_CREDENTIAL_MAX];
	size_t len = exchange->handler->credential(buffer_bytes(exchange->content), value);

	claim->credential = CREDENTIAL_MALFORMED;
	if (len > 0)
		exchange_claim_field(exchange, (struct slice){value, len}, claim);
	OPENSSL_cleanse(value, sizeof(value));
}

void
exchange_local_decided(struct exchange *exchange, enum verdict verdict, const struct lookup *lookup)
{
	const struct evidence *evidence = &lookup->evidence;
	const struct local_handler *handler = exchange->handler;
	struct local_call call = exchange_local_call(exchange, NULL);
	struct local_answer answer = {0};
	struct token token;

	if (evidence->token != NULL)
		token = jg_proved_token(evidence);
	if (verdict == VERDICT_ALLOW || verdict == VERDICT_NO_URL)
		exchange_watch(exchange, lookup);
	else
		counter_add(&exchange->context->stats->verdicts[verdict], 1);
	call.limited = exchange_failed_auth(exchange, verdict) > 0;
	exchange_local_act(exchange, handler, NULL,
	    handler->decided(&call, buffer_bytes(exchange->content), verdict,
		evidence->token != NULL ? &token : NULL, &answer),
	    &answer);
}

void
exchange_local_judged(struct exchange *exchange, const struct request *request,
    enum verdict verdict, const struct lookup *lookup)
{
	const struct local_handler *handler = &sign_in_host_handler;
	struct local_call call = exchange_local_call(exchange, request);
	struct local_answer answer = {0};

	if (verdict == VERDICT_ALLOW || verdict == VERDICT_NO_URL)
		exchange_watch(exchange, lookup);
	else
		exchange->decided = false; /* the log tells of a page, not of a refusal */
	exchange_local_act(exchange, handler, request,
	    handler->decided(&call, (struct slice){0}, verdict, NULL, &answer), &answer);
}

/* Another proxy hands our answer on to the browser, unless it is nginx: that takes only 401 and 403
 * from us. */
static bool
proxy_hands_on(const struct exchange *exchange, const struct request *request)
{
	return exchange->context->options.sign_in_host != NULL && exchange->route.own_host &&
	       field_value(&request->fields, FIELD_X_ORIGINAL_URL).at == NULL &&
	       field_value(&request->fields, FIELD_X_ORIGINAL_URI).at == NULL;
}

bool
exchange_refuse_person(
    struct exchange *exchange, const struct request *request, enum verdict verdict)
{
	struct exchange_context *context = exchange->context;
	const struct reply_form form = exchange_form(exchange);
	struct local_answer answer = {0};
	struct local_call call;
	struct local_reply reply;

	if (!exchange->html || !exchange->route.names_job || context->options.session_key == NULL ||
	    (exchange->peer->forward_auth && !proxy_hands_on(exchange, request)))
		return false;
	call = exchange_local_call(exchange, request);
	if (!sign_in_handler.refused(&call, verdict, &answer) ||
	    (exchange->peer->forward_auth && answer.status != 303))
		return false;
	counter_add(&context->stats->verdicts[verdict], 1);
	if (answer.status == 303)
		local_reply_make(&reply, 303, answer.title, answer.detail, &form);
	else
		local_reply_for_verdict(&reply, verdict, (struct slice){0},
		    slice_of(context->options.forwarding.realm), &form);
	send_answer(exchange, &reply, &answer);
	return true;
}
