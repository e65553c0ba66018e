/* tls_server.h - TLS sessions with clients: certificates chosen by name, client certificates,
 * tickets.
 */
#ifndef JOBGATE_TLS_SERVER_H
#define JOBGATE_TLS_SERVER_H

#include "net/tls.h"
#include "net/tls_tickets.h"

/*
 * Files: a certificate followed by its chain, and its key, in PEM; an OCSP response in DER, or
 * NULL.
 */
struct tls_certificate_files {
	const char *certificate, *key, *ocsp;
};

enum tls_client_certificates { TLS_CLIENTS_UNASKED, TLS_CLIENTS_OPTIONAL, TLS_CLIENTS_REQUIRED };

struct tls_server_options {
	size_t count; /* at least 1; the first certificate is for clients that do not name a host
			 that we know */
	const struct tls_certificate_files *certificates;
	bool tls13_only;
	bool http2; /* offer it by ALPN, before HTTP/1.1 */
	enum tls_client_certificates client_certificates;
	const char *client_ca;	     /* PEM; the CAs of clients' certificates */
	struct tls_tickets *tickets; /* keys of session tickets; NULL: no tickets are issued */
	uint64_t ticket_lifetime_s;
};

/*
 * What all sessions with clients share; it is read once and shared by processes that are forked
 * later. A certificate serves the DNS names in its subjectAltName, exact ones before wildcards.
 * Several certificates with the same name must have different kinds of key; each client gets one
 * that it can verify.
 */
struct tls_server;

/* NULL, with a sentence that names the file in error (cap bytes), when something is wrong. */
struct tls_server *tls_server_new(
    const struct tls_server_options *options, char *error, size_t cap);
void tls_server_free(struct tls_server *server);

/* Begin a session on a connection; call tls_handshake next. False when memory is short. */
bool tls_server_open(struct tls_server *server, struct conn *conn);

#endif
