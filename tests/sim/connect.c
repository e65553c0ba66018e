/* connect.c - makes connections: listeners, SYN, and the answers to it. */
#include <errno.h>
#include <stdlib.h>

#include "jobgate/container_of.h"
#include "stream_state.h"
#include "trace.h"

#define SYN_TRIES 6
#define SYN_AGAIN_NS ((uint64_t)NS_PER_S)

/* All that listen, on all hosts. */
static LIST_HEAD(, listener) listeners = LIST_HEAD_INITIALIZER(listeners);

/* ---- listeners ---- */

static uint32_t
listener_poll(struct descriptor *descriptor)
{
	return ((const struct listener *)descriptor)->queued > 0 ? EPOLLIN | EPOLLRDNORM : 0;
}

void
listener_close(struct listener *listener)
{
	if (!listener->open)
		return;
	listener->open = false;
	LIST_REMOVE(listener, link);
	while (listener->queued > 0) {
		struct end *end = listener_take(listener);

		end->linger_none = true;
		end_close(end);
	}
}

static void
listener_release(struct descriptor *descriptor)
{
	listener_close((struct listener *)descriptor);
	free(descriptor);
}

struct listener *
listener_new(struct host *host, struct place place)
{
	struct listener *listener = calloc(1, sizeof(*listener));

	if (listener == NULL)
		abort();
	listener->descriptor.kind = DESCRIPTOR_LISTENER;
	listener->descriptor.poll = listener_poll;
	listener->descriptor.release = listener_release;
	listener->host = host;
	listener->place = place;
	listener->open = true;
	listener->backlog = sizeof(listener->queue) / sizeof(listener->queue[0]);
	LIST_INSERT_HEAD(&listeners, listener, link);
	return listener;
}

struct end *
listener_take(struct listener *listener)
{
	struct end *first = listener->queue[0];

	if (listener->queued == 0)
		return NULL;
	listener->queued--;
	for (unsigned i = 0; i < listener->queued; i++)
		listener->queue[i] = listener->queue[i + 1];
	return first;
}

/* One of those that listen at the place, as SO_REUSEPORT spreads them; NULL: none does. */
static struct listener *
find(struct place place, uint64_t draw)
{
	struct listener *listener;
	unsigned count = 0;

	LIST_FOREACH(listener, &listeners, link)
	count += listener->place.address == place.address && listener->place.port == place.port;
	if (count == 0)
		return NULL;
	draw %= count;
	LIST_FOREACH(listener, &listeners, link)
	if (listener->place.address == place.address && listener->place.port == place.port &&
	    draw-- == 0)
		break;
	return listener;
}

/* ---- connecting ---- */

static void
on_answer(struct alarm *alarm)
{
	struct end *end = container_of(alarm, struct end, connect);

	end->state = END_CONNECTED;
	trace_event(end->host->name, "is connected", end->local.port, end->remote.port);
	end_tell(end, EPOLLOUT | EPOLLWRNORM);
}

static void
on_refused(struct alarm *alarm)
{
	struct end *end = container_of(alarm, struct end, connect);

	trace_event(end->host->name, "is refused", end->local.port, end->remote.port);
	end_fail(end, end->tries > SYN_TRIES ? ETIMEDOUT : ECONNREFUSED);
}

static void
meet(struct end *end, struct listener *listener)
{
	struct end *other = end_new(listener->host);

	other->local = end->target;
	other->remote = end->local;
	other->peer = end;
	other->state = END_CONNECTED;
	end->peer = other;
	end->connect.fire = on_answer;
	alarm_set(&end->connect, schedule_now_ns() + host_packet_ns(listener->host, end->host));
	/* What the other sends at once must not be there before the answer to SYN. */
	other->out_at_ns = end->connect.at_ns + 1;
	if (listener->accepted != NULL) {
		listener->accepted(listener, other);
		return;
	}
	listener->queue[listener->queued++] = other;
	descriptor_notify(&listener->descriptor, EPOLLIN | EPOLLRDNORM);
}

static void
on_syn(struct alarm *alarm)
{
	struct end *end = container_of(alarm, struct end, connect);
	struct listener *listener = find(end->target, random_next(&end->host->random));
	struct host *to = host_find(end->target.address);
	uint64_t now_ns = schedule_now_ns();
	bool lost = to == NULL || host_way_opens_ns(end->host, to, now_ns) != 0 ||
		    host_way_opens_ns(to, end->host, now_ns) != 0 ||
		    (listener != NULL && listener->queued == listener->backlog);

	end->tries++;
	if (lost && end->tries <= SYN_TRIES) {
		alarm_set(alarm, now_ns + SYN_AGAIN_NS * end->tries);
	} else if (lost || listener == NULL) {
		end->connect.fire = on_refused;
		alarm_set(alarm, now_ns + (lost ? 0 : host_packet_ns(to, end->host)));
	} else {
		meet(end, listener);
	}
}

struct end *
end_connect(struct host *host, struct place target)
{
	struct end *end = end_new(host);
	struct host *to = host_find(target.address);

	if (++host->next_port < 32768)
		host->next_port = 32768;
	end->local = (struct place){host->address, host->next_port};
	end->remote = end->target = target;
	end->connect.fire = on_syn;
	alarm_set(&end->connect, schedule_now_ns() + (to != NULL ? host_packet_ns(host, to) : 0));
	return end;
}
