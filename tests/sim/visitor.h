/*
 * visitor.h - a model of those who ask the gateway for something of its own: another proxy that
 * asks whether a request may pass, a browser that signs in, browses and signs out, one that comes
 * over http where https is wanted, one that guesses tokens. One request for each connection.
 */
#ifndef SIM_VISITOR_H
#define SIM_VISITOR_H

#include "one_request.h"

struct world;

enum visit {
	VISIT_REDIRECT,
	VISIT_AUTHORIZE,
	VISIT_TRACE,
	VISIT_SIGN_IN,
	VISIT_BROWSE,
	VISIT_SIGN_OUT,
	VISIT_GUESS
};

#define VISITOR_COOKIE_MAX 256

struct visitor {
	struct world *world;
	struct host host;
	struct random random;
	struct one_request request;
	struct alarm act;
	bool stopped;
	bool guesses; /* tokens */
	bool asks;    /* as a proxy does: for each of many requests, whether it may pass */
	enum visit visit;
	/* its session; "": it has none */
	char cookie[VISITOR_COOKIE_MAX];
	unsigned token, value;
	int job;
	uint64_t session_ends_ns;
	uint64_t guesses_sent, guesses_missed, guesses_limited; /* missed: with 401; limited: 429 */
};

void visitor_start(struct visitor *visitor, struct world *world, unsigned number);

/* No new requests. */
void visitor_stop(struct visitor *visitor);

/* Long after it was stopped: nothing may be left of it. */
void visitor_check_ended(const struct visitor *visitor);

#endif
