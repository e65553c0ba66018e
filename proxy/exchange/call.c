/* call.c - calls of the control API, forwarded to the control process, and requests of monitoring.
 */
#include <openssl/crypto.h>
#include <stdio.h>

#include "exchange/exchange_forward.h"
#include "exchange/exchange_local.h"
#include "exchange/exchange_state.h"
#include "http/bytes.h"
#include "observe/metrics.h"

/*
 * The control process parses heads with a third-party library. So it gets only heads that are
 * written here, and targets made of the bytes that the API's paths and queries need (RFC 3986
 * section 3.3, complete escapes).
 */
static bool
is_plain(struct slice text, const char *others)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.at[i], lower = (char)(c | 0x20);

		if ((lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9'))
			continue;
		if (c == '%') {
			if (text.len - i < 3 || !byte_is((unsigned char)text.at[i + 1], BYTE_HEX) ||
			    !byte_is((unsigned char)text.at[i + 2], BYTE_HEX))
				return false;
			i += 2;
		} else if (c == '\0' || strchr(others, c) == NULL) {
			return false;
		}
	}
	return true;
}

#define PATH_OTHERS "/-._~!$&'()*+,;=:@"
#define QUERY_OTHERS PATH_OTHERS "?"

/* Answer instead of the control process. */
static void
refuse(struct exchange *exchange, unsigned status, struct slice title, struct slice detail)
{
	exchange_fail(exchange, OUTCOME_BAD_REQUEST, status, title, detail);
}

/* True for a request that the control process must not see; it has been refused then. */
static bool
refuse_unfit(struct exchange *exchange, const struct request *request)
{
	if (request->path_resolved || request->path.at[0] != '/' ||
	    request->path.len > CONTROL_TARGET_MAX || !is_plain(request->path, PATH_OTHERS)) {
		refuse(exchange, 404, SLICE("Not found"), SLICE("There is nothing at this path."));
		return true;
	}
	if (exchange->tunnel_only) {
		exchange_refuse_tunnel(exchange);
		return true;
	}
	if (request->method_id == METHOD_OTHER) {
		refuse(exchange, 405, SLICE("Method not allowed"),
		    SLICE("The control API does not have this method."));
		return true;
	}
	if (request->path.len + request->query.len > CONTROL_TARGET_MAX) {
		refuse(exchange, 400, SLICE("Bad request"),
		    SLICE("The query is longer than is allowed here."));
		return true;
	}
	if (!is_plain(request->query, QUERY_OTHERS)) {
		refuse(exchange, 400, SLICE("Bad request"),
		    SLICE("Bytes of the query must be percent-encoded."));
		return true;
	}
	if (request->content == CONTENT_LENGTH && request->length > CONTROL_BODY_MAX) {
		refuse(exchange, 413, SLICE("Content too large"),
		    SLICE("The body is larger than the control API accepts."));
		return true;
	}
	return false;
}

/* Make the request for the control process and keep it. False when it does not fit. */
static bool
prepare(struct exchange *exchange, struct request *request, const struct evidence *evidence)
{
	struct exchange_context *context = exchange->context;
	struct token shown = {0};
	struct rewritten *rewritten = &context->rewritten;
	char address[ADDRESS_TEXT_MAX];
	struct rewrite rewrite = {
	    .peer_trusted = exchange->peer->trusted,
	    .peer = peer_text(exchange->peer, address),
	    .request_id = exchange_id(exchange),
	};

	if (evidence != NULL) {
		shown = jg_proved_token(evidence);
		rewrite.token = &shown;
		rewrite.address = exchange_address(exchange);
	}
	exchange->content_ended = request->content == CONTENT_NONE ||
				  (request->content == CONTENT_LENGTH && request->length == 0);
	return rewrite_control(request, &rewrite, context->options.control_secret, rewritten) &&
	       exchange_keep(exchange, request, &rewritten->extra, context->options.control_target);
}

/*
 * The records of the verdict are not watched. The control process reads the token again for
 * each call, and an operator that renews its own token must get the answer. It is told which value
 * was shown, so a call that the value before began ends with the grace.
 */
