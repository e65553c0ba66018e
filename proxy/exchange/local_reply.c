/* local_reply.c - what a client is told when the gateway answers in place of a job. */
#include "exchange/local_reply.h"

#include "browser/page.h"
#include "http/bytes.h"
#include "http/head.h"
#include "http/write.h"
#include "jobgate/check.h"

#define RETRY_AFTER SLICE("Retry-After")
#define ALLOW SLICE("Allow")

struct refusal_text {
	struct slice title, detail;
	struct slice error; /* of RFC 6750 section 3.1; empty: WWW-Authenticate has none */
};

static struct refusal_text
verdict_text(enum verdict verdict)
{
	switch (verdict) {
	case VERDICT_ALLOW:
	case VERDICT_PUBLIC:
		break;
	case VERDICT_BAD_CREDENTIAL:
		return (struct refusal_text){SLICE("Bad credential"),
		    SLICE("A credential is malformed or was sent twice. Send one: "
			  "Authorization: Bearer <token>."),
		    SLICE("invalid_request")};
	case VERDICT_NO_CREDENTIAL:
		return (struct refusal_text){SLICE("Token required"),
		    SLICE("Send a token: Authorization: Bearer <token>."), {0}};
	case VERDICT_INVALID_TOKEN:
		return (struct refusal_text){SLICE("Invalid token"),
		    SLICE("The token is not valid; it may have been renewed or deleted."),
		    SLICE("invalid_token")};
	case VERDICT_EXPIRED:
		return (struct refusal_text){SLICE("Token expired"),
		    SLICE("The token's time is over; ask for a new one."), SLICE("invalid_token")};
	case VERDICT_OTHER_ADDRESS:
		return (struct refusal_text){SLICE("Address not allowed"),
		    SLICE("The token is limited to some addresses, and this request does not come "
			  "from one of them."),
		    {0}};
	case VERDICT_UNAVAILABLE:
		return (struct refusal_text){SLICE("Store unavailable"),
		    SLICE("Access cannot be checked just now; try again shortly."), {0}};
	case VERDICT_NOT_A_JOB:
		return (struct refusal_text){SLICE("Not a job URL"),
		    SLICE("Neither the host nor the path of this URL names a job."), {0}};
	case VERDICT_NO_SUCH_JOB:
		return (struct refusal_text){
		    SLICE("No such job"), SLICE("There is no job of this name."), {0}};
	case VERDICT_OUT_OF_SCOPE:
		return (struct refusal_text){SLICE("Out of scope"),
		    SLICE("The token's label selector does not reach this job."),
		    SLICE("insufficient_scope")};
	case VERDICT_NO_URL:
		return (struct refusal_text){SLICE("Job not ready"),
		    SLICE("The job has no URL yet; try again shortly."), {0}};
	case VERDICT_OVER_RATE:
		return (struct refusal_text){SLICE("Rate exceeded"),
		    SLICE("The token makes more requests per second than it may; try again after "
			  "the seconds in Retry-After."),
		    {0}};
	case VERDICT_OVER_CONCURRENCY:
		return (struct refusal_text){SLICE("Too many requests at a time"),
		    SLICE("This token has as many requests running as it may, WebSockets and "
			  "streams included; try again when one has ended."),
		    {0}};
	case VERDICT_LIMITS_FULL:
		return (struct refusal_text){SLICE("Too many tokens in use"),
		    SLICE("The gateway has no room to count this token's requests; try again "
			  "shortly."),
		    {0}};
	}
	return (struct refusal_text){SLICE("Refused"), SLICE("The request was refused."), {0}};
}

/* The word for a status in errors of OpenAI's API. */
static struct slice
openai_type(unsigned status)
{
	switch (status) {
	case 401:
		return SLICE("authentication_error");
	case 403:
		return SLICE("permission_error");
	case 404:
		return SLICE("not_found_error");
	case 429:
		return SLICE("rate_limit_error");
	default:
		return status >= 500 ? SLICE("server_error") : SLICE("invalid_request_error");
	}
}

/* The title as a word for programs: "No such job" is no_such_job. */
static void
write_code(struct writer *writer, struct slice title)
{
	for (size_t i = 0; i < title.len; i++) {
		char c = title.at[i];

		if (c == ' ')
			c = '_';
		else if (c >= 'A' && c <= 'Z')
			c = (char)(c | 0x20);
		write_slice(writer, (struct slice){&c, 1});
	}
}

