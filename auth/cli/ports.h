/* ports.h - the option --port of the commands that make and change jobs, and of `authorize`. */
#ifndef JOBGATE_CLI_PORTS_H
#define JOBGATE_CLI_PORTS_H

#include <jansson.h>

#include "auth/cli/options.h"

/* What a command takes for --port. */
enum ports_form {
	PORTS_WITH_URL, /* PORT=URL */
	PORTS_CHANGED,	/* the same, or PORT= to remove one */
	PORTS_OF_RUN,	/* PORT or PORT=URL; the first is the job's own if it has no URL */
	PORTS_ASKED,	/* one PORT */
};

/* False after printing which --port is wrong. */
bool ports_check(const struct options *options, enum ports_form form);

/* `job run`: the port of the job itself; `authorize`: the port. 0: none is given. */
unsigned ports_own(const struct options *options);

/* `job run`: false after printing that something listens on a further port of this host already. */
bool ports_free(const struct options *options, const char *host);

/*
 * Put the further ports into the body of a request; nothing when there are none. A port without a
 * URL, which only `job run` has, leads to host; else host is NULL.
 */
void ports_body(const struct options *options, const char *host, json_t *body);

/* The address of a service on this host; host may be an IPv6 address. */
json_t *ports_url(const char *host, unsigned port);

#endif
