/* tls_client.c - TLS sessions to backends: verifies certificates, and resumes earlier sessions. */
#include "net/tls_client.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

#define NAME_MAX_LEN 253

struct tls_client {
	SSL_CTX *context;
};

/*
 * A ticket has come; with TLS 1.3 that is some time after the handshake. We keep a copy, because
 * OpenSSL marks the session of a connection that ends without close_notify as unusable, and most
 * end so.
 */
static int
on_session(SSL *ssl, SSL_SESSION *session)
{
	SSL_SESSION **slot = SSL_get_app_data(ssl);

	SSL_SESSION_free(*slot);
	*slot = SSL_SESSION_dup(session);
	return 0;
}

/* Resume an earlier session, by a copy of it. */
static void
resume(SSL *ssl, const SSL_SESSION *session)
{
	SSL_SESSION *copy = SSL_SESSION_dup(session);

	if (copy != NULL)
		SSL_set_session(ssl, copy);
	SSL_SESSION_free(copy);
}

/* Write what is wrong with a file. Always returns false. */
static bool
file_error(char *error, size_t cap, const char *file, const char *text)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	snprintf(
	    error, cap, "%s: %s (%s)", file, text, reason != NULL ? reason : "no reason known");
	return false;
}

/* Load the CA certificates that we trust, and our own certificate. */
static bool
load_files(SSL_CTX *context, const struct tls_client_options *options, char *error, size_t cap)
{
	if (options->ca_file == NULL)
		SSL_CTX_set_default_verify_paths(context);
	else if (SSL_CTX_load_verify_file(context, options->ca_file) != 1)
		return file_error(
		    error, cap, options->ca_file, "no CA certificates can be read from it");
	if (options->certificate == NULL)
		return true;
	SSL_CTX_set_default_passwd_cb(context, tls_no_password);
	if (SSL_CTX_use_certificate_chain_file(context, options->certificate) != 1)
		return file_error(error, cap, options->certificate, "not a certificate in PEM");
	if (SSL_CTX_use_PrivateKey_file(context, options->key, SSL_FILETYPE_PEM) != 1)
		return file_error(error, cap, options->key,
		    "not the key of the certificate, in PEM without a password");
	return true;
}

struct tls_client *
tls_client_new(const struct tls_client_options *options, char *error, size_t cap)
{
	struct tls_client *client = calloc(1, sizeof(*client));

	snprintf(error, cap, "out of memory");
	if (client == NULL || (client->context = SSL_CTX_new(TLS_client_method())) == NULL)
		goto fail;
	if (!tls_context_init(client->context))
		goto fail;
	if (!options->unverified)
		SSL_CTX_set_verify(client->context, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_session_cache_mode(
	    client->context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(client->context, on_session);
	if (load_files(client->context, options, error, cap))
		return client;
fail:
	ERR_clear_error();
	tls_client_free(client);
	return NULL;
}

void
tls_client_free(struct tls_client *client)
{
	if (client == NULL)
		return;
	SSL_CTX_free(client->context);
	free(client);
}

/*
 * Have the certificate checked for this host, which is an address or a name; a name is also sent as
 * SNI.
 */
static bool
expect_host(SSL *ssl, const char *host)
{
	unsigned char address[16];

	if (inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1)
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

static bool
offer(SSL *ssl, enum tls_protocols offered)
{
	static const unsigned char both[] = "\x02h2\x08http/1.1";
	const unsigned char *from = offered == TLS_HTTP1 ? both + 3 : both;
	size_t len = sizeof(both) - 1;

	if (offered == TLS_HTTP1)
		len -= 3;
	else if (offered == TLS_HTTP2)
		len = 3;
	return SSL_set_alpn_protos(ssl, from, (unsigned)len) == 0;
}

bool
tls_client_open(struct tls_client *client, struct conn *conn, struct slice host,
    enum tls_protocols offered, SSL_SESSION **session)
{
	char name[NAME_MAX_LEN + 1];
	SSL *ssl;

	if (host.len > NAME_MAX_LEN)
		return false;
	memcpy(name, host.at, host.len);
	name[host.len] = '\0';
	ssl = tls_open(client->context, conn);
	if (ssl == NULL)
		return false;
	SSL_set_app_data(ssl, session);
	if (!expect_host(ssl, name) || !offer(ssl, offered))
		return false; /* freed with the connection */
	if (*session != NULL)
		resume(ssl, *session);
	SSL_set_connect_state(ssl);
	return true;
}

void
tls_session_free(SSL_SESSION *session)
{
	SSL_SESSION_free(session);
}