/* The members of RFC 9457, and `error`, of which OpenAI's clients show the message. */
static void
write_json(struct writer *writer, unsigned status, struct slice title, struct slice detail,
    struct slice request_id)
{
	write_literal(writer, "{\"type\":\"about:blank\",\"title\":\"");
	write_slice(writer, title);
	write_literal(writer, "\",\"status\":");
	write_number(writer, status);
	write_literal(writer, ",\"detail\":\"");
	write_slice(writer, detail);
	write_literal(writer, "\",\"request_id\":\"");
	write_slice(writer, request_id);
	write_literal(writer, "\",\"error\":{\"message\":\"");
	write_slice(writer, detail);
	write_literal(writer, "\",\"type\":\"");
	write_slice(writer, openai_type(status));
	write_literal(writer, "\",\"code\":\"");
	write_code(writer, title);
	write_literal(writer, "\"}}\n");
}

/* What a person can do about it; empty: the text says so, or there is nothing. */
static struct slice
advice(unsigned status, struct slice title)
{
	static const struct {
		const char *title, *text;
	} by_title[] = {
	    {"Address not allowed", "Use it from one of these addresses, or ask for a token "
				    "without this limit."},
	    {"Foreign origin", "Open the page at its own address, and try again there."},
	    {"Job is starting", "If it stays like this, ask the person who runs the job."},
	    {"Not found", "Check the address."},
	};

	for (size_t i = 0; i < sizeof(by_title) / sizeof(by_title[0]); i++)
		if (slice_equal(title, slice_of(by_title[i].title)))
			return slice_of(by_title[i].text);
	switch (status) {
	case 403:
		return SLICE("Ask the person who runs this job for a token that reaches it.");
	case 404:
		return SLICE("Check the address. The job may have ended.");
	case 502:
	case 504:
		return SLICE("The job may still be starting, or have ended. Wait a moment, then "
			     "load the page again. If it stays like this, ask the person who runs "
			     "the job.");
	case 429:
	case 503:
		return SLICE("Wait a moment, then load the page again.");
	default:
		return (struct slice){0};
	}
}

static struct slice
make_page(struct local_reply *reply, unsigned status, struct slice title, struct slice detail,
    const struct reply_form *form)
{
	const struct page page = {.title = title,
	    .message = detail,
	    .advice = advice(status, title),
	    .job = form->job,
	    .is_error = !status_is_success(status) && !form->waits,
	    .status = status,
	    .request_id = form->request_id};

	return (struct slice){reply->body, page_write(&page, reply->body, sizeof(reply->body))};
}

static struct slice
make_json(struct local_reply *reply, unsigned status, struct slice title, struct slice detail,
    struct slice request_id)
{
	struct writer writer = writer_of(reply->body, sizeof(reply->body));

	write_json(&writer, status, title, detail, request_id);
	return (struct slice){reply->body, (size_t)(writer.at - reply->body)};
}

/*
 * No page of ours runs scripts, except the console, which brings its own policy. No page is framed,
 * except as browser.embed allows. None tells other hosts where it is, and the page that opened its
 * window cannot read it (browsers apply this to redirects, too). A redirect says nothing of its
 * address; a page must, since forms with no-referrer are sent with
 * "Origin: null" (Fetch).
 */
static void
add_page_fields(struct local_reply *reply, unsigned status, struct slice frame_policy)
{
	bool framed = frame_policy.len > 0;

	local_reply_add(
	    reply, SLICE("Content-Security-Policy"), framed ? frame_policy : slice_of(page_policy));
	if (!framed)
		local_reply_add(reply, SLICE("X-Frame-Options"), SLICE("DENY"));
	local_reply_add(reply, SLICE("Referrer-Policy"),
	    status == 303 ? SLICE("no-referrer") : SLICE("same-origin"));
	local_reply_add(reply, SLICE("Cross-Origin-Opener-Policy"), SLICE("same-origin"));
	local_reply_add(reply, SLICE("X-Content-Type-Options"), SLICE("nosniff"));
}

void
local_reply_add(struct local_reply *reply, struct slice name, struct slice value)
{
	CHECK(reply->response.fields.count < LOCAL_REPLY_FIELDS_MAX);
	reply->items[reply->response.fields.count++] = (struct field){.name = name, .value = value};
}

