/* tls.c - certificates and keys from files. */
#include "auth/control/tls.h"

#include <openssl/err.h>

/* A key with a pass phrase would ask a terminal for it: there is none. */
static int
no_pass_phrase(char *into, /* NOLINT(readability-non-const-parameter): pem_password_cb has it */
    int cap, int writing, void *ctx)
{
	(void)into;
	(void)cap;
	(void)writing;
	(void)ctx;
	return -1;
}

static bool
set_up(SSL_CTX *context)
{
	SSL_CTX_set_default_passwd_cb(context, no_pass_phrase);
	/* Nothing is resumed: each handshake proves the client's certificate anew. */
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_options(
	    context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
	       SSL_CTX_set_num_tickets(context, 0) == 1;
}

static bool
require_clients_of(SSL_CTX *context, const char *client_ca)
{
	STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(client_ca);

	if (names == NULL)
		return false;
	SSL_CTX_set_client_CA_list(context, names);
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	return SSL_CTX_load_verify_file(context, client_ca) == 1;
}

static void
log_failure(const struct log *log, const char *setting, const char *file)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	log_error(log, "%s: %s cannot be used: %s", setting, file,
	    reason != NULL ? reason : "it cannot be read");
	ERR_clear_error();
}

SSL_CTX *
control_tls_new(
    const char *certificate, const char *key, const char *client_ca, const struct log *log)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());

	if (context == NULL || !set_up(context))
		log_error(log, "control.listen: TLS cannot be set up");
	else if (SSL_CTX_use_certificate_chain_file(context, certificate) != 1)
		log_failure(log, "control.certificate", certificate);
	else if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
		log_failure(log, "control.key", key);
	else if (client_ca != NULL && !require_clients_of(context, client_ca))
		log_failure(log, "control.client_ca", client_ca);
	else
		return context;
	SSL_CTX_free(context);
	return NULL;
}
