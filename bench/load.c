/*
 * load.c - the client of a benchmark: many connections on one epoll, requests as fast as
 * answers come (closed loop) or at a constant rate (open loop).
 *
 * In an open loop a request has a time at which it is due, whether or not a connection
 * is free for it, and its latency counts from there: an answer that takes long delays those
 * behind it, and they count that delay as well (no coordinated omission).
 * The result is one line of JSON on standard output.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "histogram.h"

#define NS 1000000000ull
#define READ_BYTES (256 * 1024)
#define HEAD_MAX 4096
#define DEPTH_MAX 64
#define OPENING_MAX 100

/* An unfinished frame of 128 bytes, masked with zeros, so that its echo is the same bytes. */
static const char frame[8 + 120] = {(char)0x82, (char)(0x80 | 122), 0, 0, 0, 0, 'j', 'g'};

enum mode { MODE_REQUESTS, MODE_CLOSE, MODE_WEBSOCKET, MODE_IDLE, MODE_IDLE_WEBSOCKET };

/* One connection. An answer is read head first, then content by its length. */
struct client {
	int fd;
	bool waiting;		 /* requests are under way */
	bool upgraded;		 /* a tunnel: what comes are echoes */
	unsigned outstanding;	 /* answers to come */
	uint64_t due[DEPTH_MAX]; /* when each of them was due, a ring */
	unsigned first;		 /* of the ring */
	uint64_t content_left;	 /* bytes of content, or of an echo, still to come */
	bool in_content;
	bool good; /* the answer's status is one of success */
	size_t head_len;
	char head[HEAD_MAX];
	size_t unsent; /* bytes of the request still to be sent; they are the last of `request` */
};

struct list {
	char **items;
	size_t count, next;
};

struct load {
	enum mode mode;
	struct sockaddr_in server;
	unsigned connections, depth;
	double seconds, rate; /* rate 0: closed loop */
	const char *path, *method, *host, *token;
	size_t content;
	struct list tokens, hosts;
	char *request; /* as it is sent now */
	size_t request_len;
	int epoll;
	struct client *clients;
	struct client **idle; /* open loop: a stack of those that have nothing to do */
	size_t idle_count;
	uint64_t started, ends, issued;
	uint64_t answered, ok, failed, bytes;
	struct histogram latency;
	char buffer[READ_BYTES];
};

static struct load load = {.connections = 64,
    .depth = 1,
    .seconds = 3,
    .path = "/small",
    .method = "GET",
    .host = "demo.localhost",
    .token = ""};

static uint64_t
now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS + (uint64_t)now.tv_nsec;
}

static void
die(const char *what)
{
	perror(what);
	exit(1);
}

/* ---- requests ---- */

static const char *
list_next(struct list *list, const char *otherwise)
{
	if (list->count == 0)
		return otherwise;
	if (list->next == list->count)
		list->next = 0;
	return list->items[list->next++];
}

/* Write the next request; the same one again where nothing changes from one to the other. */
static void
make_request(void)
{
	const char *extra = "";
	size_t head;

	if (load.request_len > 0 && load.tokens.count == 0 && load.hosts.count == 0)
		return;
	if (load.mode == MODE_CLOSE)
		extra = "Connection: close\r\n";
	else if (load.mode == MODE_WEBSOCKET || load.mode == MODE_IDLE_WEBSOCKET)
		extra = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
			"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
	head = (size_t)snprintf(load.request, HEAD_MAX,
	    "%s %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n%s", load.method, load.path,
	    list_next(&load.hosts, load.host), list_next(&load.tokens, load.token), extra);
	if (load.content > 0)
		head += (size_t)snprintf(
		    load.request + head, HEAD_MAX - head, "Content-Length: %zu\r\n", load.content);
	memcpy(load.request + head, "\r\n", 2);
	memset(load.request + head + 2, 'c', load.content);
	load.request_len = head + 2 + load.content;
}

static void
client_connect(struct client *client)
{
	int on = 1;
	struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.ptr = client};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*client = (struct client){.fd = fd};
	/* Blocking: on loopback a connection stands as soon as there is room in the listener's
	 * queue. */
	if (fd < 0 || connect(fd, (struct sockaddr *)&load.server, sizeof(load.server)) != 0)
		die("connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (load.content > 0)
		event.events |= EPOLLOUT;
	if (epoll_ctl(load.epoll, EPOLL_CTL_ADD, fd, &event) != 0)
		die("epoll_ctl");
}

static void
client_push(struct client *client)
{
	while (client->unsent > 0) {
		ssize_t n = send(client->fd, load.request + load.request_len - client->unsent,
		    client->unsent, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0)
			return; /* later, or never: then reading tells */
		client->unsent -= (size_t)n;
	}
}

