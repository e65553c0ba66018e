/* link_test.c - a directory kept current by a real redis-server, whatever happens to that. */
#include "harness.h"

#include "auth/redis/link.h"

#define TOKEN_ID "abcdefghij012345"
#define HASH "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

struct world {
	struct turner turner;
	char directory_path[64], socket[96], log_path[96];
	pid_t redis;
	redisContext *admin;
	struct log log;
	struct directory *directory;
	struct redis_link *link;
	uint64_t ahead_ms; /* what the directory's clock is ahead */
	unsigned answered, told;
	struct directory_waiter waiter;
	struct directory_watch watch;
};

static uint64_t
clock_ms(void *ctx)
{
	return now_ms() + ((struct world *)ctx)->ahead_ms;
}

static void
on_answered(struct directory_waiter *waiter)
{
	((struct world *)((char *)waiter - offsetof(struct world, waiter)))->answered++;
}

static void
on_changed(struct directory_watch *watch)
{
	((struct world *)((char *)watch - offsetof(struct world, watch)))->told++;
}

static void
start_redis(struct world *world)
{
	world->redis = redis_spawn(world->directory_path,
	    (const char *const[]){"--port", "0", "--unixsocket", world->socket, NULL});
	world->admin = redis_wait(world->socket);
}

static void
stop_redis(struct world *world)
{
	redisFree(world->admin);
	world->admin = NULL;
	process_end(world->redis);
	world->redis = 0;
	unlink(world->socket);
}

static int
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

static int
setup_with_redis(void **state)
{
	setup(state);
	start_redis(*state);
	return 0;
}

