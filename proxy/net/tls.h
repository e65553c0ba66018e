/* tls.h - TLS to backends, on sockets that do not block. */
#ifndef JOBGATE_TLS_H
#define JOBGATE_TLS_H

#include <openssl/types.h>

#include "jobgate/slice.h"

struct tls_client;

/*
 * What all connections to backends share: certificates are verified against ca_file, or
 * the system's authorities with NULL; TLS 1.2 or newer. NULL, with a static
 * sentence in *error, when that cannot be set up.
 */
struct tls_client *tls_client_new(const char *ca_file, const char **error);
void tls_client_free(struct tls_client *client);

/*
 * A session on a connected socket, which the caller keeps owning. host is the name
 * (also sent as SNI) or address that the certificate must be for. NULL when memory is short.
 */
SSL *tls_client_open(struct tls_client *client, int fd, struct slice host);

enum tls_io {
	TLS_IO_OK,
	TLS_IO_WANT_READ,
	TLS_IO_WANT_WRITE,
	TLS_IO_EOF,   /* the peer closed the session in good order */
	TLS_IO_ERROR, /* also a connection that ended without saying so: content may be cut */
};

enum tls_io tls_handshake(SSL *ssl);
enum tls_io tls_read(SSL *ssl, char *into, size_t cap, size_t *n);
enum tls_io tls_write(SSL *ssl, const char *from, size_t len, size_t *n);

/* Tell the peer that nothing more will be sent, if that can be done at once. */
void tls_shutdown(SSL *ssl);

/* The same, and free the session. */
void tls_close(SSL *ssl);

/* Why a handshake failed; good until the next call on this thread. */
const char *tls_error_text(SSL *ssl);

#endif
