/* redis_reads.c - the commands that only read keys. */
#include <stdlib.h>

#include "judge.h"
#include "redis_call.h"

/* As redis_find, for a command that reads: the client is told of changes from now on. */
static struct redis_key *
look(struct call *call, const char *name)
{
	struct redis_key *key = redis_find(call->redis, name);

	if (call->client->tracking)
		redis_track(call->client, name);
	return key;
}

void
redis_do_get(struct call *call)
{
	const struct redis_key *key = look(call, call->words[1]);

	if (key == NULL)
		redis_reply(call, "$-1\r\n");
	else if (key->type != REDIS_TYPE_STRING)
		redis_reply(call, REDIS_WRONG_TYPE);
	else
		redis_reply_text(call, key->text);
}

void
redis_do_mget(struct call *call)
{
	redis_reply_array(call, call->count - 1);
	for (size_t i = 1; i < call->count; i++) {
		const struct redis_key *key = look(call, call->words[i]);

		if (key == NULL || key->type != REDIS_TYPE_STRING)
			redis_reply(call, "$-1\r\n");
		else
			redis_reply_text(call, key->text);
	}
}

void
redis_do_exists(struct call *call)
{
	int64_t count = 0;

	for (size_t i = 1; i < call->count; i++)
		count += look(call, call->words[i]) != NULL;
	redis_reply_number(call, count);
}

void
redis_reply_hash(struct call *call, const struct redis_key *key)
{
	const struct redis_field *field;

	if (key == NULL) {
		redis_reply(call, "*0\r\n");
		return;
	}
	if (key->type != REDIS_TYPE_HASH) {
		redis_reply(call, REDIS_WRONG_TYPE);
		return;
	}
	redis_reply_array(call, 2 * key->field_count);
	TAILQ_FOREACH(field, &key->fields, link)
	{
		redis_reply_text(call, field->name);
		redis_reply_text(call, field->value);
	}
}

void
redis_do_hgetall(struct call *call)
{
	if (call->redis->world != NULL)
		judge_read(call->redis->world, call->words[1]);
	redis_reply_hash(call, look(call, call->words[1]));
}

/* With more to draw than there are: all. */
void
redis_do_srandmember(struct call *call)
{
	const struct redis_key *key = look(call, call->words[1]);
	size_t count = key != NULL ? key->field_count : 0;
	const struct redis_field *field;

	if (key != NULL && key->type != REDIS_TYPE_SET) {
		redis_reply(call, REDIS_WRONG_TYPE);
		return;
	}
	if (strtoull(call->words[2], NULL, 10) < count)
		abort(); /* there are never so many here */
	redis_reply_array(call, count);
	if (key == NULL)
		return;
	TAILQ_FOREACH(field, &key->fields, link)
	redis_reply_text(call, field->name);
}

void
redis_do_pttl(struct call *call)
{
	const struct redis_key *key = look(call, call->words[1]);

	if (key == NULL)
		redis_reply_number(call, -2);
	else if (key->ends_ms == 0)
		redis_reply_number(call, -1);
	else
		redis_reply_number(call, (int64_t)(key->ends_ms - redis_now_ms()));
}

void
redis_do_scard(struct call *call)
{
	const struct redis_key *key = look(call, call->words[1]);

	if (key != NULL && key->type != REDIS_TYPE_SET)
		redis_reply(call, REDIS_WRONG_TYPE);
	else
		redis_reply_number(call, key != NULL ? (int64_t)key->field_count : 0);
}
