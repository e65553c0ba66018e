/* compare_redis.c - sends each command to both servers; both must answer the same. */
#include "compare_redis.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "auth/redis/record_script.h"
#include "auth/redis/reply_scan.h"
#include "compare_state.h"

/* ---- one server or the other ---- */

/* Bytes of one of the two; waits until some come. */
static size_t
receive(struct pair *pair, bool real, char *into, size_t cap)
{
	struct iovec piece = {into, cap};
	ssize_t n;

	if (real) {
		n = read(pair->fd, into, cap);
	} else {
		while ((n = end_receive(pair->end, &piece, 1, false)) < 0)
			if (!schedule_step(UINT64_MAX))
				break;
	}
	if (n > 0)
		return (size_t)n;
	fprintf(stderr, "sim: the %s does not answer\n", real ? "redis-server" : "model");
	exit(2);
}

/* One whole reply, or push. What comes behind it waits in rest. */
static void
read_reply(struct pair *pair, bool real, struct bytes *rest, struct bytes *reply)
{
	struct reply_scan scan = {0};
	enum reply_scan_state state = REPLY_UNFINISHED;
	char bytes[4096];

	reply->len = reply->from = 0;
	while (state == REPLY_UNFINISHED) {
		size_t taken;

		if (rest->len == 0)
			bytes_append(rest, bytes, receive(pair, real, bytes, sizeof(bytes)));
		taken = reply_scan(&scan, bytes_first(rest), rest->len, &state);
		bytes_append(reply, bytes_first(rest), taken);
		bytes_drop(rest, taken);
	}
	bytes_append(reply, "", 1);
}

static void
format(struct bytes *out, const char *const *words)
{
	size_t count = 0;

	while (words[count] != NULL)
		count++;
	bytes_print(out, "*%zu\r\n", count);
	for (size_t i = 0; i < count; i++) {
		bytes_print(out, "$%zu\r\n", strlen(words[i]));
		bytes_append(out, words[i], strlen(words[i]));
		bytes_append(out, "\r\n", 2);
	}
}

static void
transmit(struct pair *pair, bool real, const char *const *words)
{
	struct bytes text = {0};
	struct iovec piece;

	format(&text, words);
	piece = (struct iovec){(char *)bytes_first(&text), text.len};
	if (real ? write(pair->fd, piece.iov_base, text.len) != (ssize_t)text.len
		 : end_send(pair->end, &piece, 1, NULL) != (long)text.len)
		abort();
	bytes_free(&text);
}

/* ---- comparing ---- */

static void
differ(struct comparison *comparison, const char *const *words, const char *real, const char *model)
{
	comparison->differences++;
	printf("DIFFERS:");
	for (; *words != NULL; words++)
		printf(" %.40s", *words);
	printf("\n  redis-server: %s\n  model:        %s\n", real, model);
}

/* The same bytes in some order. */
static bool
has_same_bytes(const char *real, const char *model)
{
	int counts[256] = {0};

	for (; *real != '\0'; real++)
		counts[(unsigned char)*real]++;
	for (; *model != '\0'; model++)
		counts[(unsigned char)*model]--;
	for (size_t i = 0; i < 256; i++)
		if (counts[i] != 0)
			return false;
	return true;
}

static bool
is_same_text(const struct comparison *comparison, const char *real, const char *model)
{
	return comparison->unordered ? has_same_bytes(real, model) : strcmp(real, model) == 0;
}

/* A number may differ by the time that passes for real. */
static bool
is_same(const struct comparison *comparison, const char *real, const char *model)
{
	long long real_number = strtoll(real + (real[0] == ':'), NULL, 10);
	long long model_number = strtoll(model + (model[0] == ':'), NULL, 10);

	if (real[0] == ':' && real_number > 1000 && model_number > 1000)
		return llabs(real_number - model_number) < 60000;
	return is_same_text(comparison, real, model);
}

