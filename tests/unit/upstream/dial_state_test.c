/* dial_state_test.c - the states of dials, HTTP/1 clients and circuits, and their dumps. */
#include "pool_world.h"

#include "check_catch.h"
#include "fake_user.h"

static struct pool_world world;
static struct backend *backend;
static struct fake_user user;

static int
set_up(void **state)
{
	static const struct job_url target = {
	    .scheme = JOB_URL_HTTP, .host = SLICE("127.0.0.1"), .port = 80};

	(void)state;
	world_open(&world);
	user = FAKE_USER;
	backend = pool_enter(world.pool, &target, BACKEND_OF_RECORD);
	assert_non_null(backend);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	pool_leave(backend);
	world_close(&world);
	return 0;
}

static struct dial
dial_of_user(void)
{
	return (struct dial){.upstream.user = &user.user, .pool = world.pool, .backend = backend};
}

/* Each list has the dials of its state alone. */
static void
expect_lists(const struct dial *dial)
{
	assert_ptr_equal(TAILQ_FIRST(&backend->queued), dial->state == DIAL_QUEUED ? dial : NULL);
	assert_ptr_equal(TAILQ_FIRST(&backend->waiting), dial->state == DIAL_WAITING ? dial : NULL);
	assert_ptr_equal(
	    TAILQ_FIRST(&backend->resolving), dial->state == DIAL_RESOLVING ? dial : NULL);
	assert_ptr_equal(
	    TAILQ_FIRST(&world.pool->failed), dial->state == DIAL_FAILED ? dial : NULL);
}

static void
a_dial_moves_between_the_lists_of_its_states(void **state)
{
	static const enum dial_state way[] = {DIAL_WAITING, DIAL_QUEUED, DIAL_CONNECTING,
	    DIAL_RESOLVING, DIAL_CONNECTING, DIAL_TLS_HANDSHAKE, DIAL_CONNECTING, DIAL_QUEUED,
	    DIAL_FAILED, DIAL_CLOSED};
	struct dial dial = dial_of_user();

	(void)state;
	for (size_t i = 0; i < sizeof(way) / sizeof(way[0]); i++) {
		dial_set_state(&dial, way[i]);
		assert_int_equal(dial.state, way[i]);
		expect_lists(&dial);
	}
}

/* Two dials wait in order; the one that dialled for all comes first again. */
static void
the_dialler_is_the_first_of_those_that_wait(void **state)
{
	struct dial first = dial_of_user(), second = dial_of_user();

	(void)state;
	dial_set_state(&first, DIAL_QUEUED);
	dial_set_state(&second, DIAL_QUEUED);
	assert_ptr_equal(TAILQ_FIRST(&backend->queued), &first);
	backend->dialler = &first;
	dial_set_state(&first, DIAL_CONNECTING);
	dial_set_state(&first, DIAL_QUEUED);
	assert_ptr_equal(TAILQ_FIRST(&backend->queued), &first);
	backend->dialler = NULL;
	dial_set_state(&first, DIAL_CONNECTING);
	dial_set_state(&first, DIAL_QUEUED);
	assert_ptr_equal(TAILQ_FIRST(&backend->queued), &second);
	dial_set_state(&first, DIAL_CLOSED);
	dial_set_state(&second, DIAL_CLOSED);
	expect_lists(&first);
}

static void
try_bad_step(enum dial_state from, enum dial_state to)
{
	struct dial dial = dial_of_user();

	dial.state = from;
	assert_check_fails(dial_set_state(&dial, to), "state_allows");
	assert_int_equal(dial.state, from);
}

static void
other_steps_of_a_dial_fail_a_check(void **state)
{
	(void)state;
	try_bad_step(DIAL_NEW, DIAL_RESOLVING);
	try_bad_step(DIAL_NEW, DIAL_TLS_HANDSHAKE);
	try_bad_step(DIAL_TLS_HANDSHAKE, DIAL_QUEUED);
	try_bad_step(DIAL_FAILED, DIAL_CONNECTING);
	try_bad_step(DIAL_CLOSED, DIAL_CONNECTING);
	try_bad_step(DIAL_CLOSED, DIAL_CLOSED);
}

static void
step_client(struct http1_client *client, unsigned to)
{
	client->upstream.user = to <= HTTP1_CLIENT_RELAYING ? &user.user : NULL;
	http1_client_set_state(client, to);
}

static void
steps_of_a_client(void **state)
{
	static const unsigned steps[][2] = {{HTTP1_CLIENT_WAITING, HTTP1_CLIENT_RELAYING},
	    {HTTP1_CLIENT_WAITING, HTTP1_CLIENT_CLOSED}, {HTTP1_CLIENT_RELAYING, HTTP1_CLIENT_IDLE},
	    {HTTP1_CLIENT_RELAYING, HTTP1_CLIENT_CLOSED}, {HTTP1_CLIENT_IDLE, HTTP1_CLIENT_WAITING},
	    {HTTP1_CLIENT_IDLE, HTTP1_CLIENT_CLOSED}};
	static struct http1_client client;

	(void)state;
	client.connection = (struct backend_conn){.conn.fd = -1, .backend = backend};
	TRY_STATES(steps, HTTP1_CLIENT_CLOSED, client.state, step_client(&client, to));
}

static void
a_client_that_is_kept_has_no_user(void **state)
{
	struct http1_client client = {.connection = {.conn.fd = -1, .backend = backend},
	    .upstream.user = &user.user,
	    .state = HTTP1_CLIENT_RELAYING};

	(void)state;
	assert_check_fails(http1_client_set_state(&client, HTTP1_CLIENT_IDLE), "user");
}

static void
dumps(void **state)
{
	struct dial dial = dial_of_user();
	struct http1_client client = {.upstream.user = &user.user,
	    .connection = {.conn.fd = -1, .backend = backend, .pool = world.pool}};
	char text[DUMP_TEXT_MAX];
	struct dump dump;

	(void)state;
	dial.connect_by_ms = loop_now_ms(world.loop) + 30;
	jg_dump_init(&dump, text, sizeof(text));
	dial_dump(&dial, &dump);
	assert_string_equal(text,
	    "dial{state=new connect_by_ms=30 tried=0 failure=0 user "
	    "backend{name=\"127.0.0.1\" port=80 source=record users=1 connections=0 idle=0 "
	    "queued=0 resolving=0 "
	    "waiting=0 addresses=1 circuit{state=closed failures=0 pause_ms=0}}}");
	jg_dump_init(&dump, text, sizeof(text));
	http1_client_dump(&client, &dump);
	assert_non_null(strstr(text, "http1_client{state=waiting in=0 out=0 sent=0 interims=0 user "
				     "backend_conn{address=0 conn{closed} backend{"));
	assert_int_equal(dump.depth, 0);
	jg_dump_init(&dump, text, sizeof(text));
	pool_dump(world.pool, &dump);
	assert_string_equal(text, "pool{connections=0 parallel=0 most=16 windows=0 idle_blocks=0}");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    TEST(a_dial_moves_between_the_lists_of_its_states),
	    TEST(the_dialler_is_the_first_of_those_that_wait),
	    TEST(other_steps_of_a_dial_fail_a_check),
	    TEST(steps_of_a_client),
	    TEST(a_client_that_is_kept_has_no_user),
	    TEST(dumps),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
