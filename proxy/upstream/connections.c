/* connections.c - connections to backends in any state: made, kept for later exchanges, closed. */
#include "net/buffer.h"
#include "upstream/pool_state.h"

/* The control process is no backend: requests for metrics must not count themselves. */
static void
count(const struct backend *backend, counter *what, uint64_t n)
{
	if (backend->source != BACKEND_OF_CONTROL)
		counter_add(what, n);
}

struct backend_conn *
backend_conn_new(struct backend *backend, struct dial *dial)
{
	struct pool *pool = backend->pool;
	struct backend_conn *connection = slab_take(&pool->connection_slab);

	if (connection == NULL)
		return NULL;
	connection->conn.fd = -1;
	connection->pool = pool;
	connection->options = &pool->options;
	connection->protocol = pool->options.http1;
	connection->backend = backend;
	connection->dial = dial;
	backend->users++;
	backend->connections++;
	LIST_INSERT_HEAD(&pool->all, connection, member);
	pool->connections++;
	count(backend, &pool->options.stats->backend_connections, 1);
	return connection;
}

static void
backend_conn_free(struct task *task)
{
	struct backend_conn *connection = container_of(task, struct backend_conn, free_task);

	slab_give(&connection->pool->connection_slab, connection,
	    connection->pool->options.tuning->spare_max);
}

void
backend_conn_close(struct backend_conn *connection)
{
	struct backend *backend;
	struct pool *pool;

	if (connection == NULL)
		return;
	backend = connection->backend;
	pool = connection->pool;
	CHECK(pool->connections > 0 && backend->connections > 0, backend_conn_dump, connection);
	CHECK(!task_is_queued(&connection->free_task), backend_conn_dump, connection);
	conn_close(&connection->conn);
	walk_removes_connection(pool, connection);
	LIST_REMOVE(connection, member);
	pool->connections--;
	count(backend, &pool->options.stats->backend_connections, (uint64_t)-1);
	connection->free_task.run = backend_conn_free;
	loop_defer(pool->options.loop, &connection->free_task);
	share_closes(connection);
	backend->connections--;
	pool_leave(backend);
}

void
pool_avoid(const struct backend_conn *connection)
{
	struct backend *backend = connection->backend;

	if (connection->place.version == backend->version &&
	    connection->place.index == backend->first && backend->address_count > 1)
		backend->first = (backend->first + 1) % backend->address_count;
}

bool
pool_is_current(struct backend_conn *connection)
{
	const struct backend *backend = connection->backend;

	if (connection->place.version == backend->version)
		return true;
	if (!backend_still_has(backend, &connection->conn))
		return false;
	/* The backend still has this address, even if at another place. */
	connection->place.version = backend->version;
	return true;
}

bool
pool_keep(struct backend_conn *connection)
{
	struct backend *backend = connection->backend;
	struct pool *pool = connection->pool;

	CHECK(connection->dial == NULL && connection->conn.fd >= 0, backend_conn_dump, connection);
	if (pool->draining || backend->idle_count >= pool->options.settings.idle_max)
		return false;
	if (!pool_is_current(connection))
		return false;
	TAILQ_INSERT_HEAD(&backend->idle, connection, link);
	backend->idle_count++;
	count(backend, &pool->options.stats->backend_idle, 1);
	return true;
}

void
pool_unkeep(struct backend_conn *connection)
{
	struct backend *backend = connection->backend;

	CHECK(backend->idle_count > 0, backend_conn_dump, connection);
	TAILQ_REMOVE(&backend->idle, connection, link);
	backend->idle_count--;
	count(backend, &connection->pool->options.stats->backend_idle, (uint64_t)-1);
}

void
backend_conn_dump(const struct backend_conn *connection, struct dump *dump)
{
	jg_dump_begin(dump, "backend_conn");
	jg_dump_flag(dump, "dial", connection->dial != NULL);
	jg_dump_flag(dump, "freed", task_is_queued(&connection->free_task));
	jg_dump_number(dump, "address", connection->place.index);
	jg_dump_flag(
	    dump, "address_gone", connection->place.version != connection->backend->version);
	conn_dump(&connection->conn, dump);
	backend_dump(connection->backend, dump);
	jg_dump_end(dump);
}
