/* visitor.c - requests for what the gateway itself serves, and what must be answered. */
#include "visitor.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client_state.h"
#include "jobgate/container_of.h"
#include "trace.h"
#include "world.h"

#define TRUSTED_ADDRESS 0x0a090000u /* 10.9.0.0 */
#define GUESSER_ADDRESS 0x0a080000u /* 10.8.0.0 */
#define ANSWER_MAX 20000

/* A trusted proxy says that its client has one of these addresses, or says nothing. */
#define CLIENT_ADDRESS 0x0a010000u /* 10.1.0.0 */
#define CLIENT_ADDRESSES 16

static struct sim_exchange *
exchange_of(const struct visitor *visitor)
{
	return exchanges_get(&visitor->world->exchanges, visitor->request.mark);
}

static void
violation(const struct visitor *visitor, const char *what)
{
	judge_violation(visitor->world, "%s: %s; exchange %u; visit %d; head: %.300s",
	    visitor->host.name, what, visitor->request.mark, (int)visitor->visit,
	    visitor->request.message.head);
}

static void
rest(struct visitor *visitor)
{
	uint64_t most_ns = visitor->guesses ? 60 * NS_PER_MS
			   : visitor->asks  ? 10 * NS_PER_MS
					    : 300 * NS_PER_MS;

	visitor->request.mark = 0;
	if (!visitor->stopped)
		alarm_set(
		    &visitor->act, schedule_now_ns() + random_below(&visitor->random, most_ns));
}

/* The request has come to this. */
static void
conclude(struct visitor *visitor, enum result result)
{
	one_request_end(&visitor->request, result);
	rest(visitor);
}

/* ---- what must be answered ---- */

static void
check_redirect(struct visitor *visitor)
{
	if (visitor->request.message.status != 308 ||
	    !message_field_has(&visitor->request.message, "Location", "https://gateway/jobs/job-"))
		violation(visitor, "no redirect to https");
}

static void
check_grant(struct visitor *visitor, const struct stamp *stamp)
{
	const struct exchange_plan *plan = &exchange_of(visitor)->plan;
	const struct records *records = &visitor->world->records;
	const char *id = message_field(&visitor->request.message, "X-Jobgate-Token-Id");
	bool open = id != NULL && id[0] == '\r'; /* a public job, and no token that counts */

	judge_grant(visitor->world, visitor->request.mark, visitor->request.end, stamp, open);
	if ((!open && !message_field_has(&visitor->request.message, "X-Jobgate-Token-Id",
			  records->token[plan->token].id)) ||
	    !message_field_has(
		&visitor->request.message, "X-Jobgate-Job", records->job[plan->job].id))
		violation(visitor, "a grant that names another token or job");
}

static void
keep_session(struct visitor *visitor, const struct stamp *stamp)
{
	const struct exchange_plan *plan = &exchange_of(visitor)->plan;
	const char *cookie = message_field(&visitor->request.message, "Set-Cookie");

	judge_grant(visitor->world, visitor->request.mark, visitor->request.end, stamp, false);
	if (cookie == NULL) {
		violation(visitor, "signed in without a cookie");
		return;
	}
	snprintf(
	    visitor->cookie, sizeof(visitor->cookie), "%.*s", (int)strcspn(cookie, ";\r"), cookie);
	visitor->token = plan->token;
	visitor->value = plan->value;
	visitor->job = plan->job;
	visitor->session_ends_ns = stamp->sent_ns + visitor->world->scenario.session * NS_PER_MS;
}

/* A guesser gets as many 401 as the limit allows, and 429 only after that many. */
static void
check_guess(struct visitor *visitor)
{
	const struct scenario *scenario = &visitor->world->scenario;
	uint64_t seconds = schedule_now_ns() / NS_PER_S + 1;
	uint64_t most = visitor->world->gateway.spawned * (scenario->failed_auth_burst + 1) +
			visitor->world->gateway.slots * scenario->failed_auth_rate * seconds;

	if (scenario->failed_auth_rate == 0)
		return;
	if (visitor->request.message.status == 429) {
		if (visitor->guesses_sent - visitor->guesses_limited <= scenario->failed_auth_burst)
			violation(visitor, "429 before there were too many");
		visitor->guesses_limited++;
	} else if (visitor->request.message.status == 401 && ++visitor->guesses_missed > most) {
		violation(visitor, "401 where too many have come: 429");
	}
}

static bool
is_good(const struct visitor *visitor)
{
	unsigned status = visitor->request.message.status;

	switch (visitor->visit) {
	case VISIT_REDIRECT:
	case VISIT_TRACE: /* refused in any case */
		return true;
	case VISIT_SIGN_IN:
		return status == 303;
	case VISIT_AUTHORIZE:
	case VISIT_SIGN_OUT:
		return status == 200;
	case VISIT_BROWSE:
		return visitor->request.marked;
	case VISIT_GUESS:
		return false;
	}
	return false;
}

