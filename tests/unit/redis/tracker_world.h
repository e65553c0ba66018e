/*
 * tracker_world.h - a directory, a tracker, a redis-server, and an object that waits and watches.
 */
#ifndef JOBGATE_TEST_REDIS_TRACKER_WORLD_H
#define JOBGATE_TEST_REDIS_TRACKER_WORLD_H

#include "harness.h"

#include "auth/redis/tracker.h"

#define TOKEN_ID "abcdefghij012345"
#define HASH "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

struct world {
	struct turner turner;
	char directory_path[64], socket[96], log_path[96];
	pid_t redis;
	redisContext *admin;
	struct log log;
	struct directory *directory;
	struct redis_tracker *tracker;
	uint64_t ahead_ms; /* what the directory's clock is ahead */
	unsigned answered, told;
	struct directory_waiter waiter;
	struct directory_watch watch;
};

static inline uint64_t
clock_ms(void *ctx)
{
	return now_ms() + ((struct world *)ctx)->ahead_ms;
}

static inline void
on_answered(struct directory_waiter *waiter)
{
	((struct world *)((char *)waiter - offsetof(struct world, waiter)))->answered++;
}

static inline void
on_changed(struct directory_watch *watch)
{
	((struct world *)((char *)watch - offsetof(struct world, watch)))->told++;
}

static inline void
start_redis(struct world *world)
{
	world->redis = redis_spawn(world->directory_path,
	    (const char *const[]){"--port", "0", "--unixsocket", world->socket, NULL});
	world->admin = redis_wait(world->socket);
}

static inline void
stop_redis(struct world *world)
{
	redisFree(world->admin);
	world->admin = NULL;
	process_end(world->redis);
	world->redis = 0;
	unlink(world->socket);
}

static inline int
setup(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	signal(SIGPIPE, SIG_IGN); /* as the programs do */
	turner_init(&world->turner);
	make_directory(world->directory_path, sizeof(world->directory_path));
	snprintf(world->socket, sizeof(world->socket), "%s/redis.sock", world->directory_path);
	snprintf(world->log_path, sizeof(world->log_path), "%s/log", world->directory_path);
	world->log = (struct log){.fd = open(world->log_path, O_CREAT | O_WRONLY | O_APPEND, 0600),
	    .level = LOG_LEVEL_DEBUG,
	    .process = "test"};
	world->waiter.answered = on_answered;
	world->watch.changed = on_changed;
	*state = world;
	return 0;
}

static inline int
setup_with_redis(void **state)
{
	setup(state);
	start_redis(*state);
	return 0;
}

static inline int
teardown(void **state)
{
	struct world *world = *state;

	redis_tracker_free(world->tracker);
	jg_directory_free(world->directory);
	if (world->admin != NULL)
		stop_redis(world);
	close(world->log.fd);
	turner_free(&world->turner);
	remove_directory(world->directory_path);
	free(world);
	return 0;
}

/* How often a text stands in the log. */
static inline unsigned
logged(const struct world *world, const char *text)
{
	char *log = calloc(1, 1 << 16);
	int fd = open(world->log_path, O_RDONLY);
	unsigned count = 0;

	assert_true(read(fd, log, (1 << 16) - 1) >= 0);
	close(fd);
	for (const char *at = log; (at = strstr(at, text)) != NULL; at++)
		count++;
	free(log);
	return count;
}

/* Link a directory to the store. */
static inline void
tracker_start(struct world *world, const char *url, uint64_t ping_deadline_ms)
{
	const struct redis_tracker_options options = {.url = url,
	    .prefix = "jobgate:",
	    .timeouts = {TEST_TIMEOUT_MS, 50, ping_deadline_ms},
	    .now_ms = clock_ms,
	    .clock_ctx = world};
	const struct directory_options cache = {.max_staleness_ms = 60000, .entries_max = 100};
	struct directory_store store;
	char error[128];

	world->tracker =
	    redis_tracker_new(world->turner.base, &options, &world->log, error, sizeof(error));
	assert_non_null(world->tracker);
	store = redis_tracker_store(world->tracker);
	world->directory = jg_directory_new(&cache, &store);
	redis_tracker_start(world->tracker, world->directory);
}

static inline void
tracker_up(struct world *world)
{
	char url[128];

	snprintf(url, sizeof(url), "unix:%s", world->socket);
	tracker_start(world, url, TEST_TIMEOUT_MS);
	RUN_UNTIL(&world->turner, jg_directory_ready(world->directory, clock_ms(world)));
}

static inline struct redis_tracker_stats
tracker_stats(const struct world *world)
{
	struct redis_tracker_stats stats;

	redis_tracker_stats(world->tracker, &stats);
	return stats;
}

static inline bool
is_answered(
    struct world *world, enum record_kind kind, const char *id, struct directory_answer *answer)
{
	if (world->waiter.entry != NULL)
		return false;
	*answer = jg_directory_lookup(
	    world->directory, kind, slice_of(id), clock_ms(world), &world->waiter);
	return !answer->pending;
}

/* The answer once there is one; its record is good until the loop turns. */
static inline struct directory_answer
look_up(struct world *world, enum record_kind kind, const char *id)
{
	struct directory_answer answer;

	RUN_UNTIL(&world->turner, is_answered(world, kind, id, &answer));
	return answer;
}

static inline void
put_token(struct world *world, unsigned version)
{
	redis_do(world->admin,
	    "HSET jobgate:token:" TOKEN_ID " name n role operator selector %s hash " HASH
	    " version %u",
	    "a=b", version);
}

static inline void
watch_token(struct world *world)
{
	struct directory_answer answer = look_up(world, RECORD_TOKEN, TOKEN_ID);

	assert_non_null(answer.entry);
	jg_directory_watch(answer.entry, &world->watch);
}

/* What the watcher may rely on now; 0: nothing, or that there is none. */
static inline uint64_t
watched_version(struct world *world)
{
	struct directory_answer answer =
	    jg_directory_watched(world->directory, &world->watch, clock_ms(world));

	struct token room;

	return answer.known == RECORD_KNOWN ? jg_directory_token(answer.entry, &room)->version : 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_with_redis, teardown)
#define TEST_ALONE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
