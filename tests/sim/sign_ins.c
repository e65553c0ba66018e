/* sign_ins.c - takes the calls of workers and changes the store, as auth/control/sign_ins.c does.
 */
#include "sign_ins.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jobgate/container_of.h"
#include "jobgate/control_fields.h"
#include "message.h"
#include "records_state.h"
#include "trace.h"
#include "world.h"

#define ADDRESS 0x0a000402u
#define BODY_MAX 600

/* A connection of a worker: one call after the other. */
struct clerk {
	struct sign_ins *sign_ins;
	struct end *end;
	struct message message;
	enum message_part was;
	char body[BODY_MAX + 1];
	size_t body_len;
	struct bytes out;
	struct alarm act; /* the answer */
};

/* ---- the store ---- */

static struct redis_key *
find(struct redis *redis, const char *kind, const char *id)
{
	char name[128];
	struct redis_key *key;

	snprintf(name, sizeof(name), "jobgate:%s:%s", kind, id);
	key = redis_keys_find(&redis->keys, name);
	return key != NULL && !records_key_has_ended(key) ? key : NULL;
}

static void
run(struct redis *redis, const char *command, const char *kind, const char *id, const char *value)
{
	char name[128];

	snprintf(name, sizeof(name), "jobgate:%s:%s", kind, id);
	redis_do(redis, (const char *[]){command, name, value, NULL});
}

static struct sim_sign_in *
sign_in_of(struct sign_ins *sign_ins, const char *id)
{
	for (unsigned i = sign_ins->count; i > 0; i--)
		if (strcmp(sign_ins->all[i - 1].id, id) == 0)
			return &sign_ins->all[i - 1];
	return NULL;
}

static void
end_sign_in(struct sign_ins *sign_ins, struct redis *redis, const char *id)
{
	struct sim_sign_in *sign_in = sign_in_of(sign_ins, id);

	run(redis, "DEL", "signin", id, NULL);
	if (sign_in != NULL && sign_in->ended_ns > schedule_now_ns())
		sign_in->ended_ns = schedule_now_ns();
}

/* ---- calls ---- */

/* The text of a member of the body; "": it has none. */
static void
member(const struct clerk *clerk, const char *name, char out[72])
{
	char wanted[24];
	const char *at;

	snprintf(wanted, sizeof(wanted), "\"%s\":\"", name);
	at = strstr(clerk->body, wanted);
	snprintf(out, 72, "%.*s", at != NULL ? (int)strcspn(at + strlen(wanted), "\"") : 0,
	    at != NULL ? at + strlen(wanted) : "");
}

static void
note_code(struct sign_ins *sign_ins, struct redis *redis, const char *digest, const char *id)
{
	struct sim_sign_in *sign_in = sign_in_of(sign_ins, id);
	struct sim_code *code = &sign_ins->codes[sign_ins->code_count];

	run(redis, "SET", "code", digest, id);
	run(redis, "PEXPIRE", "code", digest, "30000");
	if (sign_in == NULL || sign_ins->code_count + 1 == SIGN_INS_MAX)
		return;
	sign_ins->code_count++;
	*code = (struct sim_code){
	    .sign_in = (unsigned)(sign_in - sign_ins->all), .made_ns = schedule_now_ns()};
	snprintf(code->digest, sizeof(code->digest), "%s", digest);
}

static unsigned
make(struct clerk *clerk, struct redis *redis, const char *id, const char *digest)
{
	struct sign_ins *sign_ins = clerk->sign_ins;
	char key[64], token[72], version[72], mark[72], seconds[72], replaces[72];

	if (find(redis, "signin", id) != NULL || find(redis, "code", digest) != NULL)
		return 409;
	if (sign_ins->count + 1 == SIGN_INS_MAX)
		return 429;
	member(clerk, "token", token);
	member(clerk, "version", version);
	member(clerk, "mark", mark);
	member(clerk, "seconds", seconds);
	member(clerk, "replaces", replaces);
	snprintf(key, sizeof(key), "jobgate:signin:%.*s", SIGN_IN_TEXT_LEN, id);
	redis_do(redis,
	    (const char *[]){"HSET", key, "token", token, "version", version, "mark", mark, NULL});
	run(redis, "EXPIRE", "signin", id, seconds);
	snprintf(sign_ins->all[sign_ins->count].id, sizeof(sign_ins->all[0].id), "%.*s",
	    SIGN_IN_TEXT_LEN, id);
	sign_ins->all[sign_ins->count].made_ns = schedule_now_ns();
	sign_ins->all[sign_ins->count].ended_ns =
	    schedule_now_ns() + strtoull(seconds, NULL, 10) * NS_PER_S;
	sign_ins->count++;
	note_code(sign_ins, redis, digest, id);
	if (replaces[0] != '\0')
		end_sign_in(sign_ins, redis, replaces);
	return 204;
}

static unsigned
take(struct redis *redis, const char *id, const char *digest)
{
	struct redis_key *code = find(redis, "code", digest);
	bool fits = code != NULL && strcmp(code->text, id) == 0;

	if (code != NULL)
		run(redis, "DEL", "code", digest, NULL);
	if (code == NULL || find(redis, "signin", id) == NULL)
		return 404;
	return fits ? 204 : 409;
}

