/* large_gateway.c - gateways of one worker each, and the store that all of them have. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "jobgate/container_of.h"
#include "large.h"
#include "limits/table.h"
#include "trace.h"

#define GATEWAYS 0x0a020000u  /* 10.2.0.0 */
#define SERVERS 0x0a000300u   /* 10.0.3.0 */
#define SENTINELS 0x0a000320u /* 10.0.3.32 */
#define SERVER_PORT 6379
#define SENTINEL_PORT 26379

static const char *const no_sockets[] = {NULL};
static const unsigned char session_key[32];
static const uint64_t limits_key[2] = {1, 2};

static const char configuration[] =
    "listen: [\"10.2.0.0:80\"]\nworkers: 1\njobs:\n  domain: localhost\n"
    "store:\n  url: redis+sentinel://10.0.3.32,10.0.3.33,10.0.3.34/sim\n"
    "control:\n  socket: /nonexistent/control.sock\nlog:\n  access: \"off\"\n"
    "limits:\n  failed_auth_rate: 0\n";

/* ---- gateways ---- */

static struct config *
load_configuration(void)
{
	int fd = memfd_create("configuration", 0);
	struct config_error error;
	struct config *config;
	char path[40];

	if (fd < 0 || write(fd, configuration, sizeof(configuration) - 1) < 0)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	config = config_load(path, &error);
	if (config == NULL) {
		fprintf(stderr, "sim: configuration, line %zu: %s\n", error.line, error.message);
		exit(2);
	}
	close(fd);
	return config;
}

static void
put_line(void *to, const char *line, size_t len)
{
	const struct large_gateway *gateway = to;

	trace_say(gateway->node.name, "log: %.*s", (int)(len > 0 ? len - 1 : 0), line);
}

static void
run_worker(void *ctx)
{
	struct large_gateway *gateway = ctx;

	gateway->worker = worker_open(&gateway->setup);
	while (gateway->worker != NULL && worker_turn(gateway->worker, true))
		;
	abort(); /* it is never told to stop */
}

static void
init_gateway(struct large *large, unsigned number)
{
	struct large_gateway *gateway = &large->gateways[number];
	struct node *node = &gateway->node;
	const struct place place = {GATEWAYS + number, 80};
	socklen_t len = sizeof(gateway->own);
	struct listener *listener;

	gateway->large = large;
	gateway->number = number;
	gateway->uses.gateway = gateway->stream.gateway = gateway;
	host_init(&gateway->host, "gateway", number, place.address, large->options.seed);
	gateway->host.rules = large->clients.rules;
	place_write(&place, &gateway->own, &len);
	listener = listener_new(&gateway->host, place);
	listener->descriptor.holders = 1;
	snprintf(node->name, sizeof(node->name), "gateway %u", number);
	node->host = &gateway->host;
	node->descriptors_max = NODE_DESCRIPTORS;
	node->call_ns_max = 2 * NS_PER_US;
	random_init(&node->random, large->options.seed, "worker", number);
	random_init(&node->heap.random, large->options.seed, "heap", number);
	gateway->fd = node_install(node, &listener->descriptor);
	gateway->shared = shared_stats_map(1);
	if (gateway->shared == NULL)
		abort();
	counter_set(&gateway->shared->workers[0].sockets, 1);
	gateway->setup = (struct worker_setup){
	    .config = large->config,
	    .listeners = &gateway->fd,
	    .all_listeners = &gateway->fd,
	    .shared = gateway->shared,
	    .own = &gateway->own,
	    .session_key = session_key,
	    .control_secret = "",
	    .store_url = large->config->store.read_url,
	    .primary_url = large->config->store.read_url,
	    .stats = &gateway->shared->workers[0],
	    .limits = large->limits,
	    .owner = 1,
	    .own_sockets = no_sockets,
	    .access_log_fd = -1,
	    .log_runner = &log_threads,
	    .log = {.fd = 2, /* not used: there is put */
		.level = LOG_LEVEL_INFO,
		.process = node->name,
		.put = put_line,
		.to = gateway},
	};
}