static int
teardown(void **state)
{
	struct world *world = *state;

	redis_link_free(world->link);
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
static unsigned
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
static void
link_start(struct world *world, const char *url, uint64_t ping_deadline_ms)
{
	const struct redis_link_options options = {.url = url,
	    .prefix = "jobgate:",
	    .connect_timeout_ms = PATIENCE_MS,
	    .ping_interval_ms = 50,
	    .ping_deadline_ms = ping_deadline_ms,
	    .now_ms = clock_ms,
	    .clock_ctx = world};
	const struct directory_options cache = {.max_staleness_ms = 60000, .entries_max = 100};
	struct directory_store store;
	char error[128];

	world->link =
	    redis_link_new(world->turner.base, &options, &world->log, error, sizeof(error));
	assert_non_null(world->link);
	store = redis_link_store(world->link);
	world->directory = jg_directory_new(&cache, &store);
	redis_link_start(world->link, world->directory);
}

static void
link_up(struct world *world)
{
	char url[128];

	snprintf(url, sizeof(url), "unix:%s", world->socket);
	link_start(world, url, PATIENCE_MS);
	RUN_UNTIL(&world->turner, jg_directory_ready(world->directory, clock_ms(world)));
}

static bool
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
static struct directory_answer
look_up(struct world *world, enum record_kind kind, const char *id)
{
	struct directory_answer answer;

	RUN_UNTIL(&world->turner, is_answered(world, kind, id, &answer));
	return answer;
}

static void
put_token(struct world *world, unsigned version)
{
	redis_do(world->admin,
	    "HSET jobgate:token:" TOKEN_ID " name n role operator selector %s hash " HASH
	    " version %u",
	    "a=b", version);
}

static void
watch_token(struct world *world)
{
	struct directory_answer answer = look_up(world, RECORD_TOKEN, TOKEN_ID);

	assert_non_null(answer.entry);
	jg_directory_watch(answer.entry, &world->watch);
}

/* What the watcher may rely on now; 0: nothing, or that there is none. */
static uint64_t
watched_version(struct world *world)
{
	struct directory_answer answer =
	    jg_directory_watched(world->directory, &world->watch, clock_ms(world));

	return answer.known == RECORD_KNOWN ? answer.record->token.version : 0;
}

/* ---- reading, and hearing of changes ---- */

static void
bad_options(void **state)
{
	struct world *world = *state;
	struct redis_link_options options = {.url = "ftp://h", .prefix = ""};
	char error[128] = "", prefix[258];

	assert_null(
	    redis_link_new(world->turner.base, &options, &world->log, error, sizeof(error)));
	assert_true(strlen(error) > 0);
	memset(prefix, 'p', sizeof(prefix));
	prefix[257] = '\0';
	options = (struct redis_link_options){.url = "unix:/a", .prefix = prefix, .ca_file = "x"};
	assert_null(
	    redis_link_new(world->turner.base, &options, &world->log, error, sizeof(error)));
	assert_string_equal(error, "the prefix of keys is longer than 256 bytes");
	prefix[256] = '\0';
	world->link =
	    redis_link_new(world->turner.base, &options, &world->log, error, sizeof(error));
	assert_non_null(world->link);
	redis_link_free(NULL);
}

static void
records_are_read(void **state)
{
	struct world *world = *state;
	struct directory_answer answer;

	put_token(world, 3);
	redis_do(world->admin, "HSET jobgate:job:demo url unix:/run/x label:a b");
	link_up(world);
	answer = look_up(world, RECORD_TOKEN, TOKEN_ID);
	assert_int_equal(answer.known, RECORD_KNOWN);
	assert_int_equal(answer.record->token.version, 3);
	assert_true(slice_equal(answer.record->token.id, SLICE(TOKEN_ID)));
	answer = look_up(world, RECORD_JOB, "demo");
	assert_int_equal(answer.known, RECORD_KNOWN);
	assert_true(slice_equal(answer.record->job.url.path, SLICE("/run/x")));
	assert_int_equal(look_up(world, RECORD_JOB, TOKEN_ID).known, RECORD_ABSENT);
	assert_int_equal(redis_link_bad_records(world->link), 0);
	assert_int_equal(logged(world, "store: connected\n"), 1);
}

static void
an_id_too_long_for_a_key_is_not_asked_for(void **state)
{
	char id[65];
	struct world *world = *state;

	link_up(world);
	memset(id, 'a', sizeof(id));
	id[64] = '\0';
	assert_int_equal(look_up(world, RECORD_JOB, id).known, RECORD_UNKNOWN);
	id[63] = '\0';
	assert_int_equal(look_up(world, RECORD_JOB, id).known, RECORD_ABSENT);
}

static void
what_was_missing_is_seen_when_it_comes(void **state)
{
	struct world *world = *state;

	link_up(world);
	assert_int_equal(look_up(world, RECORD_TOKEN, TOKEN_ID).known, RECORD_ABSENT);
	put_token(world, 1);
	RUN_UNTIL(&world->turner, look_up(world, RECORD_TOKEN, TOKEN_ID).known == RECORD_KNOWN);
}

static void
changes_reach_who_watches(void **state)
{
	struct world *world = *state;

	put_token(world, 1);
	link_up(world);
	watch_token(world);
	for (unsigned version = 2; version < 6; version++) {
		put_token(world, version);
		RUN_UNTIL(&world->turner, watched_version(world) == version);
		assert_int_equal(world->told, version - 1);
	}
	/* Other keys and other prefixes are nobody's business. */
	redis_do(world->admin, "HSET other:token:" TOKEN_ID " version 9");
	redis_do(world->admin, "SET jobgate: x");
	redis_do(world->admin, "SET jobgate:tokens x");
	redis_do(world->admin, "DEL jobgate:token:" TOKEN_ID);
	RUN_UNTIL(&world->turner, watched_version(world) == 0);
	assert_int_equal(world->told, 5);
	put_token(world, 6);
	RUN_UNTIL(&world->turner, watched_version(world) == 6);
	redis_do(world->admin, "FLUSHALL");
	RUN_UNTIL(&world->turner, watched_version(world) == 0);
	assert_int_equal(world->told, 7);
	/* What Redis removes by itself is told as well. */
	put_token(world, 7);
	RUN_UNTIL(&world->turner, watched_version(world) == 7);
	redis_do(world->admin, "PEXPIRE jobgate:token:" TOKEN_ID " 1");
	RUN_UNTIL(&world->turner, watched_version(world) == 0);
	assert_int_equal(logged(world, "warning"), 0);
}

static void
a_broken_record_is_absent_and_told_once(void **state)
{
	struct world *world = *state;
	char id[16];

	link_up(world);
	for (unsigned i = 0; i < 3; i++) {
		put_token(world, 1);
		redis_do(world->admin, "HSET jobgate:token:" TOKEN_ID " role %u", i);
		RUN_UNTIL(
		    &world->turner, look_up(world, RECORD_TOKEN, TOKEN_ID).known == RECORD_ABSENT &&
					redis_link_bad_records(world->link) > i);
	}
	redis_do(world->admin, "SET jobgate:job:demo x");
	assert_int_equal(look_up(world, RECORD_JOB, "demo").known, RECORD_ABSENT);
	assert_int_equal(logged(world, "jobgate:token:" TOKEN_ID " breaks the rules"), 1);
	assert_int_equal(logged(world, "jobgate:job:demo breaks the rules"), 1);
	/* So many others are told in between that it is told again. */
	for (unsigned i = 0; i < 32; i++) {
		redis_do(world->admin, "SET jobgate:job:j%u x", i);
		snprintf(id, sizeof(id), "j%u", i);
		assert_int_equal(look_up(world, RECORD_JOB, id).known, RECORD_ABSENT);
	}
	redis_do(world->admin, "SET jobgate:job:demo y");
	RUN_UNTIL(&world->turner, look_up(world, RECORD_JOB, "demo").known == RECORD_ABSENT &&
				      logged(world, "jobgate:job:demo breaks the rules") == 2);
}

/* ---- what Redis may do ---- */

static void
it_may_come_later_and_come_again(void **state)
{
	struct world *world = *state;
	char url[128];

	snprintf(url, sizeof(url), "unix:%s", world->socket);
	link_start(world, url, PATIENCE_MS);
	run_for(&world->turner, 200);
	assert_int_equal(look_up(world, RECORD_TOKEN, TOKEN_ID).known, RECORD_UNKNOWN);
	assert_int_equal(logged(world, "cannot be reached"), 1); /* not at each attempt */
	start_redis(world);
	put_token(world, 1);
	RUN_UNTIL(&world->turner, jg_directory_ready(world->directory, clock_ms(world)));
	watch_token(world);
	assert_int_equal(look_up(world, RECORD_JOB, "demo").known, RECORD_ABSENT);
	stop_redis(world);
	RUN_UNTIL(&world->turner, logged(world, "store: out of reach") == 1);
	/* What is known is lived with for a while; what is not cannot be learnt. */
	assert_int_equal(watched_version(world), 1);
	assert_int_equal(look_up(world, RECORD_TOKEN, TOKEN_ID).known, RECORD_KNOWN);
	assert_int_equal(look_up(world, RECORD_TOKEN, "0123456789abcdef").known, RECORD_UNKNOWN);
	world->ahead_ms += 60000;
	assert_int_equal(look_up(world, RECORD_TOKEN, TOKEN_ID).known, RECORD_UNKNOWN);
	RUN_UNTIL(&world->turner, world->told == 1);
	assert_int_equal(watched_version(world), 0);
	start_redis(world);
	put_token(world, 2);
	RUN_UNTIL(&world->turner, watched_version(world) == 2);
	redis_do(world->admin, "SET jobgate:job:demo x");
	RUN_UNTIL(&world->turner, look_up(world, RECORD_JOB, "demo").known == RECORD_ABSENT);
	assert_int_equal(logged(world, "store: connected again"), 2);
}

static void
one_connection_does_not_live_without_the_other(void **state)
{
	static const char *const names[] = {"jobgate-push", "jobgate-data"};
	struct world *world = *state;

	put_token(world, 1);
	link_up(world);
	watch_token(world);
	for (unsigned i = 0; i < 2; i++) {
		char line[64];
		redisReply *clients = redisCommand(world->admin, "CLIENT LIST");
		const char *at;

		snprintf(line, sizeof(line), " name=%s ", names[i]);
		at = strstr(clients->str, line);
		assert_non_null(at);
		while (at > clients->str && at[-1] != '\n')
			at--;
		redis_do(world->admin, "CLIENT KILL ID %lld", strtoll(at + 3, NULL, 10));
		freeReplyObject(clients);
		/* Nobody is told of this change: it is seen because all is read again. */
		put_token(world, 2 + i);
		RUN_UNTIL(&world->turner, watched_version(world) == 2 + i);
	}
	assert_int_equal(logged(world, "(push connection)"), 1);
	assert_int_equal(logged(world, "(data connection)"), 1);
}

static uint64_t
good_ms(struct world *world)
{
	struct directory_stats stats;

	jg_directory_stats(world->directory, &stats);
	return stats.good_ms;
}

static void
pings_prove_that_it_works(void **state)
{
	struct world *world = *state;
	uint64_t first_ms;

	link_up(world);
	first_ms = good_ms(world);
	RUN_UNTIL(&world->turner, good_ms(world) >= first_ms + 150);
	assert_true(good_ms(world) <= clock_ms(world));
}

static void
a_silent_redis_is_given_up(void **state)
{
	struct world *world = *state;
	char url[128];
	uint64_t good;

	put_token(world, 1);
	snprintf(url, sizeof(url), "unix:%s", world->socket);
	link_start(world, url, 300);
	RUN_UNTIL(&world->turner, jg_directory_ready(world->directory, clock_ms(world)));
	watch_token(world);
	kill(world->redis, SIGSTOP);
	run_for(&world->turner, 20); /* what was on its way */
	good = good_ms(world);
	RUN_UNTIL(&world->turner, logged(world, "no answer to PING in time") > 0);
	assert_int_equal(good_ms(world), good);
	assert_int_equal(watched_version(world), 1);
	world->ahead_ms += 60000;
	assert_int_equal(watched_version(world), 0);
	kill(world->redis, SIGCONT);
	put_token(world, 2);
	RUN_UNTIL(&world->turner, watched_version(world) == 2);
}

static void
a_read_without_reply_fails_when_the_link_goes(void **state)
{
	struct world *world = *state;

	link_up(world);
	kill(world->redis, SIGSTOP);
	assert_true(jg_directory_lookup(
	    world->directory, RECORD_TOKEN, SLICE(TOKEN_ID), clock_ms(world), &world->waiter)
			.pending);
	run_for(&world->turner, 20);
	assert_int_equal(world->answered, 0);
	redis_link_free(world->link);
	world->link = NULL;
	assert_int_equal(world->answered, 1);
	kill(world->redis, SIGCONT);
}

/* ---- what it may refuse ---- */

/* A user to whom some things are forbidden, and the URL by which he comes. */
static const char *
user_url(struct world *world, const char *rules, uint16_t *port)
{
	static char url[128];

	close(listen_tcp(1, port));
	redis_do(world->admin, "CONFIG SET bind 127.0.0.1");
	redis_do(world->admin, "CONFIG SET port %u", *port);
	redisReply *reply = redisCommand(world->admin, rules);
	assert_int_equal(reply->type, REDIS_REPLY_STATUS);
	freeReplyObject(reply);
	snprintf(url, sizeof(url), "redis://gate:secret@127.0.0.1:%u", *port);
	return url;
}

static void
a_read_that_is_forbidden_is_no_absence(void **state)
{
	struct world *world = *state;
	uint16_t port;

	put_token(world, 1);
	link_start(world,
	    user_url(world, "ACL SETUSER gate on >secret ~jobgate:token:* &* +@all", &port),
	    PATIENCE_MS);
	RUN_UNTIL(&world->turner, jg_directory_ready(world->directory, clock_ms(world)));
	assert_int_equal(look_up(world, RECORD_TOKEN, TOKEN_ID).known, RECORD_KNOWN);
	assert_int_equal(look_up(world, RECORD_JOB, "demo").known, RECORD_UNKNOWN);
	assert_int_equal(look_up(world, RECORD_JOB, "demo2").known, RECORD_UNKNOWN);
	assert_int_equal(logged(world, "store: a read failed: NOPERM"), 1); /* now and then */
	world->ahead_ms += 10000;
	assert_int_equal(look_up(world, RECORD_JOB, "demo").known, RECORD_UNKNOWN);
	assert_int_equal(logged(world, "store: a read failed: NOPERM"), 2);
}

static void
without_invalidations_nothing_is_trusted(void **state)
{
	static const char *const rules[] = {
	    "ACL SETUSER gate reset on >secret ~* &* +@all -client|tracking",
	    "ACL SETUSER gate reset on >secret ~* resetchannels +@all",
	    "ACL SETUSER gate reset on >secret ~* &* +@all -client|id",
	};

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		struct world *world = *state;
		uint16_t port;

		link_start(world, user_url(world, rules[i], &port), PATIENCE_MS);
		RUN_UNTIL(&world->turner, logged(world, "cannot be reached (push connection): "
							"NOPERM") == i + 1);
		run_for(&world->turner, 100);
		assert_false(jg_directory_ready(world->directory, clock_ms(world)));
		assert_int_equal(look_up(world, RECORD_TOKEN, TOKEN_ID).known, RECORD_UNKNOWN);
		assert_int_equal(logged(world, "secret"), 0);
		redis_link_free(world->link);
		jg_directory_free(world->directory);
		world->link = NULL;
		world->directory = NULL;
	}
}

