/*
 * handshakes.c - the client of a benchmark: TLS connections one after another, without a request.
 *
 * Each connection is complete: handshake, close_notify, and then the end of the server's stream.
 * `openssl s_time` resets the connection right after its last message, and a server that looks at
 * the reset first (HAProxy does) never reads this message, so it does half of the work.
 * The result is one line of JSON on standard output.
 */
#include <arpa/inet.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct client {
	SSL_CTX *context;
	SSL_SESSION *session; /* what is resumed; NULL: nothing */
	struct sockaddr_in server;
	char *rest; /* for what comes after the handshake */
	size_t cap;
};

static double
now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void
die(const char *what)
{
	fprintf(stderr, "bench_handshakes: %s\n", what);
	exit(1);
}

/* Read until the server ends its stream: it has read our last message by then. */
static void
await_end(struct client *client, SSL *ssl)
{
	size_t n;

	while (SSL_read_ex(ssl, client->rest, client->cap, &n) == 1)
		;
	while (recv(SSL_get_fd(ssl), client->rest, client->cap, 0) > 0)
		;
}

/* A connection from begin to end. False: no handshake, or not resumed. */
static bool
visit(struct client *client, SSL_SESSION **session)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
	SSL *ssl = SSL_new(client->context);
	bool good;

	if (fd < 0 || ssl == NULL || SSL_set_fd(ssl, fd) != 1)
		die("out of descriptors or memory");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(fd, (struct sockaddr *)&client->server, sizeof(client->server)) != 0)
		die("cannot connect");
	if (client->session != NULL)
		SSL_set_session(ssl, client->session);
	good = SSL_connect(ssl) == 1 && SSL_session_reused(ssl) == (client->session != NULL) &&
	       SSL_shutdown(ssl) >= 0;
	/* A copy: without the server's close_notify the session is not used again. */
	if (good && session != NULL)
		*session = SSL_SESSION_dup(SSL_get0_session(ssl));
	if (good)
		await_end(client, ssl);
	SSL_free(ssl);
	close(fd);
	return good;
}

/* TLS 1.3, or TLS 1.2 for connections that resume a session: its ticket is part of the handshake.
 */
static SSL_CTX *
context_new(bool resumed)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	int version = resumed ? TLS1_2_VERSION : TLS1_3_VERSION;

	if (context == NULL || SSL_CTX_set_min_proto_version(context, version) != 1 ||
	    SSL_CTX_set_max_proto_version(context, version) != 1)
		die("no such version of TLS");
	return context;
}

int
main(int argc, char **argv)
{
	char room[16384];
	struct client client = {.rest = room, .cap = sizeof(room)};
	double seconds = 3, began;
	bool resumed = false;
	int option;
	unsigned long done = 0, good = 0;

	while ((option = getopt(argc, argv, "d:r")) != -1) {
		switch (option) {
		case 'd':
			seconds = atof(optarg);
			break;
		case 'r':
			resumed = true;
			break;
		default:
			exit(2);
		}
	}
	if (optind + 1 != argc) {
		fputs("Usage: bench_handshakes [-d seconds] [-r: resumed, TLS 1.2] PORT\n", stderr);
		exit(2);
	}
	client.server = (struct sockaddr_in){.sin_family = AF_INET,
	    .sin_port = htons((uint16_t)atoi(argv[optind])),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	client.context = context_new(resumed);
	if (resumed) {
		SSL_SESSION *session = NULL;

		if (!visit(&client, &session))
			die("the first connection failed");
		client.session = session;
	}
	began = now_s();
	while (now_s() - began < seconds) {
		good += visit(&client, NULL);
		done++;
	}
	printf("{\"requests\": %lu, \"ok\": %lu, \"failed\": 0, \"seconds\": %.3f}\n", done, good,
	    now_s() - began);
	SSL_SESSION_free(client.session);
	SSL_CTX_free(client.context);
	return 0;
}
