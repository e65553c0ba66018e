/* backend_state.h - what backend.c and backend_answer.c share; only they include it. */
#ifndef SIM_BACKEND_STATE_H
#define SIM_BACKEND_STATE_H

#include <errno.h>

#include "backend.h"
#include "message.h"

enum backend_connection_state {
	BACKEND_READING,
	BACKEND_THINKING, /* the request is whole; the answer comes after a while */
	BACKEND_ANSWERING,
	BACKEND_TUNNEL,
	BACKEND_SILENT, /* it will not answer */
};

struct backend_connection {
	LIST_ENTRY(backend_connection) link;
	struct backend *backend;
	struct end *end;
	enum backend_connection_state state;
	struct message message;
	enum message_part was; /* the part that was being read before */
	uint64_t head_offset;
	uint32_t mark;
	bool exchange_known;
	struct bytes out;
	struct alarm act;
	uint64_t answered; /* content put out so far */
	uint64_t tunnel_in;
	bool client_ended, closing;
};

void backend_connection_close(struct backend_connection *connection, bool reset);

/* It sends nothing more of the answer from now on. */
void backend_note_answered(const struct backend_connection *connection);

/* ---- backend_answer.c ---- */

/* The time has come for the next step of the answer. The connection may be gone afterwards. */
void backend_act(struct backend_connection *connection);

/* Send what waits. The connection may be gone afterwards. */
void backend_send(struct backend_connection *connection);

#endif
