/* guest_request.c - what a browser asks for in each of its steps. */
#include <stdio.h>
#include <string.h>

#include "browser/session.h"
#include "guest.h"
#include "world.h"

#define ANSWER_MAX 20000

static void
show(struct exchange_plan *plan, const struct guest_cookie *cookie)
{
	plan->credential_kind = cookie->text[0] != '\0' ? CREDENTIAL_VALID : CREDENTIAL_NOTHING;
	plan->by_session = cookie->text[0] != '\0';
	plan->sign_in = cookie->text[0] != '\0' ? 1 + cookie->sign_in : 0;
	plan->token = cookie->token;
	plan->value = cookie->value;
}

uint64_t
guest_draw_plan(struct guest *guest, struct exchange_plan *plan)
{
	const struct world *world = guest->world;
	const struct guest_cookie *cookie = &guest->signed_in[guest->job];
	const struct token_history *token;

	*plan = (struct exchange_plan){.answer_framing = FRAMING_LENGTH,
	    .piece = 500,
	    .job = (int)guest->job,
	    .address = guest->host.address,
	    .answer_len = random_below(&guest->random, ANSWER_MAX),
	    .pause_ns = random_skewed(&guest->random, NS_PER_US, 200 * NS_PER_MS),
	    .credential_kind = CREDENTIAL_NOTHING};
	if (guest->step == STEP_SIGN_IN || guest->step == STEP_SIGN_OUT)
		cookie = &guest->host_cookie;
	if (guest->step == STEP_VISIT || cookie == &guest->host_cookie) {
		show(plan, cookie);
		return cookie->ends_ns;
	}
	if (guest->step == STEP_POST) {
		plan->token = (unsigned)random_below(&guest->random, world->scenario.tokens);
		token = &world->records.token[plan->token];
		plan->value =
		    records_shown_value(token, records_token_at(token, schedule_now_ns())->value);
		plan->credential_kind = CREDENTIAL_VALID;
	}
	return 0;
}

static void
put_form(struct guest *guest, const char *path, const char *query, const char *body)
{
	bytes_print(&guest->request.out,
	    "POST %s%s HTTP/1.1\r\nHost: " GUEST_HOST "\r\nOrigin: http://" GUEST_HOST
	    "\r\nConnection: close\r\nContent-Length: %zu\r\n"
	    "Content-Type: application/x-www-form-urlencoded\r\nCookie: %s\r\n\r\n%s",
	    path, query, strlen(body),
	    guest->host_cookie.text[0] != '\0' ? guest->host_cookie.text : "a=b", body);
}

static bool
is_late(struct guest *guest)
{
	const struct sim_code *code = sign_ins_code(&guest->world->sign_ins, guest->code);

	return code != NULL &&
	       schedule_now_ns() > code->made_ns + (SIGN_IN_CODE_SECONDS + 1) * (uint64_t)NS_PER_S;
}

/* A code that it has used, at the host of another job, or with the nonce of another browser. */
static void
put_misuse(struct guest *guest)
{
	unsigned job = guest->code_job;
	const char *nonce = guest->nonce[job];

	/* Its own use is a misuse once it has worked, and later than it may. */
	if (is_late(guest))
		;
	else if (!guest->code_used && random_chance(&guest->random, 500) &&
		 guest->world->scenario.jobs > 2)
		job = job == 0 ? 2 : 0;
	else if (!guest->code_used)
		nonce = NONCE_COOKIE "=0123456789abcdef0123456789abcdef";
	guest->job = job;
	bytes_print(&guest->request.out,
	    "GET /.jobgate/signed-in?code=%s&to=%%2fx HTTP/1.1\r\nHost: %s.localhost\r\n"
	    "Connection: close\r\nCookie: %s\r\n\r\n",
	    guest->code, guest->world->records.job[job].id, nonce);
}

void
guest_put_request(struct guest *guest, const struct exchange_plan *plan)
{
	char body[160];

	switch (guest->step) {
	case STEP_VISIT:
		bytes_print(&guest->request.out,
		    "GET /x HTTP/1.1\r\nHost: %s.localhost\r\nConnection: close\r\n"
		    "Accept: text/html\r\nX-Mark: %x\r\nCookie: a=b; %s; %s\r\n\r\n",
		    guest->world->records.job[guest->job].id, guest->request.mark,
		    guest->nonce[guest->job], guest->signed_in[guest->job].text);
		return;
	case STEP_SIGN_IN:
		bytes_print(&guest->request.out,
		    "GET /sign-in?%s HTTP/1.1\r\nHost: " GUEST_HOST
		    "\r\nConnection: close\r\nAccept: text/html\r\nCookie: a=b; %s\r\n\r\n",
		    guest->query, guest->host_cookie.text);
		return;
	case STEP_POST:
		snprintf(body, sizeof(body), "token=%s",
		    guest->world->records.token[plan->token].values[plan->value]);
		put_form(guest, "/sign-in?", guest->query, body);
		return;
	case STEP_BACK:
		bytes_print(&guest->request.out,
		    "GET /.jobgate/signed-in?code=%s HTTP/1.1\r\nHost: %s.localhost\r\n"
		    "Connection: close\r\nCookie: %s\r\n\r\n",
		    guest->query, guest->world->records.job[guest->job].id,
		    guest->nonce[guest->job]);
		return;
	case STEP_MISUSE:
		put_misuse(guest);
		return;
	case STEP_SIGN_OUT:
		put_form(guest, "/sign-out", "", "");
		return;
	}
}