void
local_reply_make(struct local_reply *reply, unsigned status, struct slice title,
    struct slice detail, const struct reply_form *form)
{
	reply->content = form->html ? make_page(reply, status, title, detail, form)
				    : make_json(reply, status, title, detail, form->request_id);
	reply->detail = detail;
	reply->call_status = GRPC_OK;
	reply->response = (struct response){
	    .status = status,
	    .fields = {reply->items, 0},
	    .content = form->head ? CONTENT_NONE : CONTENT_LENGTH,
	    .length = reply->content.len,
	    .length_known = true,
	};
	if (form->head)
		reply->content.len = 0;
	local_reply_add(reply, SLICE("Content-Type"),
	    form->html ? SLICE("text/html; charset=utf-8") : SLICE("application/problem+json"));
	local_reply_add(reply, SLICE("Cache-Control"), SLICE("no-store"));
	if (form->html)
		add_page_fields(reply, status, form->frame_policy);
	if (status == 429 || status == 503)
		local_reply_add(reply, RETRY_AFTER, SLICE("1"));
	if (status == 405)
		local_reply_add(reply, ALLOW, JOB_METHODS);
}

/* A quoted-string (RFC 9110 section 5.6.4). Bytes that no field may have are left out. */
static void
write_quoted(struct writer *writer, struct slice text)
{
	write_literal(writer, "\"");
	for (size_t i = 0; i < text.len; i++) {
		if (text.at[i] == '"' || text.at[i] == '\\')
			write_literal(writer, "\\");
		if (byte_is((unsigned char)text.at[i], BYTE_VALUE))
			write_slice(writer, (struct slice){text.at + i, 1});
	}
	write_literal(writer, "\"");
}

/* Add a challenge (RFC 9110 section 11.6.1), written to `room`. False when it does not fit. */
static bool
add_challenge(struct local_reply *reply, char room[CHALLENGE_MAX], struct slice scheme,
    struct slice realm, struct slice error)
{
	struct writer writer = writer_of(room, CHALLENGE_MAX);

	write_slice(&writer, scheme);
	write_literal(&writer, " realm=");
	write_quoted(&writer, realm);
	if (error.len > 0) {
		write_literal(&writer, ", error=");
		write_quoted(&writer, error);
	}
	if (writer.full)
		return false;
	local_reply_add(
	    reply, SLICE("WWW-Authenticate"), (struct slice){room, (size_t)(writer.at - room)});
	return true;
}

/* The challenge of RFC 6750 section 3. It says which kind of refusal it is, even if the realm is
 * too long and has to be left out. */
static void
challenge(struct local_reply *reply, struct slice realm, struct slice error)
{
	const struct slice scheme = SLICE("Bearer");

	if ((reply->response.status == 401 || error.len > 0) &&
	    !add_challenge(reply, reply->authenticate, scheme, realm, error))
		add_challenge(reply, reply->authenticate, scheme, SLICE(""), error);
}

void
local_reply_offer_basic(struct local_reply *reply, struct slice realm)
{
	const struct slice scheme = SLICE("Basic");

	if (!add_challenge(reply, reply->basic, scheme, realm, SLICE("")))
		add_challenge(reply, reply->basic, scheme, SLICE(""), SLICE(""));
}

void
local_reply_for_verdict(struct local_reply *reply, enum verdict verdict, struct slice hint,
    struct slice realm, const struct reply_form *form)
{
	struct refusal_text text = verdict_text(verdict);

	if (hint.len > 0)
		text.detail = hint;
	local_reply_make(reply, jg_verdict_status(verdict), text.title, text.detail, form);
	challenge(reply, realm, text.error);
}

void
local_reply_for_call(struct local_reply *reply, enum verdict verdict, struct slice hint,
    struct slice realm, const struct reply_form *form)
{
	struct refusal_text text = verdict_text(verdict);

	if (verdict == VERDICT_OUT_OF_SCOPE) {
		text.title = SLICE("Operators only");
		text.detail = SLICE("The control API takes a token of role operator; a read token "
				    "reaches job URLs only.");
	} else if (verdict == VERDICT_NO_CREDENTIAL) {
		text.detail = SLICE("Send an operator's token: Authorization: Bearer <token>.");
	}
	if (hint.len > 0)
		text.detail = hint;
	local_reply_make(reply, jg_verdict_status(verdict), text.title, text.detail, form);
	challenge(reply, realm, text.error);
}

void
local_reply_grant(struct local_reply *reply, struct slice job, const struct token *token)
{
	reply->content = reply->detail = (struct slice){0};
	reply->call_status = GRPC_OK;
	reply->response = (struct response){.status = 200,
	    .fields = {reply->items, 0},
	    .content = CONTENT_NONE,
	    .length_known = true};
	local_reply_add(reply, SLICE("X-Jobgate-Job"), job);
	/* Empty fields, and not none: some proxies would let those of the client pass then. */
	local_reply_add(
	    reply, SLICE("X-Jobgate-Token-Id"), token != NULL ? token->id : (struct slice){0});
	local_reply_add(
	    reply, SLICE("X-Jobgate-Token-Name"), token != NULL ? token->name : (struct slice){0});
	local_reply_add(reply, SLICE("X-Jobgate-Role"),
	    token != NULL ? slice_of(jg_role_name(token->role)) : (struct slice){0});
	local_reply_add(reply, SLICE("Cache-Control"), SLICE("no-store"));
}

