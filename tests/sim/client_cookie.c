/* client_cookie.c - cookies by which a browser stays at one replica of a job. */
#include <string.h>

#include "browser/session.h"
#include "client_state.h"
#include "world.h"

void
client_draw_host(struct client *client, struct exchange_plan *plan)
{
	const struct client_cookie *cookie;

	/* The second job's host may be that of a port: which of them it was is not known here. */
	if (!client->world->scenario.replicas || plan->job < 0 || plan->port != NO_PORT ||
	    records_namesake_owner(&client->world->records, plan->job) ||
	    !random_chance(&client->random, 600))
		return;
	plan->by_host = true;
	cookie = &client->cookies[plan->job];
	if (cookie->text[0] == '\0' || random_chance(&client->random, 150))
		return;
	plan->stays_at = cookie->backend + 1;
	plan->stays_since_ns = cookie->since_ns;
	memcpy(plan->cookie, cookie->text, sizeof(plan->cookie));
}

void
client_take_cookie(struct client *client, const struct sim_exchange *exchange, struct slice field)
{
	static const char name[] = REPLICA_COOKIE "=";
	struct client_cookie *cookie;
	size_t len = 0;

	if (field.len < sizeof(name) - 1 || memcmp(field.at, name, sizeof(name) - 1) != 0 ||
	    !exchange->plan.by_host)
		return;
	cookie = &client->cookies[exchange->plan.job];
	while (len < field.len && field.at[len] != ';' && len + 1 < sizeof(cookie->text))
		len++;
	memcpy(cookie->text, field.at, len);
	cookie->text[len] = '\0';
	cookie->backend = (unsigned)exchange->backend;
	cookie->since_ns = schedule_now_ns();
}
