/* tls.h - TLS of the control API's TCP address. */
#ifndef JOBGATE_CONTROL_TLS_H
#define JOBGATE_CONTROL_TLS_H

#include <openssl/ssl.h>

#include "jobgate/log.h"

/*
 * A context for TLS 1.2 and newer with this certificate (its chain behind it, PEM)
 * and key. With client_ca, clients must present a certificate of one of its
 * authorities. NULL after logging why; the caller's to SSL_CTX_free.
 */
SSL_CTX *control_tls_new(
    const char *certificate, const char *key, const char *client_ca, const struct log *log);

#endif