static void
client_send(struct client *client, uint64_t due)
{
	client->due[(client->first + client->outstanding++) % DEPTH_MAX] = due;
	/* While they are being opened, and of those that are to idle, nothing follows by itself. */
	client->waiting = load.started > 0;
	if (client->upgraded) {
		client->content_left += sizeof(frame);
		send(client->fd, frame, sizeof(frame), MSG_DONTWAIT | MSG_NOSIGNAL);
		return;
	}
	make_request();
	client->unsent = load.request_len;
	client_push(client);
}

/* Something to do for a client that waits for nothing: the next request, in an open loop the one
 * that is due. */
static void
client_next(struct client *client, uint64_t now)
{
	if (load.rate == 0) {
		while (client->outstanding < load.depth && now < load.ends)
			client_send(client, now);
		return;
	}
	if (now >= load.ends)
		return;
	if (load.started + (uint64_t)((double)load.issued * NS / load.rate) <= now) {
		client_send(
		    client, load.started + (uint64_t)((double)load.issued++ * NS / load.rate));
		return;
	}
	load.idle[load.idle_count++] = client;
}

/* ---- answers ---- */

/* One answer has come whole. */
static void
client_answered(struct client *client, uint64_t now)
{
	histogram_add(&load.latency, now - client->due[client->first]);
	client->first = (client->first + 1) % DEPTH_MAX;
	client->outstanding--;
	load.answered++;
	load.ok += client->good;
	client->in_content = false;
	client->head_len = 0;
}

/* The head is complete: its status, and how much follows. */
static void
client_head(struct client *client)
{
	char *length;
	int status;

	client->head[client->head_len] = '\0';
	status = atoi(client->head + 9);
	client->good = (status >= 200 && status < 300) || status == 101;
	length = strcasestr(client->head, "\r\ncontent-length:");
	client->content_left = length != NULL ? strtoull(length + 17, NULL, 10) : 0;
	client->in_content = true;
	client->upgraded = status == 101;
}

/* Take a piece of what came; returns how many bytes. */
static size_t
client_take(struct client *client, const char *at, size_t len)
{
	size_t n = 0;

	if (client->in_content || client->upgraded) {
		n = len < client->content_left ? len : client->content_left;
		client->content_left -= n;
		return n;
	}
	while (n < len && client->head_len < HEAD_MAX - 1) {
		client->head[client->head_len++] = at[n++];
		if (at[n - 1] == '\n' && client->head_len >= 4 &&
		    memcmp(client->head + client->head_len - 4, "\r\n\r\n", 4) == 0) {
			client_head(client);
			break;
		}
	}
	return n;
}

static void
client_reconnect(struct client *client, bool failed)
{
	load.failed += failed;
	close(client->fd);
	client_connect(client);
}

/* Whether the client's answer is whole, or an echo is. */
static bool
client_is_done(const struct client *client)
{
	return client->outstanding > 0 && client->content_left == 0 &&
	       (client->in_content || client->upgraded);
}

static void
client_ready(struct client *client)
{
	uint64_t now;

	client_push(client);
	for (;;) {
		ssize_t got = recv(client->fd, load.buffer, READ_BYTES, MSG_DONTWAIT);
		size_t at = 0;

		if (got < 0 && errno == EAGAIN)
			return;
		now = now_ns();
		if (got <= 0) {
			client_reconnect(
			    client, load.mode != MODE_CLOSE || client->outstanding > 0);
			client_next(client, now);
			return;
		}
		load.bytes += (uint64_t)got;
		while (at < (size_t)got) {
			size_t n = client_take(client, load.buffer + at, (size_t)got - at);

			at += n;
			if (client_is_done(client))
				client_answered(client, now);
			else if (n == 0)
				break; /* more than was asked for */
		}
		if (client->outstanding == 0 && client->waiting) {
			client->waiting = false;
			if (load.mode == MODE_CLOSE)
				client_reconnect(client, false);
			client_next(client, now);
		}
		if ((size_t)got < READ_BYTES)
			return;
	}
}

/* ---- running ---- */

/* Open loop: send what has become due; how long until the next one is, in nanoseconds. */
static uint64_t
send_due(uint64_t now)
{
	for (;;) {
		uint64_t due = load.started + (uint64_t)((double)load.issued * NS / load.rate);

		if (due > now)
			return due - now;
		if (load.idle_count == 0)
			return NS / 1000;
		load.issued++;
		client_send(load.idle[--load.idle_count], due);
	}
}

static void
turn(uint64_t wait_ns)
{
	struct epoll_event events[256];
	struct timespec wait = {(time_t)(wait_ns / NS), (long)(wait_ns % NS)};
	int count = epoll_pwait2(load.epoll, events, 256, &wait, NULL);

	for (int i = 0; i < count; i++)
		client_ready(events[i].data.ptr);
}

