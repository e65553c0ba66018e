/* websocket_handshake.h - the part of a WebSocket's handshake that only HTTP/1 has (RFC 6455
 * section 4): a key, and the proof that the server has read it. */
#ifndef JOBGATE_HTTP1_WEBSOCKET_HANDSHAKE_H
#define JOBGATE_HTTP1_WEBSOCKET_HANDSHAKE_H

#include "http/websocket.h"

/* Make a key for a request of our own. False: there are no random bytes. */
bool websocket_make_key(char out[WEBSOCKET_KEY_LEN]);

/* Make the value that accepts a key. False: this OpenSSL has no SHA-1. */
bool websocket_make_accept(const char key[WEBSOCKET_KEY_LEN], char out[WEBSOCKET_ACCEPT_LEN]);

/*
 * True when an answer accepts this key: it has exactly one Sec-WebSocket-Accept, which is the right
 * one. Also drops all fields of that name from the answer: they mean nothing beyond the connection.
 */
bool websocket_take_accept(struct fields *fields, const char key[WEBSOCKET_KEY_LEN]);

#endif
