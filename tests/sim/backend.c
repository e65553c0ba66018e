/* backend.c - connections of a backend: one request after the other. */
#include "backend.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend_state.h"
#include "browser/session.h"
#include "h2_backend.h"
#include "jobgate/container_of.h"
#include "trace.h"
#include "world.h"

/* ---- connections ---- */

void
backend_note_answered(const struct backend_connection *connection)
{
	struct sim_exchange *exchange =
	    exchanges_get(&connection->backend->world->exchanges, connection->mark);

	exchange->answered_ns = schedule_now_ns();
	exchange->answered = connection->answered;
}

void
backend_connection_close(struct backend_connection *connection, bool reset)
{
	if (connection->state > BACKEND_THINKING) {
		backend_note_answered(connection);
		exchanges_get(&connection->backend->world->exchanges, connection->mark)->unsent =
		    connection->out.len > 0;
	}
	if (reset)
		connection->end->linger_none = true;
	end_close(connection->end);
	LIST_REMOVE(connection, link);
	alarm_stop(&connection->act);
	bytes_free(&connection->out);
	free(connection);
}

static void
violation(struct backend_connection *connection, const char *what)
{
	judge_violation(connection->backend->world, "backend %d: %s; head: %.300s",
	    connection->backend->number, what, connection->message.head);
}

/* ---- the request ---- */

static const struct stamp *
stamp_at(struct backend_connection *connection, uint64_t offset)
{
	return end_stamp(connection->end->peer, offset);
}

/* ---- checks of its health ---- */

bool
backend_is_well(struct backend *backend, const struct end *end, const struct stamp *stamp)
{
	uint64_t now_ns = schedule_now_ns();

	judge_check(backend->world, backend->number, end, stamp);
	if (now_ns >= backend->sick_ns && now_ns < backend->world->scenario.duration_ns &&
	    random_chance(&backend->random, 250))
		backend->sick_ns = now_ns + random_between(&backend->random, 3, 25) * NS_PER_S;
	trace_event(
	    backend->host.name, "is checked", now_ns >= backend->sick_ns, backend->failures);
	if (now_ns >= backend->sick_ns) {
		backend->failures = 0;
		return true;
	}
	backend->failures++;
	backend->was_sick_ns = now_ns;
	return false;
}

static void
answer_check(struct backend_connection *connection)
{
	bool well = backend_is_well(
	    connection->backend, connection->end, stamp_at(connection, connection->head_offset));

	bytes_print(&connection->out, "HTTP/1.1 %s\r\nContent-Length: 0\r\n\r\n",
	    well ? "200 OK" : "503 Service Unavailable");
	message_begin(&connection->message);
}

static struct slice
field_of(const struct message *message, const char *name)
{
	const char *value = message_field(message, name);

	return (struct slice){value, value != NULL ? strcspn(value, "\r") : 0};
}

/* A whole head has come. False: the connection is of no use any more. */
static bool
take_head(struct backend_connection *connection)
{
	struct backend *backend = connection->backend;
	struct message *message = &connection->message;
	static const char check[] = "GET " RECORDS_HEALTH " ";
	const char *mark = message_field(message, "X-Mark");

	backend->requests++;
	if (mark == NULL && strncmp(message->head, check, sizeof(check) - 1) == 0) {
		answer_check(connection);
		return true;
	}
	if (mark == NULL) {
		violation(connection, "a request without a mark");
		return false;
	}
	if (strstr(message->head, "jgt_") != NULL ||
	    strstr(message->head, SESSION_COOKIE) != NULL ||
	    strstr(message->head, REPLICA_COOKIE) != NULL)
		violation(connection, "a credential of ours");
	connection->mark = (uint32_t)strtoul(mark, NULL, 16);
	connection->exchange_known =
	    exchanges_get(&backend->world->exchanges, connection->mark) != NULL;
	if (connection->exchange_known)
		exchanges_get(&backend->world->exchanges, connection->mark)->answered_ns = 0;
	trace_event(backend->host.name, "request", connection->mark, 0);
	judge_forward(backend->world, connection->mark, backend->number, connection->end,
	    stamp_at(connection, connection->head_offset),
	    &(struct told){field_of(message, "X-Jobgate-Token-Id"),
		field_of(message, "X-Jobgate-Token-Name"), field_of(message, "X-Jobgate-Role")});
	if (connection->exchange_known)
		judge_processed(backend->world, connection->mark);
	message_frame(message, false, false);
	return connection->exchange_known;
}

static void
take_content(struct backend_connection *connection, const char *content, size_t len,
    uint64_t offset, uint64_t at)
{
	size_t good = content_compare(content, len, connection->mark, true, offset);
	const struct end *end = connection->end;

	if (good < len)
		violation(connection, "content that is not the request's");
	judge_moved(connection->backend->world, connection->mark, end->peer->owner,
	    stamp_at(connection, at), "backend");
}

static void
request_is_whole(struct backend_connection *connection)
{
	struct world *world = connection->backend->world;
	struct sim_exchange *exchange = exchanges_get(&world->exchanges, connection->mark);

	exchange->request_seen_whole = true;
	if (!exchange->plan.tunnel && connection->message.length != exchange->plan.request_len)
		violation(connection, "the request's content has another length");
	connection->state = BACKEND_THINKING;
	alarm_set(&connection->act, schedule_now_ns() + exchange->plan.think_ns);
}

