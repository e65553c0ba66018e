/* tls.c - TLS to the store. Certificates are always verified; no option turns that off. */
#include "auth/redis/tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>

/*
 * Certificates hold IP addresses in a form of their own, and addresses are not sent as SNI (RFC
 * 6066 section 3).
 */
static bool
expect_host(SSL *ssl, const char *host)
{
	unsigned char address[sizeof(struct in6_addr)];

	if (inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1)
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

/*
 * The system's CAs are a directory that OpenSSL reads on demand, which is cheap enough for each
 * connection.
 */
static bool
load_authorities(SSL_CTX *ctx, const char *ca_file)
{
	return ca_file != NULL ? SSL_CTX_load_verify_file(ctx, ca_file) == 1
			       : SSL_CTX_set_default_verify_paths(ctx) == 1;
}

bool
redis_tls_check(const char *ca_file)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	bool good = ctx != NULL && load_authorities(ctx, ca_file);

	SSL_CTX_free(ctx);
	ERR_clear_error();
	return good;
}

SSL *
redis_tls_new(const char *host, const char *ca_file, char *error, size_t cap)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = NULL;

	if (ctx == NULL || SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1)
		goto done;
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	if (!load_authorities(ctx, ca_file)) {
		snprintf(error, cap, "cannot read the CA file %s", ca_file != NULL ? ca_file : "");
		goto done_said;
	}
	ssl = SSL_new(ctx);
	if (ssl != NULL && !expect_host(ssl, host)) {
		SSL_free(ssl);
		ssl = NULL;
	}
done:
	if (ssl == NULL)
		snprintf(error, cap, "cannot set up TLS");
done_said:
	SSL_CTX_free(ctx); /* the SSL holds its own reference */
	ERR_clear_error();
	return ssl;
}

void
redis_tls_error(const SSL *ssl, unsigned long code, char *out, size_t cap)
{
	const char *reason = code != 0 ? ERR_reason_error_string(code) : NULL;
	long verdict = SSL_get_verify_result(ssl);

	if (verdict != X509_V_OK)
		reason = X509_verify_cert_error_string(verdict);
	snprintf(out, cap, "TLS: %s", reason != NULL ? reason : "the connection failed");
}
