/* client_stranger.c - requests without a token: for public jobs, and for all other names. */
#include <stdio.h>

#include "client_state.h"
#include "world.h"

bool
client_draw_stranger(struct client *client, struct exchange_plan *plan)
{
	struct random *random = &client->random;

	if (!client->world->scenario.publics || !random_chance(random, 300))
		return false;
	plan->credential_kind = random_chance(random, 700) ? CREDENTIAL_NOTHING : CREDENTIAL_OTHERS;
	if (random_chance(random, 100))
		plan->unread = (unsigned)random_between(random, 1, 4);
	return true;
}

void
client_unread_target(const struct client *client, const struct exchange_plan *plan, uint32_t mark,
    char host[CLIENT_TARGET_MAX], char path[CLIENT_TARGET_MAX])
{
	unsigned number = mark % 1000;
	const struct records *records = &client->world->records;

	snprintf(host, CLIENT_TARGET_MAX, "gateway");
	snprintf(path, CLIENT_TARGET_MAX, "/%x", mark);
	switch (plan->unread) {
	case 1:
		snprintf(path, CLIENT_TARGET_MAX, "/jobs/" RECORDS_UNREAD "-%u/%x", number, mark);
		return;
	case 2:
		snprintf(host, CLIENT_TARGET_MAX, RECORDS_UNREAD "-%u.localhost", number);
		return;
	case 3:
		snprintf(host, CLIENT_TARGET_MAX, RECORDS_UNREAD "-%u-" RECORDS_PORT ".localhost",
		    number);
		return;
	default: /* a port that no record names; the job may be public */
		snprintf(host, CLIENT_TARGET_MAX, "%s-%u.localhost",
		    records->job[number % records->jobs].id, RECORDS_NO_PORT);
		return;
	}
}
