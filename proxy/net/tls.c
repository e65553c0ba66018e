/* tls.c - OpenSSL as a client that reads and writes like a socket. */
#include "net/tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#define NAME_MAX_LEN 253

struct tls_client {
	SSL_CTX *context;
};

struct tls_client *
tls_client_new(const char *ca_file, const char **error)
{
	static const unsigned char protocols[] = "\x08http/1.1";
	struct tls_client *client = calloc(1, sizeof(*client));

	*error = "out of memory";
	if (client == NULL || (client->context = SSL_CTX_new(TLS_client_method())) == NULL)
		goto fail;
	SSL_CTX_set_verify(client->context, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_min_proto_version(client->context, TLS1_2_VERSION);
	/* Buffers go back between records; a write may continue from another buffer, with fewer
	 * bytes. */
	SSL_CTX_set_mode(client->context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
					      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_options(client->context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	if (SSL_CTX_set_alpn_protos(client->context, protocols, sizeof(protocols) - 1) != 0)
		goto fail;
	*error = "the file of authorities cannot be read";
	if (ca_file != NULL ? SSL_CTX_load_verify_file(client->context, ca_file) != 1
			    : SSL_CTX_set_default_verify_paths(client->context) != 1)
		goto fail;
	*error = NULL;
	return client;
fail:
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

/* Have the certificate checked for this host: an address as an address, a name as a name, sent as
 * SNI too. */
static bool
expect_host(SSL *ssl, const char *host)
{
	unsigned char address[16];

	if (inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1)
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

SSL *
tls_client_open(struct tls_client *client, int fd, struct slice host)
{
	char name[NAME_MAX_LEN + 1];
	SSL *ssl;

	if (host.len > NAME_MAX_LEN)
		return NULL;
	memcpy(name, host.at, host.len);
	name[host.len] = '\0';
	ssl = SSL_new(client->context);
	if (ssl == NULL)
		return NULL;
	if (!expect_host(ssl, name) || SSL_set_fd(ssl, fd) != 1) {
		SSL_free(ssl);
		return NULL;
	}
	SSL_set_connect_state(ssl);
	return ssl;
}

static enum tls_io
result_of(SSL *ssl, int result)
{
	switch (SSL_get_error(ssl, result)) {
	case SSL_ERROR_NONE:
		return TLS_IO_OK;
	case SSL_ERROR_WANT_READ:
		return TLS_IO_WANT_READ;
	case SSL_ERROR_WANT_WRITE:
		return TLS_IO_WANT_WRITE;
	case SSL_ERROR_ZERO_RETURN:
		return TLS_IO_EOF;
	default:
		return TLS_IO_ERROR;
	}
}

enum tls_io
tls_handshake(SSL *ssl)
{
	ERR_clear_error();
	return result_of(ssl, SSL_do_handshake(ssl));
}

enum tls_io
tls_read(SSL *ssl, char *into, size_t cap, size_t *n)
{
	ERR_clear_error();
	return result_of(ssl, SSL_read_ex(ssl, into, cap, n));
}

enum tls_io
tls_write(SSL *ssl, const char *from, size_t len, size_t *n)
{
	ERR_clear_error();
	return result_of(ssl, SSL_write_ex(ssl, from, len, n));
}

void
tls_shutdown(SSL *ssl)
{
	/* Not while a handshake runs, nor after a fatal error: OpenSSL would complain. */
	if (SSL_is_init_finished(ssl))
		SSL_shutdown(ssl);
	ERR_clear_error();
}

void
tls_close(SSL *ssl)
{
	tls_shutdown(ssl);
	SSL_free(ssl);
}

const char *
tls_error_text(SSL *ssl)
{
	long verify = SSL_get_verify_result(ssl);
	const char *reason;

	if (verify != X509_V_OK)
		return X509_verify_cert_error_string(verify);
	reason = ERR_reason_error_string(ERR_peek_error());
	return reason != NULL ? reason : "the connection was closed";
}
