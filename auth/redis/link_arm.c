/* link_arm.c - makes one link of two connections to the same server: one is told of changes to what
 * the other has read. */
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#include "auth/redis/info.h"
#include "auth/redis/link_state.h"
#include "jobgate/check.h"

#define CHANNEL "__redis__:invalidate"

/* Redis did not do what the link needs. */
static bool
refused(struct redis_link *link, const redisReply *reply, int type)
{
	if (reply == NULL)
		return true; /* the connection broke: `down` follows */
	if (reply->type == type)
		return false;
	link_break(
	    link, "push", reply->type == REDIS_REPLY_ERROR ? reply->str : "an unexpected reply");
	return true;
}

/* ---- tracking ---- */

/* One of the two confirmations has come; they travel on different connections, in any order. */
static void
link_armed(struct redis_link *link)
{
	if (!link->subscribed || !link->tracking)
		return;
	link_set_state(link, LINK_PROVING);
	proof_begin(link, link_clock_ms(link));
	if (link->state == LINK_PROVING)
		link_ask_mint(link);
}

static void
on_tracking(void *ctx, const redisReply *reply)
{
	struct redis_link *link = ctx;

	if (refused(link, reply, REDIS_REPLY_STATUS))
		return;
	link->tracking = true;
	link_armed(link);
}

static void
on_subscribed(void *ctx, const redisReply *reply)
{
	struct redis_link *link = ctx;

	if (refused(link, reply, REDIS_REPLY_ARRAY))
		return;
	link->subscribed = true;
	link_armed(link);
}

static void
push_id_text(const struct redis_link *link, char out[24])
{
	snprintf(out, 24, "%lld", redis_connection_id(link->push));
}

static void
link_arm(struct redis_link *link)
{
	char id[24];

	push_id_text(link, id);
	link_set_state(link, LINK_ARMING);
	link->subscribed = link->tracking = false;
	if (!link_send(
		link->push, on_subscribed, link, 2, (const char *[]){"SUBSCRIBE", CHANNEL}) ||
	    !link_send(link->data, on_tracking, link, 5,
		(const char *[]){"CLIENT", "TRACKING", "ON", "REDIRECT", id}))
		link_break(link, "push", "out of memory");
}

/* ---- the same server, seen by a name ---- */

/* The remedy when neither way shows that both connections lead to the same server. */
#define ALLOW "; allow the user INFO, or CLIENT SETNAME and CLIENT LIST"

static void
on_listed(void *ctx, const redisReply *reply)
{
	struct redis_link *link = ctx;
	char field[sizeof(link->push_name) + 8];

	if (reply == NULL)
		return;
	if (reply->type == REDIS_REPLY_ERROR) {
		link_break(link, "data",
		    "the ACL hides whether both connections lead to the same server" ALLOW);
		return;
	}
	snprintf(field, sizeof(field), " name=%s ", link->push_name);
	if (reply->type == REDIS_REPLY_STRING && strstr(reply->str, field) != NULL)
		link_arm(link);
	else
		link_break(link, "push", "the two connections lead to different servers");
}

static void
on_named(void *ctx, const redisReply *reply)
{
	struct redis_link *link = ctx;
	char id[24];

	if (reply == NULL)
		return;
	if (reply->type != REDIS_REPLY_STATUS) {
		link_break(link, "push",
		    "the ACL hides whether both connections lead to the same server" ALLOW);
		return;
	}
	push_id_text(link, id);
	if (!link_send(
		link->data, on_listed, link, 4, (const char *[]){"CLIENT", "LIST", "ID", id}))
		link_break(link, "data", "out of memory");
}

/*
 * Where the ACL hides the run id: the push connection takes a random name, and the
 * data connection must see it under the id that it is about to redirect to.
 */
static void
link_name_push(struct redis_link *link)
{
	unsigned char nonce[16];
	size_t len;

	if (RAND_bytes(nonce, sizeof(nonce)) != 1) {
		link_break(link, "push", "no random bytes");
		return;
	}
	len = (size_t)snprintf(link->push_name, sizeof(link->push_name), "jobgate-push-");
	for (size_t i = 0; i < sizeof(nonce); i++)
		len += (size_t)snprintf(
		    link->push_name + len, sizeof(link->push_name) - len, "%02x", nonce[i]);
	if (!link_send(link->push, on_named, link, 3,
		(const char *[]){"CLIENT", "SETNAME", link->push_name}))
		link_break(link, "push", "out of memory");
}

/* ---- the same server, by its run id ---- */

/*
 * A name with several addresses may have led to several servers, and the id of the one connection
 * mean another one there.
 */
static void
link_identified(struct redis_link *link)
{
	bool told = link->data_run_id[0] != '\0' && link->push_run_id[0] != '\0';

	if (redis_connection_is_to_replica(link->data) !=
		redis_connection_is_to_replica(link->push) ||
	    (told && strcmp(link->data_run_id, link->push_run_id) != 0))
		link_break(link, "push", "the two connections lead to different servers");
	else if (told)
		link_arm(link);
	else
		link_name_push(link);
}

/* Ask for the run id of a connection's server, which an ACL may hide. */
static void
keep_run_id(struct redis_link *link, const redisReply *reply, char out[RUN_ID_LEN + 1])
{
	struct slice run_id;

	if (reply == NULL)
		return; /* the connection broke: `down` follows */
	run_id = info_field(reply, "run_id");
	if (run_id.len == RUN_ID_LEN)
		memcpy(out, run_id.at, RUN_ID_LEN);
	CHECK(link->unidentified > 0, redis_link_dump, link);
	if (--link->unidentified == 0)
		link_identified(link);
}

static void
on_data_info(void *ctx, const redisReply *reply)
{
	keep_run_id(ctx, reply, ((struct redis_link *)ctx)->data_run_id);
}

static void
on_push_info(void *ctx, const redisReply *reply)
{
	keep_run_id(ctx, reply, ((struct redis_link *)ctx)->push_run_id);
}

void
link_identify(struct redis_link *link)
{
	link_set_state(link, LINK_IDENTIFYING);
	link->armed_by_ms = link_clock_ms(link) + link->options.timeouts.ping_deadline;
	memset(link->data_run_id, 0, sizeof(link->data_run_id));
	memset(link->push_run_id, 0, sizeof(link->push_run_id));
	link->unidentified = 2;
	if (!link_send(link->data, on_data_info, link, 2, (const char *[]){"INFO", "server"}) ||
	    !link_send(link->push, on_push_info, link, 2, (const char *[]){"INFO", "server"}))
		link_break(link, "push", "out of memory");
}
