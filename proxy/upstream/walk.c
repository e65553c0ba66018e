/* walk.c - from one backend, and one connection to a backend, to the next, for live dumps. */
#include "upstream/pool_state.h"

/* The next backend of the walk; NULL: it has been through all. */
static const struct backend *
next_backend(struct pool *pool)
{
	const struct backend *backend = pool->walk.backend;

	if (backend != NULL)
		pool->walk.backend = TAILQ_NEXT(backend, member);
	return backend;
}

/* While a dial owns it, its protocol has not begun. */
static void
dump_connection(const struct backend_conn *connection, struct dump *dump)
{
	if (connection->dial != NULL)
		dial_dump(connection->dial, dump);
	else
		connection->protocol->dump(connection, dump);
}

void
pool_walk_begin(struct pool *pool)
{
	pool->walk = (struct pool_walk){
	    .backend = TAILQ_FIRST(&pool->backends), .connection = LIST_FIRST(&pool->all)};
}

bool
pool_walk_dump(struct pool *pool, struct dump *dump)
{
	const struct backend *backend = next_backend(pool);
	const struct backend_conn *connection = pool->walk.connection;

	if (backend != NULL) {
		backend_dump(backend, dump);
		return true;
	}
	if (connection == NULL)
		return false;
	pool->walk.connection = LIST_NEXT(connection, member);
	dump_connection(connection, dump);
	return true;
}

void
walk_removes_backend(struct pool *pool, const struct backend *backend)
{
	if (pool->walk.backend == backend)
		pool->walk.backend = TAILQ_NEXT(backend, member);
}

void
walk_removes_connection(struct pool *pool, const struct backend_conn *connection)
{
	if (pool->walk.connection == connection)
		pool->walk.connection = LIST_NEXT(connection, member);
}
