/* tls.h - one TLS session on a connection: OpenSSL in the place of the socket. */
#ifndef JOBGATE_TLS_H
#define JOBGATE_TLS_H

#include <openssl/types.h>

#include "net/conn.h"

/*
 * OpenSSL reads and writes through a BIO that is the connection below. Reading
 * goes by the connection's edges: a socket that gave less than was asked is not asked
 * again. Writing never blocks for OpenSSL: what the kernel does not take waits here
 * (conn->unsent) and goes first, so that no write has to be repeated with the same bytes,
 * and neither direction ever waits for the other.
 */
struct tls;

/*
 * What client and server contexts have in common: TLS 1.2 or newer with forward secrecy, no
 * renegotiation, no compression, buffers held only while bytes are in them. False when
 * OpenSSL refuses.
 */
bool tls_context_init(SSL_CTX *context);

/*
 * For PEM_read_bio_PrivateKey and friends: a key that is locked with a password is no use
 * to a server, so OpenSSL must not ask for one on a terminal.
 */
int tls_no_password(char *into, int cap, int writing, void *ctx);

/*
 * Make a session of the context and put it on a connection, which owns it from now on.
 * NULL when memory is short. The caller sets its side (SSL_set_accept_state, ...).
 */
SSL *tls_open(SSL_CTX *context, struct conn *conn);

/* Go on with the handshake: IO_OK when it is complete. */
enum io tls_handshake(struct tls *tls);

/* ---- for conn.c ---- */

/* As conn_read and conn_write. IO_EOF only after a close_notify: else content may be cut. */
enum io tls_read(struct tls *tls, char *into, size_t cap, size_t *n);
enum io tls_write(struct tls *tls, const struct iovec *pieces, int count, size_t *n);

/* The socket takes bytes again: send what is unsent. IO_OK: all of it is gone. */
enum io tls_flush(struct tls *tls);

/* Send close_notify, once. What of it stays unsent is followed by the end of the stream. */
void tls_end(struct tls *tls);

/* Sends nothing. NULL is let pass. */
void tls_free(struct tls *tls);

/* ---- what is known of a session ---- */

/* Why it failed, for people; static, or good until the next failure on this thread. */
const char *tls_error_text(const struct tls *tls);

/* It failed as the connection ended; the peer found no fault with us, nor we with it. */
bool tls_is_cut(const struct tls *tls);

/* The peer's certificate was not one that we accept. */
bool tls_is_unverified(const struct tls *tls);

/* The handshake agreed on HTTP/2 (ALPN). */
bool tls_is_http2(const struct tls *tls);

/* The handshake took up an earlier session. */
bool tls_is_resumed(const struct tls *tls);

#endif