void
large_gateways_init(struct large *large)
{
	large->config = load_configuration();
	large->limits = limit_table_new(256, limits_key);
	large->gateways = calloc(large->options.gateways, sizeof(*large->gateways));
	if (large->limits == NULL || large->gateways == NULL)
		abort();
	for (unsigned i = 0; i < large->options.gateways; i++)
		init_gateway(large, i);
}

void
large_gateways_start(struct large *large)
{
	for (unsigned i = 0; i < large->options.gateways; i++)
		node_start(&large->gateways[i].node, run_worker, &large->gateways[i],
		    schedule_now_ns() + random_below(&large->random, 10 * NS_PER_MS));
}

unsigned
large_gateways_ready(const struct large *large)
{
	unsigned ready = 0;

	for (unsigned i = 0; i < large->options.gateways; i++)
		ready += counter_get(&large->gateways[i].shared->workers[0].accepting) != 0;
	return ready;
}

/* ---- the store ---- */

static void
write_token(struct large *large, struct large_token *token)
{
	unsigned char digest[TOKEN_HASH_LEN];
	char key[64], hash[2 * TOKEN_HASH_LEN + 1];

	jg_token_id_make(token->id);
	token->id[TOKEN_ID_LEN] = '\0';
	jg_token_value_make(slice_of(token->id), NULL, token->value);
	jg_token_hash((struct slice){token->value, TOKEN_VALUE_LEN}, digest);
	for (size_t i = 0; i < TOKEN_HASH_LEN; i++)
		snprintf(hash + 2 * i, 3, "%02x", digest[i]);
	snprintf(key, sizeof(key), "jobgate:token:%s", token->id);
	redis_do(large->primary, (const char *[]){"HSET", key, "name", "sim", "role", "read",
				     "selector", "", "version", "1", "hash", hash, NULL});
}

static void
start_server(struct large *large, unsigned i)
{
	struct redis *redis = &large->redis[i];

	host_init(&large->servers[i], "redis", i, SERVERS + i, large->options.seed);
	large->servers[i].rules = large->clients.rules;
	redis->host = &large->servers[i];
	random_init(&redis->random, large->options.seed, "redis", i);
	redis_start(redis, SERVER_PORT);
	redis->link.lag_ns = NS_PER_MS;
}

static void
start_sentinel(struct large *large, unsigned i)
{
	struct redis *redis = &large->sentinels[i];

	host_init(&large->sentinel_hosts[i], "sentinel", i, SENTINELS + i, large->options.seed);
	large->sentinel_hosts[i].rules = large->clients.rules;
	redis->host = &large->sentinel_hosts[i];
	redis->names = (struct place){SERVERS, SERVER_PORT};
	random_init(&redis->random, large->options.seed, "sentinel", i);
	redis_start(redis, SENTINEL_PORT);
}

void
large_store_start(struct large *large)
{
	for (unsigned i = 0; i < 2; i++)
		start_server(large, i);
	for (unsigned i = 0; i < LARGE_SENTINELS; i++)
		start_sentinel(large, i);
	large->primary = &large->redis[0];
	large->token_count = large->options.tokens + large->options.revocations + 2;
	large->tokens = calloc(large->token_count, sizeof(*large->tokens));
	if (large->tokens == NULL)
		abort();
	for (unsigned i = 0; i < large->token_count; i++)
		write_token(large, &large->tokens[i]);
	redis_do(large->primary,
	    (const char *[]){"HSET", "jobgate:job:" LARGE_JOB, "url", LARGE_JOB_URL, NULL});
	redis_follow(&large->redis[1], &large->redis[0]);
	for (unsigned i = 0; i < 2; i++)
		redis_thread_start(&large->threads[i], &large->redis[i], &large->options.costs);
}

void
large_store_fail_over(struct large *large)
{
	redis_promote(&large->redis[1]);
	large->primary = &large->redis[1];
	for (unsigned i = 0; i < LARGE_SENTINELS; i++)
		large->sentinels[i].names = (struct place){SERVERS + 1, SERVER_PORT};
}
