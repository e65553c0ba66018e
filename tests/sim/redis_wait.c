/* redis_wait.c - WAIT: a client waits until replicas have what it has changed. */
#include <stdlib.h>

#include "jobgate/container_of.h"
#include "redis_call.h"

static unsigned
count_replicas(const struct redis_client *client)
{
	const struct redis *replica;
	unsigned count = 0;

	LIST_FOREACH(replica, &client->redis->replicas, sibling)
	count += replica->offset >= client->last_offset;
	return count;
}

static void
on_over(struct alarm *alarm)
{
	struct redis_client *client = container_of(alarm, struct redis_client, wait_ends);

	client->waits = false;
	bytes_print(&client->out, ":%u\r\n", count_replicas(client));
	redis_client_run(client);
}

/* It goes on in an event of its own: what has changed is still at work. */
static void
end_wait(struct redis_client *client)
{
	alarm_set(&client->wait_ends, schedule_now_ns());
}

void
redis_look_at_waits(struct redis *redis)
{
	struct redis_client *client;

	LIST_FOREACH(client, &redis->clients, link)
	if (client->waits && count_replicas(client) >= client->wait_replicas)
		end_wait(client);
}

void
redis_end_waits(struct redis *redis)
{
	struct redis_client *client, *next;

	for (client = LIST_FIRST(&redis->clients); client != NULL; client = next) {
		next = LIST_NEXT(client, link);
		if (!client->waits)
			continue;
		client->waits = false;
		alarm_stop(&client->wait_ends);
		bytes_print(&client->out,
		    "-UNBLOCKED force unblock from blocking operation, instance state changed "
		    "(master -> replica?)\r\n");
		redis_client_run(client);
	}
}

void
redis_do_wait(struct call *call)
{
	struct redis_client *client = call->client;

	if (call->redis->link.primary != NULL) {
		redis_reply(call,
		    "-ERR WAIT cannot be used with replica instances. Please also note that since "
		    "Redis 4.0 if a replica is configured to be writable (which is not the "
		    "default) writes to replicas are just local and are not propagated.\r\n");
		return;
	}
	client->wait_replicas = (unsigned)strtoul(call->words[1], NULL, 10);
	if (count_replicas(client) >= client->wait_replicas) {
		redis_reply_number(call, count_replicas(client));
		return;
	}
	client->waits = true;
	client->wait_ends.fire = on_over;
	alarm_set(
	    &client->wait_ends, schedule_now_ns() + strtoull(call->words[2], NULL, 10) * NS_PER_MS);
}