void
exchange_call_control(
    struct exchange *exchange, struct request *request, const struct evidence *evidence)
{
	struct exchange_context *context = exchange->context;

	if (refuse_unfit(exchange, request))
		return;
	exchange_set_state(exchange, EXCHANGE_CONNECTING);
	if (!prepare(exchange, request, evidence)) {
		refuse(exchange, 431, SLICE("Head too large"),
		    SLICE("The proxies in front name too many addresses for this client."));
		return;
	}
	exchange->backend =
	    pool_enter(context->pool, context->options.control_target, BACKEND_OF_CONTROL);
	if (exchange->backend == NULL)
		exchange_refuse(exchange, VERDICT_UNAVAILABLE);
	else
		loop_defer(context->loop, &exchange->connect);
}

/*
 * The most content of a call without a token: a value takes 70 bytes. It is read before the call
 * takes a place, so no client holds a place by sending slowly.
 */
#define OPEN_CONTENT_MAX 1024

static const struct local_handler open_handler = {.content_max = OPEN_CONTENT_MAX};

/* The address whose calls are counted: of IPv6 the network of one subscriber; zeros: not known. */
static struct in6_addr
counted_address(const struct exchange *exchange)
{
	struct in6_addr address = IN6ADDR_ANY_INIT;

	if (exchange->has_address)
		address = exchange->address;
	if (!IN6_IS_ADDR_V4MAPPED(&address))
		memset(address.s6_addr + 8, 0, 8);
	return address;
}

bool
exchange_take_place(struct exchange *exchange)
{
	struct in6_addr address = counted_address(exchange);
	struct open_place *places = exchange->context->open_places, *free_place = NULL;
	unsigned taken = 0;

	for (size_t i = 0; i < OPEN_PLACES; i++)
		if (!places[i].taken)
			free_place = &places[i];
		else if (memcmp(&places[i].address, &address, sizeof(address)) == 0)
			taken++;
	if (free_place == NULL || taken >= OPEN_PLACES_OF_ADDRESS)
		return false;
	*free_place = (struct open_place){true, address};
	exchange->open_place = free_place;
	return true;
}

void
exchange_leave_place(struct exchange *exchange)
{
	if (exchange->open_place != NULL)
		exchange->open_place->taken = false;
	exchange->open_place = NULL;
}

/*
 * Refuse it if there are too many, or if its address has used up the limit of failed tokens:
 * nothing else bounds what strangers ask of the store.
 */
static bool
refuse_many(struct exchange *exchange)
{
	unsigned wait_s =
	    exchange->client->ops->failed_auth(exchange->client, exchange_address(exchange));

	if (wait_s == 0 && exchange_take_place(exchange))
		return false;
	exchange_fail_retry_later(exchange, OUTCOME_RATE_LIMITED, 429, SLICE("Too many requests"),
	    SLICE("There are too many calls without a token; try again later."),
	    wait_s > 0 ? wait_s : 1);
	return true;
}

/* Keep the content for the control process's connection. False when memory is short. */
static bool
keep_content(struct exchange *exchange, struct slice content)
{
	struct kept_content *kept = &exchange->kept_content;

	kept->secret = true;
	kept_content_add(kept, &exchange->context->kept_contents, content);
	if (kept->lost)
		return false;
	kept->ended = true;
	kept_content_rewind(kept);
	exchange->content_ended = true;
	return true;
}

void
exchange_call_without_token(struct exchange *exchange, struct slice path, struct slice content)
{
	char address[ADDRESS_TEXT_MAX];
	struct field forwarded = {.name = SLICE("X-Forwarded-For"), .id = FIELD_X_FORWARDED_FOR};
	struct request request = {.method = SLICE("POST"),
	    .method_id = METHOD_POST,
	    .path = path,
	    .content = CONTENT_LENGTH,
	    .length = content.len,
	    .version = exchange->version};

	if (exchange->peer->trusted && exchange->has_address) {
		forwarded.value = (struct slice){
		    address, address_bytes_format(exchange->address.s6_addr, address)};
		request.fields = (struct fields){&forwarded, 1};
	}
	exchange_call_control(exchange, &request, NULL);
	if (exchange->state == EXCHANGE_CONNECTING && request.length > 0 &&
	    !keep_content(exchange, content))
		exchange_refuse(exchange, VERDICT_UNAVAILABLE);
}

