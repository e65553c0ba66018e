/*
 * exchange_world.h - the environment of an exchange: a loop whose clock the test moves, a directory
 * with a fake store, a pool of fake upstreams, and requests whose memory is freed after they were
 * handed over.
 */
#ifndef JOBGATE_TEST_EXCHANGE_WORLD_H
#define JOBGATE_TEST_EXCHANGE_WORLD_H

#include "../auth/directory_fake.h"
#include "exchange/exchange_state.h"
#include "fake_client.h"
#include "fake_clock.h"
#include "fake_upstream.h"
#include "http/names.h"

#define LOOKUP_MS 2000
#define CONNECT_MS 3000
#define FIRST_BYTE_MS 10000
#define ANSWER_MS 5000
#define TUNNEL_MS 20000
#define BODY_MS 6000

#define TOKEN_ID "abcdefghij012345"
#define JOB "demo"

struct world {
	struct exchange_context *context;
	struct fake store;
	struct log log;
	struct log_losses losses;
	struct fake_client client;
	struct exchange_peer peer;
	struct exchange *exchange;	   /* of the last `ask`; not to be used once it has ended */
	char token[TOKEN_VALUE_LEN];	   /* a value of the token's version 1 */
	char bearer[TOKEN_VALUE_LEN + 32]; /* "Authorization: Bearer <token>\n" */
};

static const char *const world_upgrades[] = {"websocket", "other", NULL};
static const unsigned char world_session_key[32] = {1, 2, 3};

static inline uint64_t
world_now(const struct world *world)
{
	return loop_now_ms(world->context->loop);
}

static inline void
world_open(struct world *world)
{
	struct exchange_context *context = NULL;
	struct exchange_options *options;

	assert_int_equal(posix_memalign((void **)&context, 64, sizeof(*context)), 0);
	memset(context, 0, sizeof(*context));
	*world = (struct world){.context = context, .log = {.fd = -1}};
	fake_pool = (struct fake_pool){0};
	fake_init(&world->store, 1000);
	options = &context->options;
	options->jobs.domain = "jobs.test";
	options->forwarding.realm = "test";
	options->forwarding.upgrades = (const char **)world_upgrades;
	options->timeouts.lookup = LOOKUP_MS;
	options->timeouts.connect = CONNECT_MS;
	options->timeouts.first_byte = FIRST_BYTE_MS;
	options->timeouts.answer = ANSWER_MS;
	options->timeouts.tunnel = TUNNEL_MS;
	options->timeouts.body = BODY_MS;
	options->session_ms = 3600000;
	context->loop = loop_new();
	context->buffers = context->kept_contents.buffers = buffer_pool_new();
	context->directory = world->store.directory;
	context->exchanges.size = exchange_size();
	context->tell_task.run = exchange_tell_more;
	context->local_room = scratch_new(LOCAL_ROOM);
	context->log = &world->log;
	assert_int_equal(posix_memalign((void **)&context->stats, 64, sizeof(*context->stats)), 0);
	memset(context->stats, 0, sizeof(*context->stats));
	context->access_log = access_log_new("off", -1, &log_threads, &world->losses, &world->log);
	assert_true(context->loop != NULL && context->buffers != NULL &&
		    context->local_room != NULL && context->access_log != NULL &&
		    request_ids_init(&context->ids));
	fake_up(&world->store, world_now(world));
	jg_directory_set_mint(world->store.directory, MINT_NONE, NULL);
	assert_true(jg_token_value_make(SLICE(TOKEN_ID), NULL, world->token));
	snprintf(world->bearer, sizeof(world->bearer), "Authorization: Bearer %.*s\n",
	    TOKEN_VALUE_LEN, world->token);
}

static inline void
world_turn(const struct world *world)
{
	loop_turn(world->context->loop, false);
}

/* Each exchange has ended by now, and has given back all that it held. */
static inline void
world_close(struct world *world)
{
	struct exchange_context *context = world->context;

	if (world->exchange != NULL && world->client.ends == 0)
		exchange_shutdown(world->exchange);
	world_turn(world);
	assert_int_equal(fake_pool.entered, 0);
	for (unsigned i = 0; i < fake_pool.acquires && i < FAKE_ACQUIRES_MAX; i++)
		assert_in_range(fake_pool.given[i].released + fake_pool.given[i].cancelled, 0, 1);
	assert_int_equal(stats_of(&world->store).watched, 0);
	slab_clear(&context->exchanges);
	scratch_free(context->local_room, LOCAL_ROOM);
	access_log_free(context->access_log);
	loop_free(context->loop);
	buffer_pool_free(context->buffers); /* asserts that each block was given back */
	jg_directory_free(world->store.directory);
	free(context->stats);
	free(context);
}

