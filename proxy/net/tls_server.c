/* tls_server.c - makes a context for each name of our certificates, and chooses between them. */
#include "net/tls_server.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/tls_certificate.h"

#define NAME_MAX_LEN 253

/* The most certificates of a set, one for each kind of key: RSA, ECDSA, Ed25519, Ed448. */
#define KINDS_MAX 4

/* A host name, and the certificate that contains it. */
struct name {
	const char *text;
	size_t certificate;
	SSL_CTX *context;
};

/*
 * There is one context for each set of certificates that serves a name. The first one begins each
 * session, and serves unknown names. Names are sorted, so that equal names are neighbours.
 */
struct tls_server {
	struct tls_tickets *tickets;
	bool http2; /* offer it by ALPN */
	size_t certificate_count;
	struct certificate *certificates;
	size_t name_count;
	struct name *names;
	size_t context_count;
	struct served {
		SSL_CTX *context;
		size_t count, certificates[KINDS_MAX];
	} * contexts;
};

/* ---- called by OpenSSL during a handshake ---- */

static int
compare_names(const void *a, const void *b)
{
	const struct name *left = a, *right = b;
	int order = strcmp(left->text, right->text);

	if (order != 0)
		return order;
	return left->certificate < right->certificate ? -1 : left->certificate > right->certificate;
}

static int
compare_text(const void *text, const void *name)
{
	return strcmp(text, ((const struct name *)name)->text);
}

static SSL_CTX *
find_name(const struct tls_server *server, const char *text)
{
	const struct name *found =
	    bsearch(text, server->names, server->name_count, sizeof(*server->names), compare_text);

	return found != NULL ? found->context : NULL;
}

/* Find the context for a name that a client asks for, or NULL. */
static SSL_CTX *
context_for(const struct tls_server *server, const char *asked)
{
	char name[NAME_MAX_LEN + 1];
	size_t len = strlen(asked);
	char *dot;
	SSL_CTX *context;

	if (len == 0 || len > NAME_MAX_LEN)
		return NULL;
	for (size_t i = 0; i <= len; i++)
		name[i] = (char)(asked[i] >= 'A' && asked[i] <= 'Z' ? asked[i] + 32 : asked[i]);
	context = find_name(server, name);
	dot = strchr(name, '.');
	if (context != NULL || dot == NULL || dot == name)
		return context;
	/* A wildcard matches one whole label (RFC 6125 section 6.4.3). */
	dot[-1] = '*';
	return find_name(server, dot - 1);
}

static int
on_server_name(SSL *ssl, int *alert, void *ctx)
{
	const struct tls_server *server = ctx;
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	SSL_CTX *context = name != NULL ? context_for(server, name) : NULL;

	*alert =
	    SSL_AD_UNRECOGNIZED_NAME; /* never sent: unknown names get the default certificate */
	if (context == NULL)
		return SSL_TLSEXT_ERR_NOACK;
	if (context != SSL_get_SSL_CTX(ssl))
		SSL_set_SSL_CTX(ssl, context);
	return SSL_TLSEXT_ERR_OK;
}

/*
 * Choose the protocol (RFC 7301). A client that offers only protocols that we do not speak gets an
 * alert.
 */
static int
on_protocols(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in,
    unsigned in_len, void *ctx)
{
	static const unsigned char all[] = "\x02h2\x08http/1.1\x08http/1.0";
	const struct tls_server *server = ctx;
	size_t skipped = server->http2 ? 0 : 3;

	(void)ssl;
	if (SSL_select_next_proto((unsigned char **)out, out_len, all + skipped,
		(unsigned)(sizeof(all) - 1 - skipped), in, in_len) == OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_OK;
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* Staple the OCSP response of the chosen certificate, unless it is too old by now. */
static int
on_status(SSL *ssl, void *ctx)
{
	const struct tls_server *server = ctx;
	const X509 *leaf = SSL_get_certificate(ssl);
	unsigned char *copy;

	for (size_t i = 0; i < server->certificate_count; i++) {
		const struct certificate *certificate = &server->certificates[i];

		if (certificate->leaf != leaf)
			continue;
		if (certificate->ocsp == NULL || time(NULL) >= certificate->ocsp_until)
			return SSL_TLSEXT_ERR_NOACK;
		copy = OPENSSL_memdup(certificate->ocsp, certificate->ocsp_len);
		if (copy == NULL)
			return SSL_TLSEXT_ERR_NOACK;
		SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)certificate->ocsp_len);
		return SSL_TLSEXT_ERR_OK;
	}
	return SSL_TLSEXT_ERR_NOACK;
}