/* What a call comes to at the store. */
static unsigned
carry_out(struct clerk *clerk)
{
	const struct message *message = &clerk->message;
	struct redis *redis = store_primary(&clerk->sign_ins->world->store);
	const char *path = message->head + strlen("POST ");
	size_t len = strcspn(path, " ");
	char id[72], code[72];

	member(clerk, "id", id);
	member(clerk, "code", code);
	if (redis->listener == NULL || redis->writes_paused || redis->cut)
		return 503;
	if (len == strlen(CONTROL_SIGN_IN_PATH) && strncmp(path, CONTROL_SIGN_IN_PATH, len) == 0)
		return make(clerk, redis, id, code);
	if (len == strlen(CONTROL_CODE_TAKE_PATH) &&
	    strncmp(path, CONTROL_CODE_TAKE_PATH, len) == 0)
		return take(redis, id, code);
	if (find(redis, "signin", id) == NULL)
		return 404;
	if (len == strlen(CONTROL_CODE_ADD_PATH) && strncmp(path, CONTROL_CODE_ADD_PATH, len) == 0)
		note_code(clerk->sign_ins, redis, code, id);
	else
		end_sign_in(clerk->sign_ins, redis, id);
	return 204;
}

/* ---- connections ---- */

static void
clerk_close(struct clerk *clerk)
{
	end_close(clerk->end);
	alarm_stop(&clerk->act);
	bytes_free(&clerk->out);
	free(clerk);
}

/* The answer; now and then the store cannot be reached, or the answer is lost. */
static void
on_act(struct alarm *alarm)
{
	struct clerk *clerk = container_of(alarm, struct clerk, act);
	struct random *random = &clerk->sign_ins->random;
	bool quiet = schedule_now_ns() > clerk->sign_ins->world->scenario.duration_ns;
	unsigned status = !quiet && random_chance(random, 40) ? 503 : carry_out(clerk);

	trace_event("sign-ins", "answers", status, clerk->sign_ins->count);
	if (!quiet && random_chance(random, 30)) {
		clerk_close(clerk);
		return;
	}
	bytes_print(&clerk->out, "HTTP/1.1 %u %s\r\n%s\r\n", status,
	    status == 204 ? "No Content" : "Refused", status == 204 ? "" : "Content-Length: 0\r\n");
	message_begin(&clerk->message);
	clerk->was = PART_HEAD;
	while (clerk->out.len > 0) {
		struct iovec piece = {(char *)bytes_first(&clerk->out), clerk->out.len};
		long sent = end_send(clerk->end, &piece, 1, NULL);

		if (sent < 0)
			return;
		bytes_drop(&clerk->out, (size_t)sent);
	}
}

static void
take_bytes(struct clerk *clerk, const char *bytes, size_t len)
{
	struct message *message = &clerk->message;
	size_t done = 0;

	while (done < len && message->part != PART_DONE) {
		const char *content;
		size_t content_len;

		done += message_read(message, bytes + done, len - done, &content, &content_len);
		if (content != NULL && clerk->body_len + content_len <= BODY_MAX) {
			memcpy(clerk->body + clerk->body_len, content, content_len);
			clerk->body_len += content_len;
			clerk->body[clerk->body_len] = '\0';
		} else if (clerk->was == PART_HEAD && message->part == PART_CONTENT) {
			clerk->body_len = 0;
			message_frame(message, false, false);
		}
		clerk->was = message->part;
	}
	if (message->part == PART_BAD || done < len)
		judge_violation(clerk->sign_ins->world,
		    "a call about a sign-in is not HTTP: %.200s", message->head);
	else if (message->part == PART_DONE)
		alarm_set(&clerk->act, schedule_now_ns() + random_skewed(&clerk->sign_ins->random,
							       50 * NS_PER_US, 200 * NS_PER_MS));
}

static void
on_change(struct end *end)
{
	struct clerk *clerk = end->owner;
	char bytes[2048];
	struct iovec piece = {bytes, sizeof(bytes)};
	long got;

	while ((got = end_receive(end, &piece, 1, false)) > 0)
		take_bytes(clerk, bytes, (size_t)got);
	if (got != -EAGAIN)
		clerk_close(clerk);
}

static void
on_accepted(struct listener *listener, struct end *end)
{
	struct clerk *clerk = calloc(1, sizeof(*clerk));

	if (clerk == NULL)
		abort();
	clerk->sign_ins = listener->owner;
	clerk->end = end;
	clerk->act.fire = on_act;
	message_begin(&clerk->message);
	clerk->was = PART_HEAD;
	end->owner = clerk;
	end->changed = on_change;
}

/* ---- for others ---- */

void
sign_ins_start(struct sign_ins *sign_ins, struct world *world)
{
	sign_ins->world = world;
	if (!world->scenario.sign_in_host)
		return;
	random_init(&sign_ins->random, world->seed, "sign-ins", 0);
	host_init(&sign_ins->host, "sign-ins", 0, ADDRESS, world->seed);
	sign_ins->host.rules = world->scenario.rules[RULES_GATEWAY];
	sign_ins->listener = listener_new(&sign_ins->host, (struct place){ADDRESS, 80});
	sign_ins->listener->accepted = on_accepted;
	sign_ins->listener->owner = sign_ins;
	sign_ins->listener->descriptor.holders = 1;
}

void
sign_ins_lost(struct sign_ins *sign_ins)
{
	for (unsigned i = 0; i < sign_ins->count; i++)
		if (sign_ins->all[i].ended_ns > schedule_now_ns())
			sign_ins->all[i].ended_ns = schedule_now_ns();
}

struct sim_code *
sign_ins_code(struct sign_ins *sign_ins, const char *text)
{
	char digest[65];

	records_hash_text(text, digest);
	for (unsigned i = sign_ins->code_count; i > 0; i--)
		if (strcmp(sign_ins->codes[i - 1].digest, digest) == 0)
			return &sign_ins->codes[i - 1];
	return NULL;
}
