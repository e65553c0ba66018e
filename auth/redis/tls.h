/* tls.h - the client side of rediss://. */
#ifndef JOBGATE_REDIS_TLS_H
#define JOBGATE_REDIS_TLS_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * Make an SSL object that accepts only a server with a certificate for this host name or address,
 * from a CA of ca_file (NULL: the system's). The caller frees it. NULL, with a sentence in error,
 * when that cannot be set up.
 */
SSL *redis_tls_new(const char *host, const char *ca_file, char *error, size_t cap);

/* True when CA certificates can be read from this file (NULL: the system's). */
bool redis_tls_check(const char *ca_file);

/*
 * Write what went wrong: the verdict on the certificate, or else the text of the OpenSSL error
 * code.
 */
void redis_tls_error(const SSL *ssl, unsigned long code, char *out, size_t cap);

#endif