/* Set up the MAC of a ticket. */
static bool
ticket_mac(EVP_MAC_CTX *mac, const struct ticket_key *key)
{
	OSSL_PARAM params[] = {
	    OSSL_PARAM_construct_octet_string(
		OSSL_MAC_PARAM_KEY, (void *)key->mac, sizeof(key->mac)),
	    OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0),
	    OSSL_PARAM_construct_end(),
	};

	return EVP_MAC_CTX_set_params(mac, params) == 1;
}

/*
 * Find the key to make or read a ticket. Returns 0 if there is none, so that a full handshake
 * follows; 1 on success; 2 on success when the client should get a new ticket.
 */
static int
on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
    EVP_MAC_CTX *mac, int making)
{
	const struct tls_server *server = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	const struct ticket_key *current = tls_tickets_current(server->tickets);
	const struct ticket_key *key = making ? current : tls_tickets_find(server->tickets, name);

	if (key == NULL || !ticket_mac(mac, key))
		return 0;
	if (!making) {
		if (EVP_DecryptInit_ex2(cipher, EVP_aes_256_cbc(), key->cipher, iv, NULL) != 1)
			return 0;
		/* With TLS 1.3 a ticket is used once, so that observers cannot link two
		 * connections to one client (RFC 8446 appendix C.4). */
		return key == current && SSL_version(ssl) < TLS1_3_VERSION ? 1 : 2;
	}
	memcpy(name, key->name, sizeof(key->name));
	return RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) == 1 &&
	       EVP_EncryptInit_ex2(cipher, EVP_aes_256_cbc(), key->cipher, iv, NULL) == 1;
}

/* ---- setting up contexts ---- */

/*
 * A resumed session does not present the client's certificate again. So a session is valid only
 * under the same demands: one that was made with another rule for client certificates, or other
 * CAs, is not resumed.
 */
static bool
bind_sessions(SSL_CTX *context, const struct tls_server_options *options)
{
	unsigned char rule = (unsigned char)options->client_certificates;
	unsigned char digest[EVP_MAX_MD_SIZE], bytes[4096];
	EVP_MD_CTX *sum = EVP_MD_CTX_new();
	FILE *file = options->client_ca != NULL ? fopen(options->client_ca, "re") : NULL;
	unsigned len = 0;
	size_t n;
	bool good = sum != NULL && EVP_DigestInit_ex2(sum, EVP_sha256(), NULL) == 1 &&
		    EVP_DigestUpdate(sum, &rule, 1) == 1;

	while (good && file != NULL && (n = fread(bytes, 1, sizeof(bytes), file)) > 0)
		good = EVP_DigestUpdate(sum, bytes, n) == 1;
	good = good && EVP_DigestFinal_ex(sum, digest, &len) == 1 &&
	       SSL_CTX_set_session_id_context(context, digest, len) == 1;
	if (file != NULL)
		fclose(file);
	EVP_MD_CTX_free(sum);
	return good;
}

