/* h2_backend.c - connections of a backend that speaks HTTP/2, and how they and their streams begin
 * and end. */
#include "h2_backend.h"

#include <errno.h>
#include <stdlib.h>

#include "jobgate/container_of.h"
#include "tests/plain_memory.h"
#include "trace.h"
#include "world.h"

/* How long the gateway may take to learn that a connection was closed: packets may be lost. */
#define LEARN_NS ((uint64_t)NS_PER_S)

void
h2_backend_violation(const struct h2_backend *connection, uint32_t mark, const char *what)
{
	judge_violation(connection->backend->world, "%s (HTTP/2): %s; exchange %u",
	    connection->backend->host.name, what, mark);
}

/* ---- streams ---- */

struct h2_backend_stream *
h2_backend_find(struct h2_backend *connection, uint32_t id)
{
	struct h2_backend_stream *stream;

	LIST_FOREACH(stream, &connection->streams, link)
	if (stream->id == id)
		return stream;
	return NULL;
}

struct h2_backend_stream *
h2_backend_begin(struct h2_backend *connection, uint32_t id, uint32_t mark)
{
	struct h2_backend_stream *stream = calloc(1, sizeof(*stream));

	if (stream == NULL)
		abort();
	stream->connection = connection;
	stream->id = id;
	stream->mark = mark;
	stream->act.fire = h2_backend_act;
	stream->send_window = connection->settings.initial_window_size;
	stream->receive_window = connection->initial_window;
	LIST_INSERT_HEAD(&connection->streams, stream, link);
	connection->running++;
	return stream;
}

void
h2_backend_end(struct h2_backend_stream *stream)
{
	struct sim_exchange *exchange =
	    exchanges_get(&stream->connection->backend->world->exchanges, stream->mark);

	if (stream->state >= H2_BACKEND_ANSWERING) {
		exchange->answered_ns = schedule_now_ns();
		exchange->answered = stream->answered;
	}
	alarm_stop(&stream->act);
	LIST_REMOVE(stream, link);
	stream->connection->running--;
	free(stream);
}

/* ---- connections ---- */

void
h2_backend_ruin(struct h2_backend *connection)
{
	if (!connection->ruined)
		connection->backend->ruined++;
	connection->ruined = true;
}

void
h2_backend_close(struct h2_backend *connection, bool reset)
{
	struct h2_backend_stream *stream;

	if (connection->ruined) {
		connection->backend->ruined--;
		connection->backend->ruined_ns = schedule_now_ns() + LEARN_NS;
	}
	while ((stream = LIST_FIRST(&connection->streams)) != NULL) {
		exchanges_get(&connection->backend->world->exchanges, stream->mark)->unsent =
		    connection->out.len > 0;
		h2_backend_end(stream);
	}
	if (reset)
		connection->end->linger_none = true;
	end_close(connection->end);
	alarm_stop(&connection->look);
	hpack_decoder_free(&connection->decoder);
	bytes_free(&connection->out);
	bytes_free(&connection->payload);
	bytes_free(&connection->block);
	LIST_REMOVE(connection, link);
	free(connection);
}

/* ---- sending ---- */

void
h2_backend_put(struct h2_backend *connection, const char *bytes, size_t len)
{
	bytes_append(&connection->out, bytes, len);
}

void
h2_backend_put_reset(struct h2_backend *connection, uint32_t id, enum h2_error error)
{
	char frame[H2_FRAME_HEAD_LEN + 4];
	struct writer writer = writer_of(frame, sizeof(frame));

	h2_write_rst_stream(&writer, id, error);
	h2_backend_put(connection, frame, sizeof(frame));
}

void
h2_backend_send(struct h2_backend *connection)
{
	while (connection->out.len > 0) {
		struct iovec piece = {(char *)bytes_first(&connection->out), connection->out.len};
		long sent = end_send(connection->end, &piece, 1, NULL);

		if (sent < 0)
			return;
		bytes_drop(&connection->out, (size_t)sent);
	}
}

/* ---- reading ---- */

static void
read_all(struct h2_backend *connection)
{
	struct end *end = connection->end;
	char bytes[8192];
	struct iovec piece = {bytes, sizeof(bytes)};
	uint64_t at = end->received;
	long got;

	while ((got = end_receive(end, &piece, 1, false)) > 0) {
		if (!h2_backend_take(connection, bytes, (size_t)got, at)) {
			h2_backend_close(connection, true);
			return;
		}
		at = end->received;
	}
	if (got != -EAGAIN) {
		h2_backend_close(connection, false);
		return;
	}
	h2_backend_widen(connection);
	h2_backend_send(connection);
}

static void
on_change(struct end *end)
{
	struct h2_backend *connection = end->owner;

	if (schedule_now_ns() >= connection->backend->frozen_ns)
		read_all(connection);
	else if (!alarm_is_set(&connection->look))
		alarm_set(&connection->look, connection->backend->frozen_ns);
}

static void
on_look(struct alarm *alarm)
{
	struct h2_backend *connection = container_of(alarm, struct h2_backend, look);

	if (schedule_now_ns() < connection->backend->frozen_ns)
		alarm_set(alarm, connection->backend->frozen_ns);
	else
		read_all(connection);
}

/* ---- the beginning ---- */

static void
greet(struct h2_backend *connection)
{
	struct random *random = &connection->backend->random;
	uint32_t more = (uint32_t)random_skewed(random, 1, 1000000);
	char text[128];
	struct writer writer = writer_of(text, sizeof(text));
	struct h2_setting settings[] = {
	    {H2_SETTINGS_MAX_CONCURRENT_STREAMS, (uint32_t)random_skewed(random, 1, 100)},
	    {H2_SETTINGS_INITIAL_WINDOW_SIZE, H2_WINDOW_DEFAULT},
	    {H2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1}};

	if (random_chance(random, 400))
		settings[1].value = (uint32_t)random_skewed(
		    random, connection->backend->world->scenario.h2_window_min, 200000);
	connection->most = settings[0].value;
	connection->initial_window = H2_WINDOW_DEFAULT;
	connection->next_window = settings[1].value;
	connection->receive_window = H2_WINDOW_DEFAULT + (int64_t)more;
	h2_write_settings(&writer, settings, connection->backend->takes_tunnels ? 3 : 2);
	h2_write_window_update(&writer, 0, more);
	h2_backend_put(connection, text, (size_t)(writer.at - text));
}

void
h2_backend_accepted(struct backend *backend, struct end *end)
{
	struct h2_backend *connection = calloc(1, sizeof(*connection));

	if (connection == NULL)
		abort();
	connection->backend = backend;
	connection->end = end;
	connection->look.fire = on_look;
	connection->slow = random_chance(&backend->random, 100);
	if (random_chance(&backend->random, 300))
		connection->leaves_after = (unsigned)random_skewed(&backend->random, 1, 60);
	h2_settings_init(&connection->settings);
	hpack_decoder_init(&connection->decoder, HPACK_TABLE_MAX, plain_memory(NULL));
	connection->send_window = H2_WINDOW_DEFAULT;
	end->owner = connection;
	end->changed = on_change;
	LIST_INSERT_HEAD(&backend->h2_connections, connection, link);
	greet(connection);
	h2_backend_send(connection);
}
