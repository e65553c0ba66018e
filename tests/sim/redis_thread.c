/* redis_thread.c - one thing after the other: what has to be sent first, then what has come. */
#include "redis_thread.h"

#include "jobgate/container_of.h"
#include "redis.h"

void
redis_thread_spend(struct redis_thread *thread, uint64_t ns)
{
	uint64_t now_ns = schedule_now_ns();

	thread->free_ns = (thread->free_ns > now_ns ? thread->free_ns : now_ns) + ns;
	thread->spent_ns += ns;
}

/* Look at the queues again as soon as it is free. */
static void
go_on(struct redis_thread *thread)
{
	if (!alarm_is_set(&thread->works) &&
	    (!STAILQ_EMPTY(&thread->writes) || !STAILQ_EMPTY(&thread->reads)))
		alarm_set(&thread->works, thread->free_ns);
}

static void
take(struct redis_thread *thread, struct redis_client *client, bool slept)
{
	const struct redis_costs *costs = &thread->costs;
	uint64_t before = thread->redis->commands, commands;

	redis_client_take(client);
	commands = thread->redis->commands - before;
	redis_thread_spend(
	    thread, commands * costs->command_ns +
			(slept && commands > 0 ? costs->alone_ns - costs->command_ns : 0));
}

static void
on_works(struct alarm *alarm)
{
	struct redis_thread *thread = container_of(alarm, struct redis_thread, works);
	struct redis_client *client;
	bool slept = schedule_now_ns() > thread->free_ns;

	if (schedule_now_ns() < thread->free_ns) {
		/* Something has taken time since the alarm was set. */
	} else if ((client = STAILQ_FIRST(&thread->writes)) != NULL) {
		STAILQ_REMOVE_HEAD(&thread->writes, write_due);
		client->is_write_due = false;
		redis_client_flush(client);
		redis_thread_spend(thread, thread->costs.push_ns);
	} else if ((client = STAILQ_FIRST(&thread->reads)) != NULL) {
		STAILQ_REMOVE_HEAD(&thread->reads, read_due);
		client->is_read_due = false;
		take(thread, client, slept);
	}
	go_on(thread);
}

void
redis_thread_start(
    struct redis_thread *thread, struct redis *redis, const struct redis_costs *costs)
{
	*thread = (struct redis_thread){.redis = redis, .costs = *costs, .works.fire = on_works};
	STAILQ_INIT(&thread->reads);
	STAILQ_INIT(&thread->writes);
	redis->thread = thread;
}

void
redis_thread_read(struct redis_client *client)
{
	struct redis_thread *thread = client->redis->thread;

	if (!client->is_read_due)
		STAILQ_INSERT_TAIL(&thread->reads, client, read_due);
	client->is_read_due = true;
	go_on(thread);
}

void
redis_thread_write(struct redis_client *client)
{
	struct redis_thread *thread = client->redis->thread;

	thread->pushes++;
	if (!client->is_write_due)
		STAILQ_INSERT_TAIL(&thread->writes, client, write_due);
	client->is_write_due = true;
	go_on(thread);
}

void
redis_thread_forget(struct redis_client *client)
{
	struct redis_thread *thread = client->redis->thread;

	if (thread == NULL)
		return;
	if (client->is_read_due)
		STAILQ_REMOVE(&thread->reads, client, redis_client, read_due);
	if (client->is_write_due)
		STAILQ_REMOVE(&thread->writes, client, redis_client, write_due);
}
