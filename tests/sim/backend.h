/*
 * backend.h - a model of a job's server: parses requests, and answers as the plan of each request
 * says.
 */
#ifndef SIM_BACKEND_H
#define SIM_BACKEND_H

#include "stream.h"

/* Content leaves in pieces of at most this length. */
#define BACKEND_PIECE_MAX 4096

/* The length of a head whose answer is to fill buffers to the byte (exchange_plan, fills). */
#define BACKEND_HEAD_LEN 512

struct world;
struct backend_connection;
struct h2_backend;

struct backend {
	struct world *world;
	int number;
	struct host host;
	uint16_t port;
	struct listener *listener; /* NULL: nothing listens */
	struct random random;
	uint64_t frozen_ns; /* it does nothing until then */
	LIST_HEAD(, backend_connection) connections;
	bool takes_tunnels; /* over HTTP/2 (RFC 8441) */
	bool speaks_h2;	    /* then its connections are these: */
	LIST_HEAD(, h2_backend) h2_connections;
	unsigned ruined;     /* of them, on which a misdeed hurts other requests; */
	uint64_t ruined_ns;  /* and when the last of them will have been forgotten */
	uint64_t left_ns[2]; /* when it sent its last two GOAWAY */
	uint64_t closed_ns;  /* when it last closed a connection of HTTP/1 without a word of it */
	char url[40];
	/* Checks of its health. */
	uint64_t sick_ns;     /* it says that it is not well until then, */
	uint64_t was_sick_ns; /* and has last said so then */
	unsigned failures;    /* checks in a row that it has answered so */
	uint64_t troubled_ns; /* a fault was at work at it until then */
	uint64_t requests;
};

void backend_start(struct backend *backend, struct world *world, int number);

/* It goes away, with its connections; and comes back. */
void backend_stop(struct backend *backend);
void backend_listen(struct backend *backend);

/* A check of its health has come. True: it is well. */
bool backend_is_well(struct backend *backend, const struct end *end, const struct stamp *stamp);

/* Reset one of its connections; false when it has none. */
bool backend_break_one(struct backend *backend);

#endif
