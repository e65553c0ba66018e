/*
 * race.c - which address of a backend a dial tries, and when. While the first ones are slow, the
 * next one is tried in parallel; the first to connect wins (RFC 8305, "Happy Eyeballs").
 */
#include <stdlib.h>

#include "jobgate/container_of.h"
#include "upstream/connect_address.h"
#include "upstream/pool_state.h"

/* A connection to another address, tried in parallel with the one in dial->made. */
struct parallel_dial {
	LIST_ENTRY(parallel_dial) link;
	struct dial *dial;
	struct conn conn;
	struct address_place place;
};

static void
parallel_drop(struct parallel_dial *parallel)
{
	CHECK(parallel->dial->pool->parallel_count > 0, dial_dump, parallel->dial);
	parallel->dial->pool->parallel_count--;
	LIST_REMOVE(parallel, link);
	conn_close(&parallel->conn);
	free(parallel);
}

void
race_end(struct dial *dial)
{
	struct parallel_dial *parallel;

	while ((parallel = LIST_FIRST(&dial->parallel)) != NULL)
		/* It has left the list. NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
		parallel_drop(parallel);
}

/* True when there is an address that this dial has not tried yet; *index is the next one. */
static bool
next_address(struct dial *dial, size_t *index)
{
	const struct backend *backend = dial->backend;
	size_t count = backend->failed ? 0 : backend->address_count;

	if (backend->scheme == JOB_URL_UNIX)
		count = 1;
	if (dial->tried_version != backend->version) {
		dial->tried_version = backend->version;
		dial->tried = 0;
	}
	for (size_t i = 0; i < count; i++) {
		*index = (backend->first + i) % count;
		if ((dial->tried >> *index & 1) == 0)
			return true;
	}
	return false;
}

void
race_schedule(struct dial *dial)
{
	const struct pool_options *options = &dial->pool->options;
	uint64_t now_ms = loop_now_ms(options->loop);
	uint64_t left = dial->connect_by_ms > now_ms ? dial->connect_by_ms - now_ms : 1;
	uint64_t turn = left, address_ms = options->tuning->address_ms;
	size_t index;
	bool more = next_address(dial, &index);

	/* The addresses of the other family may come late. */
	if (dial->state == DIAL_CONNECTING && (more || dial->backend->resolution != NULL))
		turn = address_ms;
	/* A handshake is not raced: its address gets a fair share of what is left. */
	if (dial->state == DIAL_TLS_HANDSHAKE && more)
		turn = left / 2 > address_ms ? left / 2 : address_ms;
	timer_start(options->loop, &dial->timer, turn < left ? turn : left);
}

static bool
in_flight(const struct dial *dial)
{
	return dial->made->conn.fd >= 0 || !LIST_EMPTY(&dial->parallel);
}

static void
connect_ready(struct conn *conn)
{
	struct dial *dial = backend_conn_of(conn)->dial;

	if (dial->state != DIAL_CONNECTING)
		return;
	if (conn_failed(conn)) {
		dial->failure = UPSTREAM_REFUSED;
		conn_close(conn);
		race_next(dial);
	} else if (conn->writable) {
		dial_connected(dial);
	}
}

static void
parallel_ready(struct conn *conn)
{
	struct parallel_dial *parallel = container_of(conn, struct parallel_dial, conn);
	struct dial *dial = parallel->dial;
	bool won = false;

	if (conn_failed(conn)) {
		dial->failure = UPSTREAM_REFUSED;
	} else if (conn->writable) {
		conn_close(&dial->made->conn);
		dial->made->place = parallel->place;
		won = conn_take(&dial->made->conn, dial->pool->options.loop, conn, connect_ready);
	} else {
		return;
	}
	parallel_drop(parallel);
	if (won)
		dial_connected(dial);
	else
		race_next(dial);
}

/* Begin to connect to one address, in parallel with those under way. */
static enum connect_result
connect_next(struct dial *dial, size_t index)
{
	struct address_place place = {dial->backend->version, (unsigned char)index};
	struct pool *pool = dial->backend->pool;
	struct parallel_dial *parallel;
	enum connect_result result;

	if (pool->parallel_count >= pool->options.tuning->parallel_max)
		conn_close(&dial->made->conn);
	if (dial->made->conn.fd < 0) {
		dial->made->place = place;
		return connect_address(dial->backend, index, &dial->made->conn, connect_ready);
	}
	parallel = calloc(1, sizeof(*parallel));
	if (parallel == NULL)
		return CONNECT_NO_SOCKET;
	parallel->dial = dial;
	parallel->place = place;
	parallel->conn.fd = -1;
	result = connect_address(dial->backend, index, &parallel->conn, parallel_ready);
	if (result != CONNECT_STARTED) {
		free(parallel);
		return result;
	}
	pool->parallel_count++;
	LIST_INSERT_HEAD(&dial->parallel, parallel, link);
	return CONNECT_STARTED;
}

void
race_next(struct dial *dial)
{
	struct backend *backend = dial->backend;
	size_t index;

	while (next_address(dial, &index)) {
		dial->tried |= (uint32_t)1 << index;
		switch (connect_next(dial, index)) {
		case CONNECT_STARTED:
			dial->failure = UPSTREAM_CONNECT_FAILED;
			race_schedule(dial);
			return;
		case CONNECT_FAILED:
			dial->failure = UPSTREAM_REFUSED;
			break;
		case CONNECT_NOT_ALLOWED:
			if (dial->failure == UPSTREAM_NO_ADDRESS)
				dial->failure = UPSTREAM_NOT_ALLOWED;
			break;
		case CONNECT_NO_SOCKET:
			if (dial->failure != UPSTREAM_CONNECT_FAILED &&
			    dial->failure != UPSTREAM_REFUSED)
				dial->failure = UPSTREAM_NO_SOCKET;
			break;
		}
	}
	if (in_flight(dial)) {
		race_schedule(dial);
	} else if (backend->resolution != NULL) {
		dial_set_state(dial, DIAL_RESOLVING);
		race_schedule(dial);
	} else {
		dial_exhausted(dial);
	}
}