/* All that is pushed up to now: PONG comes behind it. */
static void
read_pushes(struct pair *pair, bool real, struct bytes *out)
{
	struct bytes rest = {0}, reply = {0};

	out->len = out->from = 0;
	transmit(pair, real, (const char *[]){"PING", NULL});
	do {
		read_reply(pair, real, &rest, &reply);
		bytes_append(out, bytes_first(&reply), reply.len - 1);
	} while (strcasestr(bytes_first(&reply), "pong") == NULL);
	bytes_append(out, "", 1);
	bytes_free(&rest);
	bytes_free(&reply);
}

static void
compare_pushes(struct comparison *comparison, unsigned told, const char *const *words)
{
	struct bytes pushes[2] = {{0}, {0}};

	if (comparison->pairs[told].end == NULL)
		return;
	for (int real = 0; real < 2; real++)
		read_pushes(&comparison->pairs[told], real, &pushes[real]);
	if (!is_same_text(comparison, bytes_first(&pushes[1]), bytes_first(&pushes[0])))
		differ(comparison, words, bytes_first(&pushes[1]), bytes_first(&pushes[0]));
	bytes_free(&pushes[0]);
	bytes_free(&pushes[1]);
}

void
compare_ask(struct pair *pair, bool real, const char *const *words, struct bytes *reply)
{
	struct bytes rest = {0};

	transmit(pair, real, words);
	read_reply(pair, real, &rest, reply);
	bytes_free(&rest);
}

void
compare_before(
    struct comparison *comparison, unsigned which, const char *const *words, const char *end)
{
	struct bytes replies[2] = {{0}, {0}};

	for (int real = 0; real < 2; real++) {
		char *cut;

		compare_ask(&comparison->pairs[which], real, words, &replies[real]);
		cut = end != NULL ? strstr(bytes_first(&replies[real]), end) : NULL;
		if (cut != NULL)
			*cut = '\0';
	}
	if (!is_same(comparison, bytes_first(&replies[1]), bytes_first(&replies[0])))
		differ(comparison, words, bytes_first(&replies[1]), bytes_first(&replies[0]));
	bytes_free(&replies[0]);
	bytes_free(&replies[1]);
	compare_pushes(comparison, which >= REPLICA_PUSHED ? REPLICA_PUSHED : PUSHED, words);
}

void
compare(struct comparison *comparison, unsigned which, const char *const *words)
{
	compare_before(comparison, which, words, NULL);
}

/* ---- commands ---- */

const char *
compare_draw(struct random *random, const char *const *words, size_t count)
{
	return words[random_below(random, count)];
}

/* A key is left to end, on both clocks. */
static void
let_end(struct comparison *comparison, unsigned which, const char *key)
{
	const struct timespec nap = {0, 3 * NS_PER_MS};
	uint64_t until_ns;

	compare(comparison, which, (const char *[]){"PEXPIRE", key, "1", NULL});
	nanosleep(&nap, NULL);
	until_ns = schedule_now_ns() + 3 * NS_PER_MS;
	while (schedule_step(until_ns))
		;
	schedule_pass(until_ns);
	compare(comparison, which, (const char *[]){"EXISTS", key, NULL});
}

/* ---- one step ---- */

