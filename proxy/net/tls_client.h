/* tls_client.h - TLS sessions to backends. */
#ifndef JOBGATE_TLS_CLIENT_H
#define JOBGATE_TLS_CLIENT_H

#include "jobgate/slice.h"
#include "net/tls.h"

typedef struct ssl_session_st SSL_SESSION; /* openssl/types.h does not declare it */

/* All files are PEM. */
struct tls_client_options {
	const char *ca_file;	       /* CA certificates for backends; NULL: the system's */
	const char *certificate, *key; /* shown to a backend that asks; both NULL: none */
	bool
	    unverified; /* accept any certificate: an attacker on the network can read everything */
};

/* The part that all connections to backends share. */
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
 * Begin a session on a connection; call tls_handshake next. The certificate must be for host, a
 * name (also sent as SNI) or an address. *session is the session of the last connection to the same
 * host and port, which is resumed; it is kept up to date and must outlive the connection. False
 * when memory is short.
 */
bool tls_client_open(struct tls_client *client, struct conn *conn, struct slice host,
    enum tls_protocols offered, SSL_SESSION **session);

/* Free a session; NULL is harmless. */
void tls_session_free(SSL_SESSION *session);

#endif
