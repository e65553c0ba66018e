/* walk_test.c - a walk over backends and connections that come and go during the walk. */
#include "pool_world.h"

#include "fake_user.h"

#define BACKENDS 3

static struct pool_world world;
static struct backend *backends[BACKENDS];
static struct fake_user user;
static char text[DUMP_TEXT_MAX];

static struct backend *
enter(uint16_t port)
{
	const struct job_url target = {
	    .scheme = JOB_URL_HTTP, .host = SLICE("127.0.0.1"), .port = port};

	return pool_enter(world.pool, &target, BACKEND_OF_RECORD);
}

static int
set_up(void **state)
{
	(void)state;
	world_open(&world);
	user = FAKE_USER;
	for (uint16_t i = 0; i < BACKENDS; i++) {
		backends[i] = enter((uint16_t)(81 + i));
		assert_non_null(backends[i]);
	}
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	for (size_t i = 0; i < BACKENDS; i++)
		if (backends[i] != NULL)
			pool_leave(backends[i]);
	world_close(&world);
	return 0;
}

static bool
next(void)
{
	struct dump dump;

	jg_dump_init(&dump, text, sizeof(text));
	return pool_walk_dump(world.pool, &dump);
}

/* How many of the lines that are left begin like this. */
static size_t
rest(const char *kind)
{
	size_t count = 0;

	while (next())
		count += strncmp(text, kind, strlen(kind)) == 0;
	return count;
}

/* A connection whose dial waits, as the backend refused others. */
static struct backend_conn *
waiting_dial(struct dial *dial, struct backend *backend)
{
	*dial = (struct dial){.upstream.user = &user.user, .pool = world.pool, .backend = backend};
	dial->made = backend_conn_new(backend, dial);
	assert_non_null(dial->made);
	return dial->made;
}

static void
it_passes_each_once(void **state)
{
	struct backend_conn *connections[2];
	struct dial dials[2];

	(void)state;
	for (size_t i = 0; i < 2; i++)
		connections[i] = waiting_dial(&dials[i], backends[i]);
	pool_walk_begin(world.pool);
	for (size_t i = 0; i < BACKENDS; i++) {
		assert_true(next());
		assert_non_null(strstr(text, "backend{name=\"127.0.0.1\" port=8"));
		assert_ptr_equal(strstr(text, "backend{"), text);
	}
	for (size_t i = 0; i < 2; i++) {
		assert_true(next());
		assert_ptr_equal(strstr(text, "dial{state=new"), text);
	}
	assert_false(next());
	pool_walk_begin(world.pool);
	assert_int_equal(rest("dial{"), 2);
	for (size_t i = 0; i < 2; i++)
		backend_conn_close(connections[i]);
}

static void
it_stands_at_nothing_that_is_gone(void **state)
{
	struct backend_conn *connections[3];
	struct dial dials[3];

	(void)state;
	for (size_t i = 0; i < 3; i++)
		connections[i] = waiting_dial(&dials[i], backends[0]);
	pool_walk_begin(world.pool);
	for (size_t i = 0; i < BACKENDS; i++)
		assert_true(next());
	assert_true(next()); /* the newest; the one before it comes next */
	backend_conn_close(connections[1]);
	world_settle(&world);
	assert_int_equal(rest("dial{"), 1);
	backend_conn_close(connections[0]);
	backend_conn_close(connections[2]);
}

static void
a_backend_that_goes_is_left_out(void **state)
{
	const struct backend *at;

	(void)state;
	pool_walk_begin(world.pool);
	at = world.pool->walk.backend; /* so that the walk stands at the one that goes */
	assert_non_null(at);
	for (size_t i = 0; i < BACKENDS; i++)
		if (backends[i] == at) {
			pool_leave(backends[i]);
			backends[i] = NULL;
		}
	ahead_ms += 120000; /* until it is forgotten */
	TURN_UNTIL(&world, world.pool->walk.backend != at);
	assert_int_equal(rest("backend{"), BACKENDS - 1);
}

static void
what_comes_later_is_left_out(void **state)
{
	struct backend_conn *connection;
	struct dial dial;

	(void)state;
	pool_walk_begin(world.pool);
	connection = waiting_dial(&dial, backends[0]);
	assert_int_equal(rest("dial{"), 0);
	backend_conn_close(connection);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    TEST(it_passes_each_once),
	    TEST(it_stands_at_nothing_that_is_gone),
	    TEST(a_backend_that_goes_is_left_out),
	    TEST(what_comes_later_is_left_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