void
compare_step(struct comparison *comparison)
{
	static const char *const keys[] = {"a", "b", "c", "d"};
	static const char *const fields[] = {"url", "label:team", "x"};
	static const char *const values[] = {"", "1", "some text"};
	static const char *const times[] = {"100000", "500000", "0", "-5"};
	struct random *random = &comparison->random;
	unsigned which = (unsigned)random_between(random, FIRST, LAST);
	const char *key = compare_draw(random, keys, 4), *other = compare_draw(random, keys, 4);
	const char *field = compare_draw(random, fields, 3),
		   *value = compare_draw(random, values, 3);
	const char *const commands[][8] = {
	    {"GET", key},
	    {"MGET", key, other},
	    {"EXISTS", key, other},
	    {"HGETALL", key},
	    {"HGETALL", key},
	    {"SRANDMEMBER", key, "10001"},
	    {"PTTL", key},
	    {"EVAL_RO", RECORD_SCRIPT_GET, "1", key},
	    {"SET", key, value},
	    {"HSET", key, field, value},
	    {"HSET", key, "url", value, "x", value},
	    {"HDEL", key, field},
	    {"DEL", key, other},
	    {"PEXPIRE", key, compare_draw(random, times, 4)},
	    {"PERSIST", key},
	    {"PING"},
	};
	const size_t count = sizeof(commands) / sizeof(commands[0]);
	size_t choice = (size_t)random_below(random, count + 12);

	if (choice > count + 3)
		compare_scripts(comparison, which, PLAIN);
	else if (choice > count)
		compare_family(comparison, which);
	else if (choice < count)
		compare(comparison, which, commands[choice]);
	else if (random_chance(random, 300))
		compare(comparison, which, (const char *[]){"FLUSHALL", NULL});
	else
		let_end(comparison, which, key);
}

/* ---- beginning ---- */

static int64_t
ask_id(struct pair *pair, bool real)
{
	struct bytes reply = {0};
	int64_t id;

	compare_ask(pair, real, (const char *[]){"CLIENT", "ID", NULL}, &reply);
	id = strtoll(bytes_first(&reply) + 1, NULL, 10);
	bytes_free(&reply);
	return id;
}

/* Each side has its own number for the connection that is told. */
void
compare_track(struct comparison *comparison, unsigned which, unsigned told)
{
	compare(comparison, told, (const char *[]){"SUBSCRIBE", "__redis__:invalidate", NULL});
	for (int real = 0; real < 2; real++) {
		struct bytes reply = {0};
		char id[24];

		snprintf(id, sizeof(id), "%lld", (long long)comparison->pairs[told].ids[real]);
		compare_ask(&comparison->pairs[which], real,
		    (const char *[]){"CLIENT", "TRACKING", "ON", "REDIRECT", id, NULL}, &reply);
		if (strcmp(bytes_first(&reply), "+OK\r\n") != 0)
			comparison->differences++;
		bytes_free(&reply);
	}
}

static int
connect_real(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		perror(path);
		exit(2);
	}
	return fd;
}

void
compare_connect(struct comparison *comparison, unsigned which, const char *path, struct place place)
{
	struct pair *pair = &comparison->pairs[which];

	pair->fd = connect_real(path);
	pair->end = end_connect(&comparison->client_host, place);
	while (pair->end->state == END_CONNECTING && schedule_step(UINT64_MAX))
		;
	for (int real = 0; real < 2; real++)
		pair->ids[real] = ask_id(pair, real);
}

static void
open_all(struct comparison *comparison, const char *path)
{
	const struct place place = {0x0a000300u, 6379};

	host_init(&comparison->client_host, "client", 0, 0x0a010000u, 1);
	host_init(&comparison->server_host, "redis", 0, place.address, 1);
	comparison->redis.host = &comparison->server_host;
	redis_start(&comparison->redis, place.port);
	for (unsigned i = PUSHED; i <= PLAIN; i++)
		compare_connect(comparison, i, path, place);
	compare(comparison, FIRST, (const char *[]){"FLUSHALL", NULL});
	for (unsigned i = FIRST; i <= LAST; i++)
		compare_track(comparison, i, PUSHED);
}

int
compare_redis(const char *path, const char *replica, uint64_t seed, unsigned commands)
{
	static struct comparison comparison;

	random_init(&comparison.random, seed, "compare", 0);
	random_init(&comparison.redis.random, seed, "redis", 0);
	open_all(&comparison, path);
	for (unsigned i = 0; i < commands; i++)
		compare_step(&comparison);
	if (replica != NULL)
		compare_replica(&comparison, replica, commands / 10);
	printf("%u random commands (seed %llu), %u differences from redis-server\n",
	    commands + (replica != NULL ? commands / 10 : 0), (unsigned long long)seed,
	    comparison.differences);
	return comparison.differences > 0;
}