static inline void
world_pass(const struct world *world, uint64_t ms)
{
	fake_clock_pass(world->context->loop, ms);
}

/* ---- requests ---- */

struct question {
	const char *method, *authority, *path, *query;
	const char *fields; /* "Name: value\n" each */
	enum content content;
	uint64_t length;
	const char *upgrade;
	bool expects; /* 100 */
	bool http2;
};

/* Copy a text to the end of what is in `text`. */
static inline struct slice
world_put(char *text, size_t *used, const char *from, size_t len)
{
	struct slice copy = {text + *used, len};

	memcpy(text + *used, from, len);
	*used += len;
	return copy;
}

/* The request of a question, with all its text in `text`. */
static inline struct request
world_request(const struct question *question, char *text, struct field *items)
{
	struct request request = {.content = question->content,
	    .length = question->length,
	    .expect_continue = question->expects,
	    .version = question->http2 ? HTTP_2 : HTTP_1_1};
	const char *at = question->fields != NULL ? question->fields : "";
	size_t used = 0;

	request.method = world_put(text, &used, question->method, strlen(question->method));
	request.method_id = slice_equal(request.method, SLICE("GET"))	    ? METHOD_GET
			    : slice_equal(request.method, SLICE("HEAD"))    ? METHOD_HEAD
			    : slice_equal(request.method, SLICE("POST"))    ? METHOD_POST
			    : slice_equal(request.method, SLICE("OPTIONS")) ? METHOD_OPTIONS
			    : slice_equal(request.method, SLICE("TRACE"))   ? METHOD_TRACE
			    : slice_equal(request.method, SLICE("CONNECT")) ? METHOD_CONNECT
									    : METHOD_OTHER;
	request.authority =
	    world_put(text, &used, question->authority, strlen(question->authority));
	request.path = world_put(text, &used, question->path, strlen(question->path));
	if (question->query != NULL)
		request.query = world_put(text, &used, question->query, strlen(question->query));
	if (question->upgrade != NULL)
		request.upgrade =
		    world_put(text, &used, question->upgrade, strlen(question->upgrade));
	request.fields.items = items;
	for (const char *end; *at != '\0'; at = end + 1) {
		struct field *field = &items[request.fields.count++];
		const char *colon = strchr(at, ':');

		end = strchr(at, '\n');
		*field = (struct field){.name = world_put(text, &used, at, (size_t)(colon - at)),
		    .value = world_put(text, &used, colon + 2, (size_t)(end - colon - 2))};
		field->id = field_identify(field->name);
	}
	return request;
}

/* A client sends a request; once it has been handed over, nothing of it is left in memory. */
static inline void
world_ask(struct world *world, const struct question *question)
{
	size_t len = 4096 + (question->fields != NULL ? strlen(question->fields) : 0);
	char *text = malloc(len);
	struct field *items = calloc(HEAD_FIELDS_MAX, sizeof(*items));
	struct request *request = malloc(sizeof(*request));

	assert_true(text != NULL && items != NULL && request != NULL);
	*request = world_request(question, text, items);
	world->client = (struct fake_client){
	    .client.ops = &fake_client_ops, .room = sizeof(world->client.body)};
	loop_read_ms(world->context->loop);
	world->exchange = exchange_new(world->context, &world->client.client, &world->peer);
	assert_non_null(world->exchange);
	exchange_authorize(world->exchange, request);
	free(request);
	free(items);
	free(text);
}

/* GET /path at the job's own host, with the token. */
static inline void
world_get(struct world *world)
{
	const struct question question = {.method = "GET",
	    .authority = JOB ".jobs.test",
	    .path = "/path",
	    .query = "?q",
	    .fields = world->bearer};

	world_ask(world, &question);
}

/* ---- the store ---- */

/* A record of the token with this value; selector NULL: unscoped. */
static inline struct record *
token_record(const char value[TOKEN_VALUE_LEN], uint64_t version, const struct label_set *selector)
{
	struct record *record = calloc(1, sizeof(*record));

	assert_non_null(record);
	record->kind = RECORD_TOKEN;
	record->token = (struct token){
	    .id = SLICE(TOKEN_ID), .name = SLICE("name"), .role = ROLE_READ, .version = version};
	if (selector != NULL)
		record->token.selector = *selector;
	assert_true(jg_token_hash((struct slice){value, TOKEN_VALUE_LEN}, record->token.hash));
	return record;
}

