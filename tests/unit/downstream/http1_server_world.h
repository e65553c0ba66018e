/* http1_server_world.h - a client and the HTTP/1 server in front of a fake exchange. */
#ifndef JOBGATE_TEST_HTTP1_SERVER_WORLD_H
#define JOBGATE_TEST_HTTP1_SERVER_WORLD_H

#include "connection_world.h"
#include "downstream/http1/server.h"
#include "fake_exchange.h"

static struct world world;
static int client;

static inline int
setup(void **state)
{
	(void)state;
	fake_exchange_reset();
	world_open(&world, &http1_server_protocol);
	client = world_connect(&world, "192.0.2.1", &(struct listener_options){0});
	return 0;
}

static inline int
teardown(void **state)
{
	(void)state;
	close(client);
	world_turn(&world);
	world_close(&world);
	return 0;
}

/* All that has come for the client since the last call. */
static inline const char *
received(void)
{
	static char text[8192];
	size_t len = 0;
	ssize_t n;

	world_turn(&world);
	while ((n = recv(client, text + len, sizeof(text) - 1 - len, 0)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	return text;
}

static inline void
send_text(const char *text)
{
	world_send(&world, client, text);
}

#define OK_HI "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

static inline void
open_tunnel(void)
{
	struct response response = {.status = 101, .tunnel = true, .upgrade = SLICE("websocket")};

	send_text("GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
	ops()->answer(running.client, &response);
	running.tunnel = true;
	ops()->resume(running.client);
	ops()->flush(running.client);
	assert_string_equal(received(), "HTTP/1.1 101 Switching Protocols\r\nConnection: "
					"Upgrade\r\nUpgrade: websocket\r\n\r\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
