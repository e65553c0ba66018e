/* guest.c - the steps of a browser, from a job's page over the sign-in host and back. */
#include "guest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "browser/session.h"
#include "jobgate/container_of.h"
#include "judge_history.h"
#include "trace.h"
#include "world.h"

#define ADDRESS 0x0a010100u /* 10.1.1.0 */

static struct sim_exchange *
exchange_of(const struct guest *guest)
{
	return exchanges_get(&guest->world->exchanges, guest->request.mark);
}

static const char *
id_of(const struct guest *guest, unsigned job)
{
	return guest->world->records.job[job].id;
}

static void
violation(const struct guest *guest, const char *what)
{
	judge_violation(guest->world, "%s: %s; exchange %u; step %d; head: %.300s",
	    guest->host.name, what, guest->request.mark, (int)guest->step,
	    guest->request.message.head);
}

/* ---- the next step ---- */

static void
rest(struct guest *guest, enum step next, uint64_t most_ns)
{
	guest->request.mark = 0;
	guest->step = next;
	if (!guest->stopped)
		alarm_set(&guest->act, schedule_now_ns() + random_below(&guest->random, most_ns));
}

/* What it does once it is at no particular place. */
static enum step
draw_step(struct guest *guest)
{
	unsigned draw = (unsigned)random_below(&guest->random, 100);

	guest->job = (unsigned)random_below(&guest->random, guest->world->scenario.jobs);
	if (guest->world->scenario.collides && guest->job == 1)
		guest->job = 0; /* its host may be that of a port */
	if (draw < 8 && guest->host_cookie.text[0] != '\0')
		return STEP_SIGN_OUT;
	if (draw < 25 && guest->code[0] != '\0')
		return STEP_MISUSE;
	return STEP_VISIT;
}

static void
wander(struct guest *guest)
{
	rest(guest, draw_step(guest), 300 * NS_PER_MS);
}

/* ---- answers ---- */

/* The value of a cookie that the answer sets; false: it sets none of this name. */
static bool
take_cookie(const struct guest *guest, const char *name, char out[GUEST_COOKIE_MAX])
{
	const char *field = message_field(&guest->request.message, "Set-Cookie");
	size_t len = strlen(name);

	if (field == NULL || strncmp(field, name, len) != 0 || field[len] != '=')
		return false;
	snprintf(out, GUEST_COOKIE_MAX, "%.*s", (int)strcspn(field, ";\r"), field);
	return out[len + 1] != '\0';
}

/* What is behind this in Location, in out; false: it leads elsewhere. */
static bool
leads_to(const struct guest *guest, const char *begins, char *out, size_t size)
{
	const char *field = message_field(&guest->request.message, "Location");

	if (field == NULL || strncmp(field, begins, strlen(begins)) != 0)
		return false;
	field += strlen(begins);
	snprintf(out, size, "%.*s", (int)strcspn(field, "\r"), field);
	return true;
}

/* The sign-in host sends it back to the job with a code: so its token reaches that. */
static bool
take_code(struct guest *guest, const struct stamp *stamp)
{
	const struct exchange_plan *plan = &exchange_of(guest)->plan;
	const struct sim_code *code;
	char begins[80];

	snprintf(begins, sizeof(begins),
	    "http://%s.localhost/.jobgate/signed-in?code=", id_of(guest, guest->job));
	if (!leads_to(guest, begins, guest->query, sizeof(guest->query)))
		return false;
	snprintf(guest->code, sizeof(guest->code), "%.*s", (int)strcspn(guest->query, "&"),
	    guest->query);
	guest->code_job = guest->job;
	guest->code_used = false;
	code = sign_ins_code(&guest->world->sign_ins, guest->code);
	judge_grant(guest->world, guest->request.mark, guest->request.end, stamp, false);
	if (code == NULL) {
		violation(guest, "a code that the control process does not know");
		return false;
	}
	guest->pending = (struct guest_cookie){.sign_in = code->sign_in,
	    .token = plan->token,
	    .value = plan->value,
	    .ends_ns = schedule_now_ns() + guest->world->scenario.session * NS_PER_MS};
	return true;
}

/* The code has worked. */
static void
take_sign_in(struct guest *guest)
{
	struct guest_cookie *cookie = &guest->signed_in[guest->job];
	struct sim_code *code = sign_ins_code(&guest->world->sign_ins, guest->code);
	bool was_used = guest->code_used;
	uint64_t now_ns = exchange_of(guest)->sent_ns;

	guest->code_used = true;
	if (code->worked++ > 0 || was_used)
		violation(guest, "a code that has worked twice");
	if (guest->step == STEP_MISUSE)
		violation(guest, "a code that has worked elsewhere");
	if (now_ns > code->made_ns + SIGN_IN_CODE_SECONDS * (uint64_t)NS_PER_S)
		violation(guest, "a code that has worked after its time");
	*cookie = guest->pending;
	cookie->ends_ns = schedule_now_ns() + guest->world->scenario.session * NS_PER_MS;
	take_cookie(guest, SESSION_COOKIE, cookie->text);
	guest->signed_in_count++;
}

