/* tls_certificate.h - reads a certificate with its chain, its key and its OCSP response from files.
 */
#ifndef JOBGATE_TLS_CERTIFICATE_H
#define JOBGATE_TLS_CERTIFICATE_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "net/tls_server.h"

struct certificate {
	X509 *leaf;
	STACK_OF(X509) * chain; /* the intermediate certificates, without the root */
	EVP_PKEY *key;
	size_t name_count;
	char **names;	     /* its DNS names, in lower case; a wildcard begins with "*." */
	unsigned char *ocsp; /* a response to be stapled, DER; NULL: none */
	size_t ocsp_len;
	time_t ocsp_until; /* until when it may be stapled */
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

/*
 * True when it is valid for this host name, as clients check it: by subjectAltName, with wildcards.
 */
bool certificate_covers(const struct certificate *certificate, const char *host);

/* Free its members; harmless for a zeroed one. */
void certificate_clear(struct certificate *certificate);

/* True when both have the same kind of key (RSA, ECDSA, Ed25519, Ed448). */
bool certificate_same_kind(const struct certificate *a, const struct certificate *b);

#endif