/* Ask clients for certificates. */
static bool
context_clients(SSL_CTX *context, const struct tls_server_options *options)
{
	STACK_OF(X509_NAME) * names;

	if (options->client_certificates == TLS_CLIENTS_UNASKED)
		return true;
	names = SSL_load_client_CA_file(options->client_ca);
	if (names == NULL || SSL_CTX_load_verify_file(context, options->client_ca) != 1) {
		sk_X509_NAME_pop_free(names, X509_NAME_free);
		return false;
	}
	SSL_CTX_set_client_CA_list(context, names);
	SSL_CTX_set_verify(context,
	    SSL_VERIFY_PEER | (options->client_certificates == TLS_CLIENTS_REQUIRED
				      ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT
				      : 0),
	    NULL);
	return true;
}

static bool
context_tickets(
    SSL_CTX *context, struct tls_server *server, const struct tls_server_options *options)
{
	SSL_CTX_set_app_data(context, server);
	if (options->tickets == NULL) {
		SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
		return SSL_CTX_set_num_tickets(context, 0) == 1;
	}
	SSL_CTX_set_timeout(context, (long)options->ticket_lifetime_s);
	/*
	 * One ticket per handshake, not OpenSSL's two: a client that needs several makes several
	 * handshakes.
	 */
	return SSL_CTX_set_num_tickets(context, 1) == 1 &&
	       SSL_CTX_set_tlsext_ticket_key_evp_cb(context, on_ticket) == 1;
}

static bool
context_set_up(struct tls_server *server, const struct served *served,
    const struct tls_server_options *options)
{
	SSL_CTX *context = served->context;

	if (!tls_context_init(context))
		return false;
	if (options->tls13_only && SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1)
		return false;
	SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	if (!bind_sessions(context, options) || !context_clients(context, options) ||
	    !context_tickets(context, server, options))
		return false;
	SSL_CTX_set_alpn_select_cb(context, on_protocols, server);
	SSL_CTX_set_tlsext_servername_callback(context, on_server_name);
	SSL_CTX_set_tlsext_servername_arg(context, server);
	SSL_CTX_set_tlsext_status_cb(context, on_status);
	SSL_CTX_set_tlsext_status_arg(context, server);
	for (size_t i = 0; i < served->count; i++) {
		const struct certificate *certificate =
		    &server->certificates[served->certificates[i]];

		if (SSL_CTX_use_cert_and_key(
			context, certificate->leaf, certificate->key, certificate->chain, 1) != 1)
			return false;
	}
	return true;
}

/* The context for a set of certificates, made if it does not exist yet. NULL on an error. */
static SSL_CTX *
context_of(
    struct tls_server *server, struct served *wanted, const struct tls_server_options *options)
{
	struct served *served;

	for (size_t i = 0; i < server->context_count; i++)
		if (server->contexts[i].count == wanted->count &&
		    memcmp(server->contexts[i].certificates, wanted->certificates,
			wanted->count * sizeof(wanted->certificates[0])) == 0)
			return server->contexts[i].context;
	served = &server->contexts[server->context_count];
	*served = *wanted;
	served->context = SSL_CTX_new(TLS_server_method());
	if (served->context == NULL)
		return NULL;
	server->context_count++;
	return context_set_up(server, served, options) ? served->context : NULL;
}

/* Add a certificate to a set, unless the set has one with that kind of key. */
static void
served_add(const struct tls_server *server, struct served *served, size_t certificate)
{
	for (size_t i = 0; i < served->count; i++)
		if (certificate_same_kind(&server->certificates[served->certificates[i]],
			&server->certificates[certificate]))
			return;
	if (served->count < KINDS_MAX)
		served->certificates[served->count++] = certificate;
}

/* The set of all certificates with the name names[first], in the order of the configuration. */
static struct served
served_for(const struct tls_server *server, size_t first, size_t *behind)
{
	struct served served = {0};
	size_t i = first;

	for (; i < server->name_count &&
	       strcmp(server->names[i].text, server->names[first].text) == 0;
	     i++)
		served_add(server, &served, server->names[i].certificate);
	*behind = i;
	return served;
}