static void
a_wrong_password_is_not_repeated(void **state)
{
	struct world *world = *state;
	uint16_t port;
	char url[128];

	user_url(world, "ACL SETUSER gate on >other ~* &* +@all", &port);
	snprintf(url, sizeof(url), "redis://gate:secret@127.0.0.1:%u", port);
	link_start(world, url, PATIENCE_MS);
	RUN_UNTIL(&world->turner, logged(world, "Redis says: WRONGPASS") > 0);
	assert_int_equal(logged(world, "secret"), 0);
	assert_false(jg_directory_ready(world->directory, clock_ms(world)));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_with_redis, teardown)
#define TEST_ALONE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST_ALONE(bad_options),
	    TEST(records_are_read),
	    TEST(an_id_too_long_for_a_key_is_not_asked_for),
	    TEST(what_was_missing_is_seen_when_it_comes),
	    TEST(changes_reach_who_watches),
	    TEST(a_broken_record_is_absent_and_told_once),
	    TEST_ALONE(it_may_come_later_and_come_again),
	    TEST(one_connection_does_not_live_without_the_other),
	    TEST(pings_prove_that_it_works),
	    TEST(a_silent_redis_is_given_up),
	    TEST(a_read_without_reply_fails_when_the_link_goes),
	    TEST(a_read_that_is_forbidden_is_no_absence),
	    TEST(without_invalidations_nothing_is_trusted),
	    TEST(a_wrong_password_is_not_repeated),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