/* Bytes that came; at: the offset of the first in all. False: the connection is closed. */
static bool
take_bytes(struct backend_connection *connection, const char *bytes, size_t len, uint64_t at)
{
	struct message *message = &connection->message;
	size_t done = 0;

	while (done < len) {
		const char *content;
		size_t content_len, n;

		if (connection->state == BACKEND_TUNNEL) {
			take_content(
			    connection, bytes + done, len - done, connection->tunnel_in, at + done);
			connection->tunnel_in += len - done;
			return true;
		}
		if (connection->state != BACKEND_READING) {
			violation(connection, "bytes behind a request that is not answered yet");
			return false;
		}
		if (message->part == PART_HEAD && message->head_len == 0)
			connection->head_offset = at + done;
		n = message_read(message, bytes + done, len - done, &content, &content_len);
		if (message->part == PART_BAD) {
			violation(connection, "a request that is not HTTP");
			return false;
		}
		if (content != NULL)
			take_content(connection, content, content_len,
			    message->length - content_len, at + done);
		else if (connection->was == PART_HEAD && message->part == PART_CONTENT &&
			 !take_head(connection))
			return false;
		connection->was = message->part;
		done += n;
		if (message->part == PART_DONE)
			request_is_whole(connection);
	}
	return true;
}

static void
read_all(struct backend_connection *connection)
{
	struct end *end = connection->end;
	char bytes[8192];
	struct iovec piece = {bytes, sizeof(bytes)};
	uint64_t at = end->received;
	long got;

	while ((got = end_receive(end, &piece, 1, false)) > 0) {
		if (!take_bytes(connection, bytes, (size_t)got, at)) {
			backend_connection_close(connection, false);
			return;
		}
		at = end->received;
	}
	if (got == -EAGAIN) {
		backend_send(connection);
		return;
	}
	if (got == 0 && end->state == END_CONNECTED && connection->state == BACKEND_TUNNEL) {
		connection->client_ended = true;
		backend_send(connection);
		return;
	}
	backend_connection_close(connection, false);
}

static void
on_change(struct end *end)
{
	struct backend_connection *connection = end->owner;

	if (schedule_now_ns() >= connection->backend->frozen_ns)
		read_all(connection);
	else if (!alarm_is_set(&connection->act))
		alarm_set(&connection->act, connection->backend->frozen_ns);
}

static void
on_act(struct alarm *alarm)
{
	struct backend_connection *connection = container_of(alarm, struct backend_connection, act);
	uint64_t frozen_ns = connection->backend->frozen_ns;

	if (schedule_now_ns() < frozen_ns) {
		alarm_set(alarm, frozen_ns);
		return;
	}
	if (connection->state == BACKEND_READING)
		read_all(connection);
	else
		backend_act(connection);
}

/* ---- the server ---- */

static void
on_accepted(struct listener *listener, struct end *end)
{
	struct backend *backend = listener->owner;
	struct backend_connection *connection;

	if (backend->speaks_h2) {
		h2_backend_accepted(backend, end);
		return;
	}
	connection = calloc(1, sizeof(*connection));
	if (connection == NULL)
		abort();
	connection->backend = backend;
	connection->end = end;
	connection->act.fire = on_act;
	message_begin(&connection->message);
	connection->was = PART_HEAD;
	end->owner = connection;
	end->changed = on_change;
	LIST_INSERT_HEAD(&backend->connections, connection, link);
}

void
backend_listen(struct backend *backend)
{
	if (backend->listener != NULL)
		return;
	backend->listener =
	    listener_new(&backend->host, (struct place){backend->host.address, backend->port});
	backend->listener->accepted = on_accepted;
	backend->listener->owner = backend;
	backend->listener->descriptor.holders = 1;
}

void
backend_start(struct backend *backend, struct world *world, int number)
{
	*backend = (struct backend){.world = world, .number = number, .port = 8000};
	host_init(&backend->host, "backend", (unsigned)number, 0x0a000200u + (unsigned)number,
	    world->seed);
	backend->host.rules = world->scenario.rules[RULES_BACKEND];
	random_init(&backend->random, world->seed, "backend", (uint64_t)number);
	backend->speaks_h2 = (world->scenario.h2_backends >> number & 1) != 0;
	backend->takes_tunnels = (world->scenario.h2_tunnels >> number & 1) != 0;
	snprintf(backend->url, sizeof(backend->url), "%s://10.0.2.%d%s:%u",
	    backend->speaks_h2 ? "h2c" : "http", number,
	    world->scenario.strange_urls && number % 2 == 0 ? ".sim" : "", backend->port);
	backend_listen(backend);
}

void
backend_stop(struct backend *backend)
{
	struct backend_connection *connection;
	struct h2_backend *h2;

	if (backend->listener != NULL)
		descriptor_close(&backend->listener->descriptor);
	backend->listener = NULL;
	while ((connection = LIST_FIRST(&backend->connections)) != NULL)
		backend_connection_close(connection, true);
	while ((h2 = LIST_FIRST(&backend->h2_connections)) != NULL)
		h2_backend_close(h2, true);
}

bool
backend_break_one(struct backend *backend)
{
	struct backend_connection *connection = LIST_FIRST(&backend->connections);
	struct h2_backend *h2 = LIST_FIRST(&backend->h2_connections);

	if (connection != NULL)
		backend_connection_close(connection, random_chance(&backend->random, 500));
	else if (h2 != NULL)
		h2_backend_close(h2, random_chance(&backend->random, 500));
	return connection != NULL || h2 != NULL;
}