#define PREFLIGHT_SECONDS SLICE("7200") /* browsers keep it for no longer */

void
local_reply_preflight(
    struct local_reply *reply, struct slice origin, const struct preflight *preflight)
{
	reply->content = reply->detail = (struct slice){0};
	reply->call_status = GRPC_OK;
	reply->response =
	    (struct response){.status = 204, .fields = {reply->items, 0}, .content = CONTENT_NONE};
	local_reply_add(reply, SLICE("Access-Control-Allow-Origin"), origin);
	local_reply_add(reply, SLICE("Access-Control-Allow-Methods"), preflight->method);
	if (preflight->fields.len > 0)
		local_reply_add(reply, SLICE("Access-Control-Allow-Headers"), preflight->fields);
	local_reply_add(reply, SLICE("Access-Control-Max-Age"), PREFLIGHT_SECONDS);
	local_reply_add(reply, SLICE("Vary"), SLICE("Origin"));
}

void
local_reply_cors(struct local_reply *reply, struct slice origin)
{
	local_reply_add(reply, SLICE("Vary"), SLICE("Origin"));
	if (origin.len == 0)
		return;
	local_reply_add(reply, SLICE("Access-Control-Allow-Origin"), origin);
	local_reply_add(reply, SLICE("Access-Control-Expose-Headers"), CORS_EXPOSED);
}

/* Change a field, if there is one of this name. */
static void
change(struct local_reply *reply, struct slice name, struct slice value)
{
	for (size_t i = 0; i < reply->response.fields.count; i++)
		if (slice_equal(reply->items[i].name, name))
			reply->items[i].value = value;
}

void
local_reply_policy(struct local_reply *reply, struct slice policy)
{
	change(reply, SLICE("Content-Security-Policy"), policy);
}

void
local_reply_retry_after(struct local_reply *reply, unsigned seconds)
{
	struct writer writer = writer_of(reply->retry_after, sizeof(reply->retry_after));

	write_number(&writer, seconds);
	change(reply, RETRY_AFTER,
	    (struct slice){reply->retry_after, (size_t)(writer.at - reply->retry_after)});
}

void
local_reply_text(struct local_reply *reply, struct slice text, bool head)
{
	reply->content = text;
	reply->detail = (struct slice){0};
	reply->call_status = GRPC_OK;
	if (head)
		reply->content.len = 0;
	reply->response = (struct response){.status = 200,
	    .fields = {reply->items, 0},
	    .content = head ? CONTENT_NONE : CONTENT_LENGTH,
	    .length = text.len,
	    .length_known = true};
	local_reply_add(reply, SLICE("Content-Type"), SLICE("text/plain; charset=utf-8"));
	local_reply_add(reply, SLICE("Cache-Control"), SLICE("no-store"));
}

void
local_reply_page(struct local_reply *reply, struct slice page, bool head)
{
	reply->content = page;
	reply->response.length = page.len;
	if (head)
		reply->content.len = 0;
}

void
local_reply_for_grpc(struct local_reply *reply, struct slice content_type, enum grpc_status status)
{
	struct fields end = grpc_end_fields(&reply->grpc, status, reply->detail);

	change(reply, SLICE("Content-Type"), content_type);
	for (size_t i = 0; i < end.count; i++)
		local_reply_add(reply, end.items[i].name, end.items[i].value);
	reply->content = (struct slice){0};
	reply->response.status = 200;
	reply->response.content = CONTENT_LENGTH;
	reply->response.length = 0;
	reply->response.length_known = false;
}

void
local_reply_allow(struct local_reply *reply, struct slice methods)
{
	change(reply, ALLOW, methods);
}

bool
local_reply_wants_html(struct slice accept)
{
	struct slice member;

	while (list_next(&accept, &member)) {
		const char *parameters = memchr(member.at, ';', member.len);

		if (parameters != NULL)
			member.len = (size_t)(parameters - member.at);
		while (member.len > 0 &&
		       (member.at[member.len - 1] == ' ' || member.at[member.len - 1] == '\t'))
			member.len--;
		if (slice_equal_nocase(member, SLICE("text/html")))
			return true;
	}
	return false;
}
