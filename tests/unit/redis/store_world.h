/* store_world.h - a store of the control process at a redis-server of its own. */
#ifndef JOBGATE_STORE_WORLD_H
#define JOBGATE_STORE_WORLD_H

#include "harness.h"

#include "auth/redis/store.h"

struct world {
	struct turner turner;
	char folder[64], socket[96], url[128], log_path[96];
	pid_t redis;
	redisContext *admin;
	struct store *store;
	struct log log;
};

struct question {
	bool answered;
	enum store_result result;
};

static void
on_answer(void *ctx, enum store_result result, const struct record *record)
{
	struct question *question = ctx;

	(void)record;
	*question = (struct question){true, result};
}

static bool
store_has_answered(struct world *world)
{
	struct question question = {0};

	store_get(world->store, RECORD_TOKEN, SLICE("zzzzzzzzzzzzzzzz"), on_answer, &question);
	RUN_UNTIL(&world->turner, question.answered);
	return question.result != STORE_UNAVAILABLE;
}

/* A world whose paths are known and that has no server yet. */
static struct world *
world_new(void)
{
	struct world *world = calloc(1, sizeof(*world));

	signal(SIGPIPE, SIG_IGN);
	turner_init(&world->turner);
	make_directory(world->folder, sizeof(world->folder));
	snprintf(world->socket, sizeof(world->socket), "%s/redis.sock", world->folder);
	snprintf(world->log_path, sizeof(world->log_path), "%s/log", world->folder);
	return world;
}

/* Connect to the server at world->url. */
static void
world_connect(struct world *world, const char *prefix)
{
	world->log = (struct log){.fd = open(world->log_path, O_CREAT | O_RDWR | O_APPEND, 0600),
	    .level = LOG_LEVEL_WARNING,
	    .process = "test"};
	world->store = store_new(&(struct store_options){
	    .base = world->turner.base, .url = world->url, .prefix = prefix, .log = world->log});
	assert_non_null(world->store);
	RUN_UNTIL(&world->turner, store_has_answered(world));
}

/* A redis-server of its own at world->socket. */
static inline void
start_server(struct world *world)
{
	world->redis = redis_spawn(world->folder,
	    (const char *const[]){"--port", "0", "--unixsocket", world->socket, NULL});
	world->admin = redis_wait(world->socket);
}

/* Such a server, and a store that is connected to it. */
static inline int
setup_at_socket(void **state)
{
	struct world *world = world_new();

	snprintf(world->url, sizeof(world->url), "unix:%s", world->socket);
	start_server(world);
	world_connect(world, "jobgate:");
	*state = world;
	return 0;
}

static int
teardown(void **state)
{
	struct world *world = *state;

	store_free(world->store);
	redisFree(world->admin);
	process_end(world->redis);
	close(world->log.fd);
	turner_free(&world->turner);
	remove_directory(world->folder);
	free(world);
	return 0;
}

#endif
