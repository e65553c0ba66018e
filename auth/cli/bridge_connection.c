/* bridge_connection.c - reads a request, judges it, and answers it or passes it on. */
#include "auth/cli/bridge_connection.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <jansson.h>
#include <openssl/crypto.h>

#include "auth/cli/json_text.h"
#include "auth/cli/peer.h"
#include "jobgate/clock.h"
#include "jobgate/console.h"

#define IN_MAX (BRIDGE_HEAD_MAX + BRIDGE_CONTENT_MAX)
#define OUT_MAX (64u << 10) /* bytes of an answer that is passed on, in one piece */
#define REQUEST_MS 10000    /* for a request to come, and for an answer of our own to leave */
#define SERVER_S 10	    /* seconds in which the control API must take the request */

/* What the buffer had may be the key, or records and new tokens. */
static void
free_out(struct bridge_connection *connection)
{
	if (connection->out != NULL)
		OPENSSL_cleanse(connection->out, connection->out_size);
	free(connection->out);
	connection->out = NULL;
	connection->out_at = connection->out_len = connection->out_size = 0;
}

/* False when memory is short. */
static bool
make_room(struct bridge_connection *connection, size_t size)
{
	free_out(connection);
	connection->out = malloc(size);
	if (connection->out != NULL)
		connection->out_size = size;
	return connection->out != NULL;
}

/* ---- our own answers ---- */

static bool
answer(struct bridge_connection *connection, const char *status, const char *fields,
    struct slice content)
{
	size_t cap = content.len + 2048;
	int len;

	connection->is_answered = true;
	if (!make_room(connection, cap))
		return false;
	len = snprintf(connection->out, cap,
	    "HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: %zu\r\n%sCache-Control: "
	    "no-store\r\nReferrer-Policy: no-referrer\r\nX-Content-Type-Options: nosniff\r\n"
	    "X-Frame-Options: DENY\r\nCross-Origin-Resource-Policy: same-origin\r\n"
	    "Cross-Origin-Opener-Policy: same-origin\r\n\r\n",
	    status, content.len, fields);
	if (len < 0 || (size_t)len + content.len > cap)
		return false;
	memcpy(connection->out + len, content.at, content.len);
	connection->out_len = (size_t)len + content.len;
	return true;
}

static bool
refuse(struct bridge_connection *connection, unsigned status, const char *detail)
{
	char line[32], content[512];

	snprintf(line, sizeof(line), "%u Refused", status);
	snprintf(content, sizeof(content),
	    "{\"type\":\"about:blank\",\"title\":\"Refused\",\"status\":%u,\"detail\":\"%s\"}",
	    status, detail);
	return answer(
	    connection, line, "Content-Type: application/problem+json\r\n", slice_of(content));
}

static bool
answer_page(struct bridge_connection *connection)
{
	const struct console_page *page = console_page();
	char fields[1024];

	if (page == NULL)
		return false;
	snprintf(fields, sizeof(fields),
	    "Content-Type: text/html; charset=utf-8\r\nContent-Encoding: gzip\r\n"
	    "Content-Security-Policy: %.*s\r\n",
	    (int)page->policy.len, page->policy.at);
	return answer(connection, "200 OK", fields, page->gzip);
}

static bool
answer_link(struct bridge_connection *connection, struct slice content)
{
	struct bridge *bridge = &connection->setup->bridge;
	char text[BRIDGE_SECRET_TEXT + 16];
	json_t *body;
	bool good, ok;

	if (!json_text_read(content.at, content.len, &body))
		return refuse(connection, 500, "memory is short: open the link again");
	good = bridge_use_code(
	    bridge, json_string_value(json_object_get(body, "code")), clock_ms(CLOCK_BOOTTIME));
	json_decref(body);
	if (!good)
		return refuse(connection, 401,
		    "this link was used already or is over 5 minutes old: press Enter in the "
		    "terminal where jobgate console runs, and open the new link");
	snprintf(text, sizeof(text), "{\"key\":\"%s\"}", bridge->key);
	ok = answer(connection, "200 OK", "Content-Type: application/json\r\n", slice_of(text));
	OPENSSL_cleanse(text, sizeof(text));
	return ok;
}

/* ---- passing on ---- */

static int
dial(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const struct timeval timeout = {.tv_sec = SERVER_S};
	int fd;

	if (strlen(path) >= sizeof(address.sun_path))
		return -1;
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) != 0 ||
			   connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
			   !peer_is_trusted(fd, path))) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static bool
send_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t sent = send(fd, text, len, MSG_NOSIGNAL);

		if (sent < 0)
			return false;
		text += sent;
		len -= (size_t)sent;
	}
	return true;
}

/* The control process gets a head that is written here, never the browser's. */
static bool
send_request(const struct bridge_connection *connection, const struct bridge_request *request,
    struct slice content)
{
	const char *token = connection->setup->token;
	char head[BRIDGE_HEAD_MAX + 8192];
	int len = snprintf(head, sizeof(head),
	    "%.*s %.*s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s%s%sContent-Length: "
	    "%zu\r\n%s\r\n",
	    (int)request->method.len, request->method.at, (int)request->target.len,
	    request->target.at, token != NULL ? "Authorization: Bearer " : "",
	    token != NULL ? token : "", token != NULL ? "\r\n" : "", content.len,
	    content.len > 0 ? "Content-Type: application/json\r\n" : "");
	bool sent = len > 0 && (size_t)len < sizeof(head) &&
		    send_all(connection->server, head, (size_t)len) &&
		    send_all(connection->server, content.at, content.len);

