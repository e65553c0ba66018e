/* redis_session.c - replies, and the commands that are about a connection and not about keys. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "redis_call.h"

void
redis_reply(struct call *call, const char *line)
{
	bytes_append(&call->client->out, line, strlen(line));
}

void
redis_reply_number(struct call *call, int64_t number)
{
	bytes_print(&call->client->out, ":%lld\r\n", (long long)number);
}

void
redis_reply_array(struct call *call, size_t count)
{
	bytes_print(&call->client->out, "*%zu\r\n", count);
}

void
redis_reply_text(struct call *call, const char *text)
{
	bytes_print(&call->client->out, "$%zu\r\n", strlen(text));
	bytes_append(&call->client->out, text, strlen(text));
	redis_reply(call, "\r\n");
}

void
redis_do_ping(struct call *call)
{
	redis_reply(
	    call, call->client->subscribed ? "*2\r\n$4\r\npong\r\n$0\r\n\r\n" : "+PONG\r\n");
}

void
redis_do_hello(struct call *call)
{
	redis_reply_array(call, 14);
	redis_reply_text(call, "server");
	redis_reply_text(call, "redis");
	redis_reply_text(call, "version");
	redis_reply_text(call, "7.0.15");
	redis_reply_text(call, "proto");
	redis_reply_number(call, 2);
	redis_reply_text(call, "id");
	redis_reply_number(call, call->client->id);
	redis_reply_text(call, "mode");
	redis_reply_text(call, call->redis->names.address != 0 ? "sentinel" : "standalone");
	redis_reply_text(call, "role");
	redis_reply_text(call, call->redis->link.primary != NULL ? "replica" : "master");
	redis_reply_text(call, "modules");
	redis_reply_array(call, 0);
}

void
redis_do_subscribe(struct call *call)
{
	call->client->subscribed = true;
	redis_reply_array(call, 3);
	redis_reply_text(call, "subscribe");
	redis_reply_text(call, call->words[1]);
	redis_reply_number(call, 1);
}

static void
address_text(uint32_t address, char out[16])
{
	snprintf(out, 16, "%u.%u.%u.%u", address >> 24, address >> 16 & 255, address >> 8 & 255,
	    address & 255);
}

static void
role_of_replica(struct call *call)
{
	const struct redis_link *link = &call->redis->link;
	char address[16];

	address_text(link->primary->host->address, address);
	redis_reply_array(call, 5);
	redis_reply_text(call, "slave");
	redis_reply_text(call, address);
	redis_reply_number(
	    call, link->primary->listener != NULL ? link->primary->listener->place.port : 6379);
	redis_reply_text(call, link->synced && !link->cut ? "connected" : "connect");
	redis_reply_number(call, link->synced ? (int64_t)call->redis->offset : -1);
}

/* Nothing looks at the replicas that a primary names. */
void
redis_do_role(struct call *call)
{
	if (call->redis->link.primary != NULL) {
		role_of_replica(call);
		return;
	}
	redis_reply_array(call, 3);
	redis_reply_text(call, "master");
	redis_reply_number(call, (int64_t)call->redis->offset);
	redis_reply_array(call, 0);
}

/* SENTINEL GET-MASTER-ADDR-BY-NAME */
void
redis_do_sentinel(struct call *call)
{
	char address[16], port[8];

	address_text(call->redis->names.address, address);
	snprintf(port, sizeof(port), "%u", call->redis->names.port);
	redis_reply_array(call, 2);
	redis_reply_text(call, address);
	redis_reply_text(call, port);
}

void
redis_do_info(struct call *call)
{
	char text[200];

	snprintf(text, sizeof(text),
	    "# Server\r\nredis_version:7.0.15\r\nrun_id:%s\r\n# Replication\r\nrole:%s\r\n",
	    call->redis->run_id, call->redis->link.primary != NULL ? "slave" : "master");
	redis_reply_text(call, text);
}

static bool
word_is(const struct call *call, size_t i, const char *word)
{
	return i < call->count && strcasecmp(call->words[i], word) == 0;
}

void
redis_do_client(struct call *call)
{
	struct redis_client *client = call->client;

	if (word_is(call, 1, "SETNAME")) {
		snprintf(client->name, sizeof(client->name), "%s", call->words[2]);
		redis_reply(call, "+OK\r\n");
	} else if (word_is(call, 1, "TRACKING") && word_is(call, 2, "ON")) {
		int64_t id = strtoll(call->words[4], NULL, 10);

		if (redis_client_find(call->redis, id) == NULL) {
			redis_reply(
			    call, "-ERR The client ID you want redirect to does not exist\r\n");
			return;
		}
		client->tracking = true;
		client->redirect = id;
		redis_reply(call, "+OK\r\n");
	} else if (word_is(call, 1, "ID")) {
		redis_reply_number(call, client->id);
	} else {
		redis_reply(call, "-ERR unknown subcommand\r\n");
	}
}