static void
finish_visit(struct guest *guest)
{
	bool there =
	    leads_to(guest, "http://" GUEST_HOST "/sign-in?", guest->query, sizeof(guest->query));

	if (there)
		take_cookie(guest, NONCE_COOKIE, guest->nonce[guest->job]);
	if (guest->request.marked &&
	    guest->request.message.length != exchange_of(guest)->plan.answer_len)
		violation(guest, "an answer of another length");
	one_request_end(&guest->request, guest->request.marked ? RESULT_ANSWERED : RESULT_REFUSED);
	if (!there) {
		wander(guest);
		return;
	}
	/* It was told to sign in again: mostly it does. */
	if (random_chance(&guest->random, 700))
		guest->signed_in[guest->job].text[0] = '\0';
	rest(guest, STEP_SIGN_IN, 20 * NS_PER_MS);
}

static void
finish_sign_in(struct guest *guest, const struct stamp *stamp)
{
	bool back = guest->request.message.status == 303 && take_code(guest, stamp);

	if (back && guest->step == STEP_POST) {
		guest->host_cookie = guest->pending;
		if (!take_cookie(guest, SESSION_COOKIE, guest->host_cookie.text))
			violation(guest, "signed in without a cookie");
	}
	one_request_end(&guest->request, back ? RESULT_ANSWERED : RESULT_REFUSED);
	if (back && random_chance(&guest->random, 900))
		rest(guest, STEP_BACK, 20 * NS_PER_MS);
	else if (back || guest->step == STEP_POST)
		wander(guest);
	else
		rest(guest, STEP_POST, 500 * NS_PER_MS);
}

static void
finish_back(struct guest *guest)
{
	char cookie[GUEST_COOKIE_MAX];
	bool good =
	    guest->request.message.status == 303 && take_cookie(guest, SESSION_COOKIE, cookie);

	if (good)
		take_sign_in(guest);
	one_request_end(&guest->request, good ? RESULT_ANSWERED : RESULT_REFUSED);
	if (good)
		rest(guest, STEP_VISIT, 20 * NS_PER_MS);
	else
		wander(guest);
}

static void
finish(struct one_request *request)
{
	struct guest *guest = container_of(request, struct guest, request);
	const struct stamp stamp = *end_stamp(guest->request.end->peer, 0);

	exchange_of(guest)->status = guest->request.message.status;
	switch (guest->step) {
	case STEP_VISIT:
		finish_visit(guest);
		return;
	case STEP_SIGN_IN:
	case STEP_POST:
		finish_sign_in(guest, &stamp);
		return;
	case STEP_BACK:
	case STEP_MISUSE:
		finish_back(guest);
		return;
	case STEP_SIGN_OUT:
		/* With a cookie that is over there is nothing to end. */
		if (guest->request.message.status == 303 &&
		    !judge_session_may_be_over(
			guest->world, exchange_of(guest), schedule_now_ns()) &&
		    guest->world->sign_ins.all[guest->host_cookie.sign_in].ended_ns >
			schedule_now_ns())
			violation(guest, "signed out, but the sign-in is there");
		if (guest->request.message.status == 303)
			guest->host_cookie.text[0] = '\0';
		one_request_end(&guest->request,
		    guest->request.message.status == 303 ? RESULT_ANSWERED : RESULT_REFUSED);
		wander(guest);
		return;
	}
}

static void
failed(struct one_request *request, enum result result)
{
	one_request_end(request, result);
	wander(container_of(request, struct guest, request));
}

static void
broken(const struct one_request *request, const char *what)
{
	violation(container_of(request, struct guest, request), what);
}

/* ---- requests ---- */

static void
on_act(struct alarm *alarm)
{
	struct guest *guest = container_of(alarm, struct guest, act);
	struct exchange_plan plan;
	struct sim_exchange *exchange;
	uint64_t ends_ns;

	if (guest->stopped)
		return;
	ends_ns = guest_draw_plan(guest, &plan);
	exchange = exchanges_add(&guest->world->exchanges, &guest->request.mark);
	exchange->plan = plan;
	exchange->sent_ns = schedule_now_ns();
	exchange->session_ends_ns = ends_ns;
	trace_event(guest->host.name, "step", guest->request.mark, guest->step);
	one_request_begin(&guest->request, &guest->host, GATEWAY_PORT);
	guest_put_request(guest, &plan);
}

/* ---- beginning and end ---- */

void
guest_start(struct guest *guest, struct world *world, unsigned number)
{
	*guest = (struct guest){.world = world, .number = number};
	host_init(&guest->host, "guest", number, ADDRESS + number, world->seed);
	guest->host.rules = world->scenario.rules[RULES_CLIENT];
	random_init(&guest->random, world->seed, "guest", number);
	guest->request = (struct one_request){
	    .world = world, .answered = finish, .failed = failed, .violation = broken};
	guest->act.fire = on_act;
	wander(guest);
}

void
guest_stop(struct guest *guest)
{
	guest->stopped = true;
}

void
guest_check_ended(const struct guest *guest)
{
	if (guest->request.mark != 0)
		violation(guest, "a step has no end");
}
