/* redis_call.h - one command that the model of Redis carries out; only its own files include it. */
#ifndef SIM_REDIS_CALL_H
#define SIM_REDIS_CALL_H

#include "redis.h"

struct call {
	struct redis_client *client;
	struct redis *redis;
	size_t count;
	const char *words[REDIS_WORDS_MAX + 1];
	const char *error; /* of a script whose command was refused; NULL: none was */
};

#define REDIS_WRONG_TYPE "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"

/* Append to the client's replies: a whole line, a number, the head of an array, a text. */
void redis_reply(struct call *call, const char *line);
void redis_reply_number(struct call *call, int64_t number);
void redis_reply_array(struct call *call, size_t count);
void redis_reply_text(struct call *call, const char *text);

/* The fields of a hash with their values, as HGETALL has them; key NULL: none. */
void redis_reply_hash(struct call *call, const struct redis_key *key);

/* What a command sees of a key. One past its end is deleted, unless writes are paused. */
struct redis_key *redis_find(struct redis *redis, const char *name);

/*
 * A command inside a script that writes; its reply is dropped. Words are text, NULL at the end.
 * Does nothing once one was refused, which is call->error.
 */
void redis_call_inner(struct call *call, const char *const *words);

void redis_do_eval(struct call *call);
void redis_do_ping(struct call *call);
void redis_do_hello(struct call *call);
void redis_do_client(struct call *call);
void redis_do_subscribe(struct call *call);
void redis_do_role(struct call *call);
void redis_do_sentinel(struct call *call);
void redis_do_info(struct call *call);
void redis_do_wait(struct call *call);

/* ---- redis_reads.c ---- */

void redis_do_get(struct call *call);
void redis_do_mget(struct call *call);
void redis_do_exists(struct call *call);
void redis_do_hgetall(struct call *call);
void redis_do_srandmember(struct call *call);
void redis_do_pttl(struct call *call);
void redis_do_scard(struct call *call);

#endif