static void
check_good(struct visitor *visitor, const struct stamp *stamp)
{
	switch (visitor->visit) {
	case VISIT_REDIRECT:
		check_redirect(visitor);
		return;
	case VISIT_AUTHORIZE:
		check_grant(visitor, stamp);
		return;
	case VISIT_TRACE:
		if (visitor->request.message.status != 405)
			violation(visitor, "TRACE must get 405");
		return;
	case VISIT_SIGN_IN:
		keep_session(visitor, stamp);
		return;
	case VISIT_SIGN_OUT:
		visitor->cookie[0] = '\0';
		if (strstr(visitor->request.message.head, "Max-Age=0") == NULL)
			violation(visitor, "signed out, but the cookie stays");
		return;
	case VISIT_BROWSE:
		if (visitor->request.message.length != exchange_of(visitor)->plan.answer_len)
			violation(visitor, "an answer of another length");
		return;
	case VISIT_GUESS:
		return;
	}
}

static void
finish(struct one_request *request)
{
	struct visitor *visitor = container_of(request, struct visitor, request);
	struct sim_exchange *exchange = exchange_of(visitor);
	const struct stamp stamp = *end_stamp(visitor->request.end->peer, 0);

	exchange->status = visitor->request.message.status;
	if (is_good(visitor)) {
		check_good(visitor, &stamp);
		conclude(visitor, RESULT_ANSWERED);
		return;
	}
	client_read_title(visitor->request.text, visitor->request.text_len, exchange->title,
	    sizeof(exchange->title));
	/* Pages for people have no such title. */
	if (visitor->visit == VISIT_SIGN_IN && exchange->title[0] == '\0' &&
	    exchange->status == 503)
		snprintf(exchange->title, sizeof(exchange->title), "Store unavailable");
	judge_refusal(visitor->world, visitor->request.mark, &stamp);
	if (visitor->visit == VISIT_GUESS)
		check_guess(visitor);
	if (visitor->visit == VISIT_BROWSE && exchange->status == 401)
		visitor->cookie[0] = '\0';
	conclude(visitor, RESULT_REFUSED);
}

static void
failed(struct one_request *request, enum result result)
{
	conclude(container_of(request, struct visitor, request), result);
}

static void
broken(const struct one_request *request, const char *what)
{
	violation(container_of(request, struct visitor, request), what);
}

/* ---- asking ---- */

static enum visit
draw_visit(struct visitor *visitor)
{
	if (visitor->guesses)
		return VISIT_GUESS;
	if (visitor->asks)
		return VISIT_AUTHORIZE;
	if (visitor->cookie[0] != '\0')
		return random_chance(&visitor->random, 150) ? VISIT_SIGN_OUT : VISIT_BROWSE;
	return (enum visit)random_between(&visitor->random, VISIT_REDIRECT,
	    visitor->world->scenario.sign_in_host ? VISIT_TRACE : VISIT_SIGN_IN);
}

static void
draw_plan(struct visitor *visitor, struct exchange_plan *plan)
{
	struct random *random = &visitor->random;
	const struct scenario *scenario = &visitor->world->scenario;
	const struct token_history *token;

	*plan = (struct exchange_plan){.answer_framing = FRAMING_LENGTH, .piece = 500};
	plan->job = (int)random_below(random, scenario->jobs);
	if (scenario->collides && plan->job == 1)
		plan->job =
		    0; /* its host may be that of a port: which of them it was is not known here */
	plan->token = (unsigned)random_below(random, scenario->tokens);
	token = &visitor->world->records.token[plan->token];
	plan->signs_in = visitor->visit == VISIT_SIGN_IN;
	plan->value = records_shown_value(token, records_token_at(token, schedule_now_ns())->value);
	if (scenario->limited && random_chance(random, 900))
		plan->address = CLIENT_ADDRESS + (uint32_t)random_below(random, CLIENT_ADDRESSES);
	if (visitor->visit == VISIT_GUESS)
		plan->credential_kind = CREDENTIAL_UNKNOWN;
	if (visitor->visit == VISIT_AUTHORIZE && scenario->publics && random_chance(random, 300))
		plan->credential_kind = CREDENTIAL_NOTHING;
	if (visitor->visit != VISIT_BROWSE)
		return;
	plan->job = visitor->job;
	plan->token = visitor->token;
	plan->value = visitor->value;
	plan->by_session = true;
	plan->answer_len = random_below(random, ANSWER_MAX);
	plan->pause_ns = random_skewed(random, NS_PER_US, 200 * NS_PER_MS);
}

/* Behind the fields so far, those of a trusted proxy. */
static void
put_forwarded(struct visitor *visitor, const struct exchange_plan *plan)
{
	uint32_t address = plan->address;

	if (address != 0)
		bytes_print(&visitor->request.out, "X-Forwarded-For: 192.0.2.7, %u.%u.%u.%u\r\n",
		    address >> 24, address >> 16 & 255, address >> 8 & 255, address & 255);
}

static void
put_sign_in(struct visitor *visitor, const struct exchange_plan *plan)
{
	const char *value = visitor->world->records.token[plan->token].values[plan->value];
	const char *id = visitor->world->records.job[plan->job].id;

	bytes_print(
	    &visitor->request.out, "POST /.jobgate/sign-in HTTP/1.1\r\nHost: %s.localhost\r\n", id);
	put_forwarded(visitor, plan);
	bytes_print(&visitor->request.out,
	    "Origin: http://%s.localhost\r\nConnection: close\r\nContent-Length: %zu\r\n"
	    "Content-Type: application/x-www-form-urlencoded\r\n\r\ntoken=%s",
	    id, strlen("token=") + strlen(value), value);
}

