/* tls_server.h - TLS towards clients: certificates chosen by name, client certificates, tickets. */
#ifndef JOBGATE_TLS_SERVER_H
#define JOBGATE_TLS_SERVER_H

#include "net/tls.h"
#include "net/tls_tickets.h"

/* A certificate with its chain behind it and its key, PEM; an OCSP response, DER, or NULL. */
struct tls_certificate_files {
	const char *certificate, *key, *ocsp;
};

enum tls_client_certificates { TLS_CLIENTS_UNASKED, TLS_CLIENTS_OPTIONAL, TLS_CLIENTS_REQUIRED };

struct tls_server_options {
	size_t count; /* over 0; the first certificate is for clients that name no host we know */
	const struct tls_certificate_files *certificates;
	bool tls13_only;
	bool http2; /* is offered by ALPN, before HTTP/1.1 */
	enum tls_client_certificates client_certificates;
	const char *client_ca;	     /* PEM; whose certificates clients have */
	struct tls_tickets *tickets; /* keys of session tickets; NULL: none are given out */
	uint64_t ticket_lifetime_s;
};

/*
 * All that sessions with clients have in common, read once and shared by the processes that are
 * forked afterwards. A certificate serves the DNS names in its subjectAltName, exact ones before
 * wildcards; of several for the same name the client has the one it can verify (one of
 * each kind of key).
 */
struct tls_server;

/* NULL, with a sentence that names the file in error (cap bytes), when something is wrong. */
struct tls_server *tls_server_new(
    const struct tls_server_options *options, char *error, size_t cap);
void tls_server_free(struct tls_server *server);

/* Begin a session on a connection, to be brought up by tls_handshake. False: memory is short. */
bool tls_server_open(struct tls_server *server, struct conn *conn);

#endif
