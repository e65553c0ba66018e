/* client.h - sends requests to the control API, over its Unix socket or HTTP. */
#ifndef JOBGATE_CLI_CLIENT_H
#define JOBGATE_CLI_CLIENT_H

#include <jansson.h>
#include <stdbool.h>

struct client; /* one libcurl handle, which keeps its connection between calls */

/* The server's answer. */
struct answer {
	long status;
	json_t *body; /* NULL when it has none; answer_clear frees it */
};

/*
 * url is unix:/path or http(s)://host[:port][/base], NULL for the default socket; token may be
 * NULL. Both are copied. NULL after printing why on standard error.
 */
struct client *client_new(const char *url, const char *token);
void client_free(struct client *client);

/* The path of the Unix socket that it uses; NULL: it uses none. Valid while the client is. */
const char *client_socket(const struct client *client);

/*
 * Send one request; path begins with "/v1/", body may be NULL and stays the caller's. True with an
 * answer of any status; false when no server answered, after printing that on standard error.
 */
bool client_call(struct client *client, const char *method, const char *path, const json_t *body,
    struct answer *answer);

/* Set what is called about once a second while a call waits for its answer; NULL: nothing. */
void client_on_idle(struct client *client, void (*on_idle)(void *ctx), void *ctx);

void answer_clear(struct answer *answer);

/* Print the server's refusal on standard error; returns the exit status for it. */
int answer_refused(const struct answer *answer);

/*
 * A path or a query: prefix, then text percent-encoded, then suffix. The caller frees it; NULL when
 * memory is short.
 */
char *client_path(const char *prefix, const char *text, const char *suffix);

#endif
