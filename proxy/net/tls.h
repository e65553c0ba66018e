/* tls.h - a TLS session on a connection, with OpenSSL between it and the socket. */
#ifndef JOBGATE_TLS_H
#define JOBGATE_TLS_H

#include <openssl/types.h>

#include "net/conn.h"

/*
 * OpenSSL reads and writes through a BIO on top of the connection. Reads are edge-triggered: a
 * socket that gave less than was asked is not asked again. Writes never block for OpenSSL: what the
 * kernel does not take waits here (conn->unsent) and is sent first. So no write has to be repeated
 * with the same bytes, and neither direction waits for the other.
 */
struct tls;

/*
 * Set up what client and server contexts share: TLS 1.2 or newer with forward secrecy, no
 * renegotiation, no compression, buffers held only while they hold bytes. False when OpenSSL
 * refuses.
 */
bool tls_context_init(SSL_CTX *context);

/*
 * A password callback for PEM_read_bio_PrivateKey and similar functions: a server cannot use a key
 * with a password, so OpenSSL must not ask for it on a terminal.
 */
int tls_no_password(char *into, int cap, int writing, void *ctx);

/*
 * Make a session of the context and put it on a connection, which owns it from now on.
 * NULL when memory is short. The caller sets its side (SSL_set_accept_state, ...).
 */
SSL *tls_open(SSL_CTX *context, struct conn *conn);

/* Continue the handshake; IO_OK when it is complete. */
enum io tls_handshake(struct tls *tls);

/* ---- for conn.c ---- */

/*
 * As conn_read and conn_write. IO_EOF only after a close_notify: otherwise content may be missing.
 */
enum io tls_read(struct tls *tls, char *into, size_t cap, size_t *n);
enum io tls_write(struct tls *tls, const struct iovec *pieces, int count, size_t *n);

/* As conn_unsent_content. */
size_t tls_unsent_content(const struct tls *tls);

/* The socket takes bytes again: send what is unsent. IO_OK when all has been sent. */
enum io tls_flush(struct tls *tls);

/* Send close_notify, once. If part of it stays unsent, the stream ends after it. */
void tls_end(struct tls *tls);

/* Free the session without sending anything. NULL is harmless. */
void tls_free(struct tls *tls);

/* ---- what is known of a session ---- */

/* Why it failed, for people; static, or valid until the next failure on this thread. */
const char *tls_error_text(const struct tls *tls);

/* True when it failed because the connection ended, not because of an error of either side. */
bool tls_is_cut(const struct tls *tls);

/* True when we did not accept the peer's certificate. */
bool tls_is_unverified(const struct tls *tls);

/* True when the handshake agreed on HTTP/2 (ALPN). */
bool tls_is_http2(const struct tls *tls);

/* True when the handshake resumed an earlier session. */
bool tls_is_resumed(const struct tls *tls);

#endif