void
exchange_call_open_content(struct exchange *exchange)
{
	if (refuse_many(exchange))
		return;
	exchange_call_without_token(
	    exchange, SLICE(CONTROL_OPEN_PATH), buffer_bytes(exchange->content));
	if (exchange->content != NULL)
		OPENSSL_cleanse(exchange->content->bytes, exchange->content->capacity);
}

bool
exchange_call_open(struct exchange *exchange, struct request *request, const struct claim *claim)
{
	if (!exchange->control || claim->credential != CREDENTIAL_NONE ||
	    request->method_id != METHOD_POST || request->path_resolved ||
	    !slice_equal(request->path, SLICE(CONTROL_OPEN_PATH)))
		return false;
	exchange->open_call = true;
	if (!refuse_unfit(exchange, request))
		exchange_read_content(exchange, &open_handler, request, (struct slice){0});
	return true;
}

void
exchange_call_failed(struct exchange *exchange, enum upstream_failure failure)
{
	struct slice title = SLICE("Control API unavailable");

	if (failure == UPSTREAM_BROKEN || failure == UPSTREAM_BAD_ANSWER)
		exchange_fail(exchange, OUTCOME_BACKEND_CLOSED, 503, title,
		    SLICE("The control process ended before it answered. A change may have "
			  "been made: check before you repeat it."));
	else
		exchange_fail(exchange, OUTCOME_CONNECT_FAILED, 503, title,
		    SLICE("The control process is not available, and nothing was changed. Try "
			  "again in a moment."));
}

/* ---- control.metrics ---- */

static void
answer_ready(struct exchange *exchange)
{
	struct reply_form form = exchange_form(exchange);
	struct local_reply reply;
	bool head = exchange->method_id == METHOD_HEAD;
	char why[256] = "", text[sizeof(why) + 8];

	if (metrics_ready(exchange->context->options.shared, why, sizeof(why))) {
		snprintf(text, sizeof(text), "ok\n%s%s", why, why[0] != '\0' ? "\n" : "");
		local_reply_text(&reply, slice_of(text), head);
	} else {
		local_reply_make(&reply, 503, SLICE("Not ready"), slice_of(why), &form);
	}
	exchange_send_reply(exchange, &reply, OUTCOME_ANSWERED);
}

/* /healthz: it only says that this process answers. */
static void
answer_health(struct exchange *exchange)
{
	struct local_reply reply;

	local_reply_text(&reply, SLICE("ok\n"), exchange->method_id == METHOD_HEAD);
	exchange_send_reply(exchange, &reply, OUTCOME_ANSWERED);
}

static void
refuse_method(struct exchange *exchange)
{
	struct reply_form form = exchange_form(exchange);
	struct local_reply reply;

	local_reply_make(&reply, 405, SLICE("Method not allowed"),
	    SLICE("This path accepts only GET and HEAD."), &form);
	local_reply_allow(&reply, SLICE("GET, HEAD"));
	exchange_send_reply(exchange, &reply, OUTCOME_BAD_REQUEST);
}

void
exchange_serve_monitoring(struct exchange *exchange, struct request *request)
{
	bool health = slice_equal(request->path, SLICE("/healthz"));
	bool ready = slice_equal(request->path, SLICE("/readyz"));
	bool metrics = slice_equal(request->path, SLICE("/metrics"));

	if (exchange_handle(exchange, LOCAL_MONITORING, request))
		return;
	if (request->path_resolved || (!health && !ready && !metrics))
		refuse(exchange, 404, SLICE("Not found"),
		    SLICE("This address serves only /healthz, /readyz, /metrics and the method "
			  "Check of gRPC's health service."));
	else if (request->method_id != METHOD_GET && request->method_id != METHOD_HEAD)
		refuse_method(exchange);
	else if (health)
		answer_health(exchange);
	else if (ready)
		answer_ready(exchange);
	else
		exchange_call_control(exchange, request, NULL);
}
