/* tls_client.h - TLS to backends. */
#ifndef JOBGATE_TLS_CLIENT_H
#define JOBGATE_TLS_CLIENT_H

#include "jobgate/slice.h"
#include "net/tls.h"

typedef struct ssl_session_st SSL_SESSION; /* openssl/types.h has forgotten it */

/* All files are PEM. */
struct tls_client_options {
	const char *ca_file;	       /* authorities of backends; NULL: the system's */
	const char *certificate, *key; /* shown to a backend that asks; both NULL: none */
	bool unverified; /* accept any certificate: an attacker on the way can read all */
};

/* What all connections to backends share. */
struct tls_client;

/* NULL, with a sentence that names the file in error (cap bytes), when something is wrong. */
struct tls_client *tls_client_new(
    const struct tls_client_options *options, char *error, size_t cap);
void tls_client_free(struct tls_client *client);

/* What is offered to a backend (ALPN); tls_is_http2 says what it chose. */
enum tls_protocols {
	TLS_HTTP1,
	TLS_HTTP2,
	TLS_HTTP2_OR_HTTP1, /* the first is preferred */
};

/*
 * Begin a session on a connection, to be brought up by tls_handshake. host is the name (sent as
 * SNI, too) or address that the certificate must be for. *session is what the last
 * connection to the same host and port left, to be taken up again; it is kept up to date
 * and outlives the connection. False when memory is short.
 */
bool tls_client_open(struct tls_client *client, struct conn *conn, struct slice host,
    enum tls_protocols offered, SSL_SESSION **session);

/* Forget a session; NULL is let pass. */
void tls_session_free(SSL_SESSION *session);

#endif
