/* client_state.h - what client.c and client_request.c share; only they include it. */
#ifndef SIM_CLIENT_STATE_H
#define SIM_CLIENT_STATE_H

#include "client.h"
#include "exchanges.h"

/* Draw a request and put its head into client->out; its content follows by client_send. */
void client_put_request(struct client *client, bool pipelined);

/* Send what waits, and content. */
void client_send(struct client *client);

#endif
