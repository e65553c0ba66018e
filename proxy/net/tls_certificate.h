/* tls_certificate.h - one certificate with its chain, its key and its OCSP response, from files. */
#ifndef JOBGATE_TLS_CERTIFICATE_H
#define JOBGATE_TLS_CERTIFICATE_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "net/tls_server.h"

struct certificate {
	X509 *leaf;
	STACK_OF(X509) * chain; /* what goes with it, without the root */
	EVP_PKEY *key;
	size_t name_count;
	char **names;	     /* the DNS names it is for, lower case; a wildcard begins with "*." */
	unsigned char *ocsp; /* a response to be stapled, DER; NULL: none */
	size_t ocsp_len;
	time_t ocsp_until; /* stapled no longer than this */
};

/*
 * Read the files. False, with a sentence in error (cap bytes) that names the file, when one
 * cannot be read, the key is another certificate's, or the OCSP response is not good for it.
 */
bool certificate_load(
    struct certificate *out, const struct tls_certificate_files *files, char *error, size_t cap);

/* Read only the certificate itself; key and names stay empty. */
bool certificate_read(struct certificate *out, const char *path, char *error, size_t cap);

/* The validity period, in seconds since 1970. */
void certificate_validity(const struct certificate *certificate, time_t *from, time_t *until);

/* True when it is for this host name, as clients check it: by subjectAltName, with wildcards. */
bool certificate_covers(const struct certificate *certificate, const char *host);

/* Free what it has; a zeroed one is let pass. */
void certificate_clear(struct certificate *certificate);

/* True when both sign with the same kind of key (RSA, ECDSA, Ed25519). */
bool certificate_same_kind(const struct certificate *a, const struct certificate *b);

#endif
