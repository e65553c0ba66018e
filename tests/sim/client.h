/*
 * client.h - a model of a client: connects, sends requests, checks that each answer is for its own
 * request.
 */
#ifndef SIM_CLIENT_H
#define SIM_CLIENT_H

#include "h2_client.h"
#include "message.h"
#include "records.h"
#include "stream.h"

struct world;

#define CLIENT_PIPELINE_MAX 4
#define CLIENT_COOKIE_MAX 96 /* of the gateway, for a replica */
#define CLIENT_WAITS_MAX \
	3 /* how long one says that it waits for a job that is not up, in seconds */

enum client_state { CLIENT_RESTING, CLIENT_WAITING, CLIENT_TUNNEL };

/* What a browser keeps for a job: it stays at the replica that gave it. */
struct client_cookie {
	char text[CLIENT_COOKIE_MAX]; /* "": it has none */
	unsigned backend;
	uint64_t since_ns;
};

struct client {
	struct world *world;
	struct host host;
	struct random random;
	struct end *end; /* NULL: it has no connection */
	enum client_state state;
	struct alarm act;
	uint32_t waiting[CLIENT_PIPELINE_MAX]; /* marks of requests without an answer yet */
	unsigned waiting_count;
	struct bytes out;
	struct client_cookie cookies[RECORDS_JOBS_MAX];
	/* the request whose content is still to be sent: the last one */
	uint64_t content_sent;
	struct message message;
	enum message_part was;
	uint64_t head_offset;
	char refusal[600]; /* what the gateway itself says */
	size_t refusal_len;
	bool marked; /* the answer being read is the backend's */
	bool slow;   /* it reads little by little */
	bool reused; /* its connection has brought an answer */
	uint64_t tunnel_in, tunnel_out;
	bool tunnel_ended, tunnel_closing;
	unsigned left; /* exchanges until it closes the connection */
	bool stopped;
	uint64_t frozen_ns;
	bool speaks_h2; /* then all above but host, random and these two is not used */
	struct h2_client h2;
};

void client_start(struct client *client, struct world *world, unsigned number);

/* No new exchanges; it closes once the running ones are over. */
void client_stop(struct client *client);

/* The mark of one of its requests without an answer yet; 0: there is none. */
uint32_t client_waits_for(const struct client *client);

/* Long after it was stopped: nothing may be left of it. */
void client_check_ended(const struct client *client);

/* Its connection is lost. False: it has none. */
bool client_break(struct client *client, bool reset);

#endif
