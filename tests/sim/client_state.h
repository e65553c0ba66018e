/* client_state.h - what client.c and client_request.c share; only they include it. */
#ifndef SIM_CLIENT_STATE_H
#define SIM_CLIENT_STATE_H

#include "client.h"
#include "exchanges.h"
#include "jobgate/token.h"

/* What the next request asks for, and what is done to it. */
void client_draw_plan(struct client *client, struct exchange_plan *plan);

/* It sets out now; returns its mark. */
uint32_t client_note_exchange(struct client *client, const struct exchange_plan *plan);

#define CLIENT_CREDENTIAL_MAX (TOKEN_VALUE_LEN + 16)

/* The value of its Authorization field, at most CLIENT_CREDENTIAL_MAX bytes; false: it has none. */
bool client_credential(struct client *client, const struct exchange_plan *plan, char *out);

/* What waits at most in the client's end when an exchange is over: its out buffer. */
#define CLIENT_BUFFERED_MAX (16 * 1024)

/* Draw a request and put its head into client->out; its content follows by client_send. */
void client_put_request(struct client *client, bool pipelined);

/* Send what waits, and content. */
void client_send(struct client *client);

/* ---- client.c ---- */

/* The title of what the gateway itself says; "": it has none. */
void client_read_title(const char *text, size_t len, char *out, size_t cap);

/* Of the request that has waited longest. */
struct sim_exchange *client_first_exchange(const struct client *client);

/* Without the connection; what waits comes to this. */
void client_leave(struct client *client, bool reset, enum result result);

void client_violation(struct client *client, const char *what);

/* What was known when the byte at this offset was sent to it. */
const struct stamp *client_stamp_at(struct client *client, uint64_t offset);

/* ---- client_tunnel.c ---- */

/* The next piece, or the end. */
void client_tunnel_send(struct client *client);

/* Bytes that have come; at: the offset of the first. False: the tunnel is over. */
bool client_tunnel_take(struct client *client, const char *content, size_t len, uint64_t at);

/* ---- client_cookie.c ---- */

/* Whether the request goes to the job's host, and which cookie it shows there. */
void client_draw_host(struct client *client, struct exchange_plan *plan);

/* Set-Cookie of an answer; empty: it has none. */
void client_take_cookie(
    struct client *client, const struct sim_exchange *exchange, struct slice field);

/* ---- client_stranger.c ---- */

/* Now and then it has no token: true, then it shows none. */
bool client_draw_stranger(struct client *client, struct exchange_plan *plan);

#define CLIENT_TARGET_MAX 64

/* The same for a name that is not to be read for it (plan->unread). */
void client_unread_target(const struct client *client, const struct exchange_plan *plan,
    uint32_t mark, char host[CLIENT_TARGET_MAX], char path[CLIENT_TARGET_MAX]);

/* ---- client_request.c ---- */

/* The host and the path of the request with this mark. */
void client_target(const struct client *client, const struct exchange_plan *plan, uint32_t mark,
    char host[CLIENT_TARGET_MAX], char path[CLIENT_TARGET_MAX]);

#endif