static void
run(void)
{
	uint64_t now = now_ns();

	load.started = now;
	load.ends = now + (uint64_t)(load.seconds * NS);
	for (unsigned i = 0; i < load.connections; i++)
		client_next(&load.clients[i], now);
	while ((now = now_ns()) < load.ends)
		turn(load.rate > 0 ? send_due(now) : load.ends - now);
}

/* Connect. What is to idle, or is a tunnel, gets one request answered first, some at a time. */
static void
open_clients(void)
{
	bool first = load.mode != MODE_REQUESTS && load.mode != MODE_CLOSE;

	load.ends = UINT64_MAX;
	for (unsigned i = 0; i < load.connections; i++) {
		client_connect(&load.clients[i]);
		if (!first)
			continue;
		client_send(&load.clients[i], now_ns());
		while (i + 1 - load.answered > (i + 1 < load.connections ? OPENING_MAX : 0)) {
			turn(NS / 10);
			if (load.failed > load.connections) {
				fputs(
				    "bench_load: connections are closed as soon as they are made\n",
				    stderr);
				exit(1);
			}
		}
	}
	load.answered = load.ok = load.failed = 0;
	load.latency = (struct histogram){0};
}

static void
read_list(struct list *list, const char *path)
{
	FILE *file = fopen(path, "r");
	char *line = NULL;
	size_t size = 0, room = 0;
	ssize_t len;

	if (file == NULL)
		die(path);
	while ((len = getline(&line, &size, file)) > 0) {
		line[len - (line[len - 1] == '\n')] = '\0';
		if (list->count == room)
			list->items =
			    realloc(list->items, (room = room * 2 + 1024) * sizeof(char *));
		list->items[list->count++] = strdup(line);
	}
	free(line);
	fclose(file);
}

static void
read_options(int argc, char **argv)
{
	static const char *const modes[] = {
	    "requests", "close", "websocket", "idle", "idle-websocket"};
	int option;

	while ((option = getopt(argc, argv, "m:c:d:r:p:b:u:X:H:t:T:J:")) != -1) {
		switch (option) {
		case 'm':
			for (size_t i = 0; i < 5; i++)
				if (strcmp(optarg, modes[i]) == 0)
					load.mode = (enum mode)i;
			break;
		case 'c':
			load.connections = (unsigned)atoi(optarg);
			break;
		case 'd':
			load.seconds = atof(optarg);
			break;
		case 'r':
			load.rate = atof(optarg);
			break;
		case 'p':
			load.depth = (unsigned)atoi(optarg);
			break;
		case 'b':
			load.content = (size_t)atol(optarg);
			load.method = "POST";
			break;
		case 'u':
			load.path = optarg;
			break;
		case 'X':
			load.method = optarg;
			break;
		case 'H':
			load.host = optarg;
			break;
		case 't':
			load.token = optarg;
			break;
		case 'T':
			read_list(&load.tokens, optarg);
			break;
		case 'J':
			read_list(&load.hosts, optarg);
			break;
		default:
			exit(2);
		}
	}
	if (optind + 1 != argc || load.depth > DEPTH_MAX || load.connections == 0) {
		fputs("Usage: bench_load [-m requests|close|websocket|idle|idle-websocket] [-c "
		      "connections] [-d seconds]\n"
		      "  [-r requests a second: open loop] [-p pipelined requests] [-b bytes of "
		      "content] [-u path]\n"
		      "  [-H host] [-t token] [-T file of tokens] [-J file of hosts] PORT\n",
		    stderr);
		exit(2);
	}
	load.server = (struct sockaddr_in){.sin_family = AF_INET,
	    .sin_port = htons((uint16_t)atoi(argv[optind])),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

int
main(int argc, char **argv)
{
	double elapsed;

	read_options(argc, argv);
	prctl(PR_SET_TIMERSLACK, 1);
	load.epoll = epoll_create1(EPOLL_CLOEXEC);
	load.clients = calloc(load.connections, sizeof(*load.clients));
	load.idle = calloc(load.connections, sizeof(struct client *));
	load.request = malloc(HEAD_MAX + load.content);
	if (load.epoll < 0 || load.clients == NULL || load.idle == NULL || load.request == NULL)
		die("start");
	open_clients();
	if (load.mode == MODE_IDLE || load.mode == MODE_IDLE_WEBSOCKET) {
		puts("ready");
		fflush(stdout);
		return getchar() == 'x'; /* held until our input is closed */
	}
	run();
	elapsed = (double)(now_ns() - load.started) / NS;
	printf("{\"requests\": %llu, \"ok\": %llu, \"failed\": %llu, \"seconds\": %.3f, \"bytes\": "
	       "%llu, \"latency_us\": ",
	    (unsigned long long)load.answered, (unsigned long long)load.ok,
	    (unsigned long long)load.failed, elapsed, (unsigned long long)load.bytes);
	histogram_print(&load.latency);
	puts("}");
	return 0;
}
