/* large_peers.c - what is at both sides of a large fleet's gateways: clients, and the job. */
#include <stdlib.h>
#include <string.h>

#include "large.h"
#include "stream.h"

/* ---- clients ---- */

static void
send_request(struct large_client *client)
{
	char head[300];
	int len = snprintf(head, sizeof(head),
	    "GET %s HTTP/1.1\r\nHost: " LARGE_JOB
	    ".localhost\r\nAuthorization: Bearer %.*s\r\n\r\n",
	    client->path, TOKEN_VALUE_LEN, client->token->value);
	struct iovec piece = {head, (size_t)len};

	client->sent = true;
	if (end_send(client->end, &piece, 1, NULL) != len)
		abort(); /* its buffer is empty */
}

void
large_client_close(struct large_client *client)
{
	if (client->end == NULL)
		return;
	client->end->changed = NULL;
	end_close(client->end);
	client->end = NULL;
	bytes_free(&client->in);
	client->streams = false;
}

/* The status of the answer that has come: of a whole one, or of a head without a length. 0: more
 * has to come. */
static unsigned
status_of(struct large_client *client)
{
	char head[2048];
	const char *end, *length;
	size_t len = client->in.len < sizeof(head) - 1 ? client->in.len : sizeof(head) - 1;

	memcpy(head, bytes_first(&client->in), len);
	head[len] = '\0';
	end = strstr(head, "\r\n\r\n");
	if (end == NULL)
		return 0;
	length = strcasestr(head, "\r\nContent-Length: ");
	if (length != NULL && (size_t)(end - head) + 4 + strtoul(length + 18, NULL, 10) > len)
		return 0;
	client->streams = length == NULL;
	return (unsigned)strtoul(head + 9, NULL, 10);
}

static void
on_change(struct end *end)
{
	struct large_client *client = end->owner;
	char bytes[4096];
	struct iovec piece = {bytes, sizeof(bytes)};
	unsigned status;
	long got;

	if (end->state == END_CONNECTED && !client->sent)
		send_request(client);
	while ((got = end_receive(end, &piece, 1, false)) > 0)
		bytes_append(&client->in, bytes, (size_t)got);
	if (got == 0 || end->state == END_FAILED) {
		large_client_close(client);
		client->answered(client, 0);
		return;
	}
	if (client->in.len == 0 || client->streams || (status = status_of(client)) == 0)
		return;
	bytes_drop(&client->in, client->in.len);
	client->answered(client, status);
}

void
large_client_ask(struct large_client *client, const struct large_token *token, const char *path)
{
	struct large_gateway *gateway = client->gateway;

	client->token = token;
	client->path = path;
	client->asked_ns = schedule_now_ns();
	client->sent = false;
	if (client->end != NULL) {
		send_request(client);
		return;
	}
	client->end =
	    end_connect(&gateway->large->clients, (struct place){gateway->host.address, 80});
	client->end->owner = client;
	client->end->changed = on_change;
}

/* ---- the job ---- */

static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
static const char endless[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n";

/* Requests come one by one, each in one piece. */
static void
on_request(struct end *end)
{
	char bytes[4096];
	struct iovec piece = {bytes, sizeof(bytes)}, out;
	long got;

	while ((got = end_receive(end, &piece, 1, false)) > 0) {
		bool whole = got > 6 && memcmp(bytes, "GET / ", 6) == 0;

		if (memmem(bytes, (size_t)got, "\r\n\r\n", 4) == NULL)
			abort();
		out = whole ? (struct iovec){(char *)answer, sizeof(answer) - 1}
			    : (struct iovec){(char *)endless, sizeof(endless) - 1};
		end_send(end, &out, 1, NULL);
	}
	if (got == 0 || end->state == END_FAILED) {
		end->changed = NULL;
		end_close(end);
	}
}

static void
on_accepted(struct listener *listener, struct end *end)
{
	(void)listener;
	end->changed = on_request;
}

void
large_backend_start(struct large *large)
{
	struct listener *listener;

	host_init(&large->backend, "backend", 0, 0x0a000201u, large->options.seed);
	large->backend.rules = large->clients.rules;
	listener = listener_new(&large->backend, (struct place){large->backend.address, 80});
	listener->accepted = on_accepted;
	listener->descriptor.holders = 1;
}