static void
put_guess(struct visitor *visitor)
{
	const struct records *records = &visitor->world->records;
	char id[TOKEN_ID_LEN + 1], value[TOKEN_VALUE_LEN + 1];

	snprintf(id, sizeof(id), "guessed%09u", (unsigned)random_below(&visitor->random, 20));
	jg_token_value_make(slice_of(id), records->minted ? records->mint_key : NULL, value);
	value[TOKEN_VALUE_LEN] = '\0';
	visitor->guesses_sent++;
	bytes_print(&visitor->request.out,
	    "GET /jobs/job-0/x HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n"
	    "Authorization: Bearer %s\r\n\r\n",
	    value);
}

static void
put_request(struct visitor *visitor, const struct exchange_plan *plan)
{
	const struct job_history *jobs = visitor->world->records.job;
	struct bytes *out = &visitor->request.out;

	switch (visitor->visit) {
	case VISIT_REDIRECT:
	case VISIT_TRACE:
		bytes_print(out,
		    "%s /jobs/%s/x HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n",
		    visitor->visit == VISIT_TRACE ? "TRACE" : "GET", jobs[plan->job].id);
		return;
	case VISIT_AUTHORIZE:
		bytes_print(
		    out, "GET /authorize HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n");
		put_forwarded(visitor, plan);
		bytes_print(out,
		    "X-Forwarded-Method: GET\r\nX-Forwarded-Host: gateway\r\n"
		    "X-Forwarded-Uri: /jobs/%s/x\r\n",
		    jobs[plan->job].id);
		if (plan->credential_kind == CREDENTIAL_VALID)
			bytes_print(out, "Authorization: Bearer %s\r\n",
			    visitor->world->records.token[plan->token].values[plan->value]);
		bytes_print(out, "\r\n");
		return;
	case VISIT_SIGN_IN:
		put_sign_in(visitor, plan);
		return;
	case VISIT_BROWSE:
		bytes_print(out, "GET /x HTTP/1.1\r\nHost: %s.localhost\r\nConnection: close\r\n",
		    jobs[plan->job].id);
		put_forwarded(visitor, plan);
		bytes_print(out, "X-Mark: %x\r\nCookie: a=b; %s\r\n\r\n", visitor->request.mark,
		    visitor->cookie);
		return;
	case VISIT_SIGN_OUT:
		bytes_print(out,
		    "POST /.jobgate/sign-out HTTP/1.1\r\nHost: %s.localhost\r\n"
		    "Origin: http://%s.localhost\r\nConnection: close\r\n"
		    "Content-Length: 0\r\n\r\n",
		    jobs[visitor->job].id, jobs[visitor->job].id);
		return;
	case VISIT_GUESS:
		put_guess(visitor);
		return;
	}
}

static void
on_act(struct alarm *alarm)
{
	struct visitor *visitor = container_of(alarm, struct visitor, act);
	struct exchange_plan plan;
	struct sim_exchange *exchange;
	uint16_t port;

	if (visitor->stopped)
		return;
	visitor->visit = draw_visit(visitor);
	draw_plan(visitor, &plan);
	exchange = exchanges_add(&visitor->world->exchanges, &visitor->request.mark);
	exchange->plan = plan;
	exchange->sent_ns = schedule_now_ns();
	if (visitor->visit == VISIT_BROWSE)
		exchange->session_ends_ns = visitor->session_ends_ns;
	trace_event(visitor->host.name, "visits", visitor->request.mark, visitor->visit);
	port = visitor->visit == VISIT_REDIRECT	   ? GATEWAY_PORT_REDIRECT
	       : visitor->visit == VISIT_AUTHORIZE ? GATEWAY_PORT_AUTHORIZE
						   : GATEWAY_PORT;
	one_request_begin(&visitor->request, &visitor->host, port);
	put_request(visitor, &plan);
}

/* ---- beginning and end ---- */

void
visitor_start(struct visitor *visitor, struct world *world, unsigned number)
{
	*visitor = (struct visitor){.world = world, .guesses = number == 0, .asks = number > 2};
	host_init(&visitor->host, "visitor", number,
	    visitor->guesses ? GUESSER_ADDRESS : TRUSTED_ADDRESS + number, world->seed);
	visitor->host.rules = world->scenario.rules[RULES_CLIENT];
	random_init(&visitor->random, world->seed, "visitor", number);
	visitor->request = (struct one_request){
	    .world = world, .answered = finish, .failed = failed, .violation = broken};
	visitor->act.fire = on_act;
	rest(visitor);
}

void
visitor_stop(struct visitor *visitor)
{
	visitor->stopped = true;
}

void
visitor_check_ended(const struct visitor *visitor)
{
	if (visitor->request.mark != 0)
		violation(visitor, "a visit has no end");
}