	OPENSSL_cleanse(head, sizeof(head));
	return sent;
}

static bool
pass_on(struct bridge_connection *connection, const struct bridge_request *request,
    struct slice content)
{
	connection->has_key = true;
	connection->is_endless = slice_starts_with(request->target, SLICE("/v1/events"));
	if (!make_room(connection, OUT_MAX))
		return false;
	connection->server = dial(connection->setup->socket);
	if (connection->server >= 0 && send_request(connection, request, content))
		return true;
	if (connection->server >= 0)
		close(connection->server);
	connection->server = -1;
	return refuse(
	    connection, 503, "the gateway cannot be reached at its control socket: is it running?");
}

/* ---- the request ---- */

static bool
begin(struct bridge_connection *connection, size_t head_len)
{
	const struct slice head = {connection->in, head_len};
	struct slice content = {connection->in + head_len, connection->in_len - head_len};
	struct bridge_request request;
	enum bridge_verdict verdict = bridge_judge(&connection->setup->bridge, head, &request);

	if (verdict == BRIDGE_PAGE || verdict == BRIDGE_LINK || verdict == BRIDGE_FORWARD) {
		if (content.len < request.length)
			return true; /* the rest will come */
		content.len = request.length;
	}
	switch (verdict) {
	case BRIDGE_PAGE:
		return answer_page(connection);
	case BRIDGE_LINK:
		return answer_link(connection, content);
	case BRIDGE_FORWARD:
		return pass_on(connection, &request, content);
	case BRIDGE_MALFORMED:
	case BRIDGE_WRONG_HOST:
	case BRIDGE_WRONG_ORIGIN:
	case BRIDGE_NOT_FOUND:
	case BRIDGE_NO_KEY:
	case BRIDGE_TOO_LARGE:
		break;
	}
	return refuse(connection, bridge_status(verdict), bridge_detail(verdict));
}

static bool
read_request(struct bridge_connection *connection)
{
	ssize_t got = recv(connection->client, connection->in + connection->in_len,
	    IN_MAX - connection->in_len, 0);
	const char *end;

	if (got <= 0)
		return got < 0 && (errno == EAGAIN || errno == EINTR);
	connection->in_len += (size_t)got;
	end = memmem(connection->in, connection->in_len, "\r\n\r\n", 4);
	if (end != NULL && (size_t)(end - connection->in) + 4 <= BRIDGE_HEAD_MAX)
		return begin(connection, (size_t)(end - connection->in) + 4);
	return connection->in_len < BRIDGE_HEAD_MAX ||
	       refuse(connection, 431,
		   "the request's head has more than 16384 bytes: "
		   "delete the cookies of this address");
}

/* ---- the answer ---- */

static bool
write_answer(struct bridge_connection *connection)
{
	ssize_t sent = send(connection->client, connection->out + connection->out_at,
	    connection->out_len - connection->out_at, MSG_NOSIGNAL);

	if (sent < 0)
		return errno == EAGAIN || errno == EINTR;
	connection->out_at += (size_t)sent;
	if (connection->out_at == connection->out_len)
		connection->out_at = connection->out_len = 0;
	return connection->out_len > 0 || !connection->is_answered;
}

static bool
read_answer(struct bridge_connection *connection)
{
	ssize_t got = recv(connection->server, connection->out, OUT_MAX, MSG_DONTWAIT);

	if (got > 0)
		connection->out_len = (size_t)got;
	return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

void
bridge_connection_wants(const struct bridge_connection *connection, struct pollfd fds[2])
{
	fds[0] = fds[1] = (struct pollfd){.fd = -1};
	if (connection == NULL)
		return;
	fds[0].fd = connection->client;
	if (connection->out_len > 0)
		fds[0].events = POLLOUT;
	else if (connection->server >= 0)
		fds[0].events = connection->is_endless ? POLLRDHUP : 0;
	else
		fds[0].events = POLLIN;
	if (connection->server >= 0 && connection->out_len == 0)
		fds[1] = (struct pollfd){.fd = connection->server, .events = POLLIN};
}

bool
bridge_connection_go_on(struct bridge_connection *connection, const struct pollfd fds[2])
{
	bool relays = connection->server >= 0;

	if (!relays && clock_ms(CLOCK_MONOTONIC) - connection->since_ms > REQUEST_MS)
		return false;
	/* The client has left. One that only ended its own side still gets its answer, but not
	 * events: they have no end (POLLRDHUP is asked for only then). */
	if ((fds[0].revents & (POLLERR | POLLHUP | POLLNVAL | POLLRDHUP)) != 0)
		return false;
	if (connection->out_len > 0)
		return fds[0].revents == 0 || write_answer(connection);
	if (relays)
		return fds[1].revents == 0 || read_answer(connection);
	return fds[0].revents == 0 || read_request(connection);
}

struct bridge_connection *
bridge_connection_new(struct bridge_setup *setup, int fd)
{
	struct bridge_connection *connection = calloc(1, sizeof(*connection));

	if (connection == NULL)
		return NULL;
	*connection = (struct bridge_connection){.setup = setup,
	    .client = fd,
	    .server = -1,
	    .since_ms = clock_ms(CLOCK_MONOTONIC),
	    .in = malloc(IN_MAX)};
	if (connection->in != NULL)
		return connection;
	free(connection);
	return NULL;
}

void
bridge_connection_free(struct bridge_connection *connection)
{
	if (connection == NULL)
		return;
	OPENSSL_cleanse(connection->in, connection->in_len);
	free(connection->in);
	free_out(connection);
	close(connection->client);
	if (connection->server >= 0)
		close(connection->server);
	free(connection);
}