static bool
collect_names(struct tls_server *server)
{
	size_t count = 0;

	for (size_t i = 0; i < server->certificate_count; i++)
		count += server->certificates[i].name_count;
	server->names = calloc(count + 1, sizeof(*server->names));
	/* At most one context for each name, plus the default one. */
	server->contexts = calloc(count + 1, sizeof(*server->contexts));
	if (server->names == NULL || server->contexts == NULL)
		return false;
	for (size_t i = 0; i < server->certificate_count; i++)
		for (size_t j = 0; j < server->certificates[i].name_count; j++)
			server->names[server->name_count++] = (struct name){
			    .text = server->certificates[i].names[j], .certificate = i};
	qsort(server->names, server->name_count, sizeof(*server->names), compare_names);
	return true;
}

/*
 * The set of the default context: the first certificate, and certificates with other kinds of key
 * for its first name.
 */
static struct served
served_by_default(const struct tls_server *server)
{
	const struct certificate *first = &server->certificates[0];
	struct served served = {.count = 1};

	for (size_t i = 0; first->name_count > 0 && i < server->name_count; i++)
		if (strcmp(server->names[i].text, first->names[0]) == 0)
			served_add(server, &served, server->names[i].certificate);
	return served;
}

static bool
make_contexts(struct tls_server *server, const struct tls_server_options *options)
{
	struct served served = served_by_default(server);

	if (context_of(server, &served, options) == NULL)
		return false;
	for (size_t i = 0, behind; i < server->name_count; i = behind) {
		SSL_CTX *context;

		served = served_for(server, i, &behind);
		context = context_of(server, &served, options);
		if (context == NULL)
			return false;
		for (size_t j = i; j < behind; j++)
			server->names[j].context = context;
	}
	return true;
}

/*
 * Check that the CA certificates for clients can be read, so that the message can name this file.
 */
static bool
check_client_ca(const char *path, char *error, size_t cap)
{
	STACK_OF(X509_NAME) *names = path != NULL ? SSL_load_client_CA_file(path) : NULL;
	bool good = path == NULL || names != NULL;

	if (!good)
		snprintf(error, cap, "%s: no CA certificates in PEM can be read from it", path);
	sk_X509_NAME_pop_free(names, X509_NAME_free);
	ERR_clear_error();
	return good;
}

struct tls_server *
tls_server_new(const struct tls_server_options *options, char *error, size_t cap)
{
	struct tls_server *server = calloc(1, sizeof(*server));

	snprintf(error, cap, "out of memory");
	if (server == NULL)
		return NULL;
	if (!check_client_ca(options->client_ca, error, cap))
		goto fail;
	server->tickets = options->tickets;
	server->http2 = options->http2;
	server->certificates = calloc(options->count, sizeof(*server->certificates));
	if (server->certificates == NULL)
		goto fail;
	for (; server->certificate_count < options->count; server->certificate_count++)
		if (!certificate_load(&server->certificates[server->certificate_count],
			&options->certificates[server->certificate_count], error, cap))
			goto fail;
	if (!collect_names(server))
		goto fail;
	if (make_contexts(server, options))
		return server;
	snprintf(error, cap, "TLS cannot be set up: %s",
	    ERR_peek_error() != 0 ? ERR_reason_error_string(ERR_peek_error()) : "out of memory");
	ERR_clear_error();
fail:
	tls_server_free(server);
	return NULL;
}

void
tls_server_free(struct tls_server *server)
{
	if (server == NULL)
		return;
	for (size_t i = 0; i < server->context_count; i++)
		SSL_CTX_free(server->contexts[i].context);
	for (size_t i = 0; i < server->certificate_count; i++)
		certificate_clear(&server->certificates[i]);
	free(server->contexts);
	free(server->names);
	free(server->certificates);
	free(server);
}

bool
tls_server_open(struct tls_server *server, struct conn *conn)
{
	SSL *ssl = tls_open(server->contexts[0].context, conn);

	if (ssl == NULL)
		return false;
	SSL_set_accept_state(ssl);
	return true;
}