/* A record of a job at this port of 192.0.2.1; port 0: it has no URL yet. */
static inline struct record *
job_record(uint16_t port, const struct label_set *labels)
{
	struct record *record = calloc(1, sizeof(*record));

	assert_non_null(record);
	record->kind = RECORD_JOB;
	record->job.id = SLICE(JOB);
	if (port > 0)
		record->job.url = (struct job_url){
		    .scheme = JOB_URL_HTTP, .host = SLICE("192.0.2.1"), .port = port, .hash = port};
	if (labels != NULL)
		record->job.labels = *labels;
	return record;
}

/* The reply to the oldest read of this kind; record is for FEED_RECORD. */
static inline void
world_feed(struct world *world, enum record_kind kind, enum feed feed, struct record *record)
{
	struct fake *store = &world->store;
	struct directory_entry *entry;
	size_t i = store->first;

	while (i < store->count && store->kinds[i] != kind)
		i++;
	assert_true(i < store->count); /* such a read is under way */
	entry = store->asked[i];
	for (; i > store->first; i--) {
		store->asked[i] = store->asked[i - 1];
		store->kinds[i] = store->kinds[i - 1];
	}
	store->first++;
	jg_directory_feed(store->directory, entry, feed, record, world_now(world));
}

/* The same: a record, or NULL where there is none. */
static inline void
world_reply(struct world *world, enum record_kind kind, struct record *record)
{
	world_feed(world, kind, record != NULL ? FEED_RECORD : FEED_ABSENT, record);
}

/* How many reads of this kind are under way. */
static inline size_t
world_reads(const struct world *world, enum record_kind kind)
{
	size_t n = 0;

	for (size_t i = world->store.first; i < world->store.count; i++)
		n += world->store.kinds[i] == kind;
	return n;
}

/* The store tells of a change. */
static inline void
world_change(struct world *world, enum record_kind kind)
{
	jg_directory_invalidate(world->store.directory, kind,
	    kind == RECORD_TOKEN ? SLICE(TOKEN_ID) : SLICE(JOB), world_now(world));
}

/* Have both records in the cache: the token, and the job at port 8000. */
static inline void
world_know(struct world *world)
{
	struct fake *store = &world->store;

	jg_directory_lookup(
	    store->directory, RECORD_TOKEN, SLICE(TOKEN_ID), world_now(world), NULL);
	jg_directory_lookup(store->directory, RECORD_JOB, SLICE(JOB), world_now(world), NULL);
	world_reply(world, RECORD_TOKEN, token_record(world->token, 1, NULL));
	world_reply(world, RECORD_JOB, job_record(8000, NULL));
}

/* ---- what came of it ---- */

/* The exchange waits for the store: nothing was said, and no backend was asked for. */
#define ASSERT_WAITS(world)                                   \
	do {                                                  \
		world_turn(world);                            \
		assert_int_equal((world)->client.answers, 0); \
		assert_int_equal((world)->client.ends, 0);    \
		assert_int_equal(fake_pool.acquires, 0);      \
		assert_int_equal(fake_pool.entered, 0);       \
	} while (0)

/* It ended with an answer of the gateway's own, and no backend has heard of it. */
#define ASSERT_REFUSED(world, expected)                               \
	do {                                                          \
		world_turn(world);                                    \
		assert_int_equal((world)->client.status, (expected)); \
		assert_int_equal((world)->client.answers, 1);         \
		assert_int_equal((world)->client.ends, 1);            \
		assert_int_equal((world)->client.end, END_COMPLETE);  \
		assert_int_equal(fake_pool.acquires, 0);              \
		assert_int_equal(fake_pool.entered, 0);               \
	} while (0)

/* It is allowed: the request has gone to the backend, once, with this head. */
#define ASSERT_SENT(world, expected)                                      \
	do {                                                              \
		world_turn(world);                                        \
		assert_int_equal((world)->client.answers, 0);             \
		assert_int_equal((world)->client.ends, 0);                \
		assert_int_equal(fake_pool.acquires, 1);                  \
		assert_int_equal(fake_pool.given[0].begun, 1);            \
		assert_string_equal(fake_pool.given[0].head, (expected)); \
	} while (0)

#endif
