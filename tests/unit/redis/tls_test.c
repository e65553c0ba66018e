/* tls_test.c - which certificates are accepted: handshakes in memory, and one Redis with TLS. */
#include "harness.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "auth/redis/connection.h"
#include "auth/redis/tls.h"

#define DAY 86400L

/* A key and its certificate. */
struct identity {
	EVP_PKEY *key;
	X509 *certificate;
};

struct world {
	char directory[64], ca_file[96], other_ca_file[96];
	struct identity ca, other_ca;
};

static void
add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *extension;

	X509V3_set_ctx(&ctx, issuer, certificate, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	assert_non_null(extension);
	assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
	X509_EXTENSION_free(extension);
}

/* A certificate good for a day from `from` seconds from now; issuer NULL: an authority's own. */
static struct identity
make_identity(const char *common_name, const char *names, const struct identity *issuer, long from)
{
	struct identity identity = {EVP_EC_gen("P-256"), X509_new()};
	X509_NAME *name = X509_get_subject_name(identity.certificate);
	const struct identity *by = issuer != NULL ? issuer : &identity;
	static long serial;

	assert_non_null(identity.key);
	X509_set_version(identity.certificate, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(identity.certificate), ++serial);
	X509_gmtime_adj(X509_getm_notBefore(identity.certificate), from);
	X509_gmtime_adj(X509_getm_notAfter(identity.certificate), from + DAY);
	X509_NAME_add_entry_by_txt(
	    name, "CN", MBSTRING_ASC, (const unsigned char *)common_name, -1, -1, 0);
	X509_set_issuer_name(identity.certificate, X509_get_subject_name(by->certificate));
	X509_set_pubkey(identity.certificate, identity.key);
	if (issuer == NULL)
		add_extension(identity.certificate, by->certificate, NID_basic_constraints,
		    "critical,CA:TRUE");
	else
		add_extension(identity.certificate, by->certificate, NID_subject_alt_name, names);
	assert_true(X509_sign(identity.certificate, by->key, EVP_sha256()) > 0);
	return identity;
}

static void
identity_free(struct identity *identity)
{
	EVP_PKEY_free(identity->key);
	X509_free(identity->certificate);
}

static void
write_pem(const char *path, const struct identity *identity, bool key)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(PEM_write_X509(file, identity->certificate), 1);
	if (key)
		assert_int_equal(
		    PEM_write_PrivateKey(file, identity->key, NULL, NULL, 0, NULL, NULL), 1);
	assert_int_equal(fclose(file), 0);
}

static int
setup(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	signal(SIGPIPE, SIG_IGN); /* as the programs do */
	make_directory(world->directory, sizeof(world->directory));
	snprintf(world->ca_file, sizeof(world->ca_file), "%s/ca.pem", world->directory);
	snprintf(world->other_ca_file, sizeof(world->other_ca_file), "%s/o.pem", world->directory);
	world->ca = make_identity("ours", NULL, NULL, -60);
	world->other_ca = make_identity("theirs", NULL, NULL, -60);
	write_pem(world->ca_file, &world->ca, false);
	write_pem(world->other_ca_file, &world->other_ca, false);
	*state = world;
	return 0;
}

static int
teardown(void **state)
{
	struct world *world = *state;

	identity_free(&world->ca);
	identity_free(&world->other_ca);
	remove_directory(world->directory);
	free(world);
	return 0;
}

/* What the server saw of a handshake, and what the client says went wrong ("": nothing). */
struct outcome {
	char sni[64], why[200];
};

/* A handshake within this process, with a server that speaks `max_version` at most. */
static struct outcome
shake(const struct world *world, const char *host, const char *ca_file, const char *names,
    long from, int max_version)
{
	struct identity leaf = make_identity("redis", names, &world->ca, from);
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	SSL *server, *client;
	BIO *near, *far;
	struct outcome outcome = {0};
	const char *sni;
	int done = 0;

	SSL_CTX_set_security_level(ctx, 0); /* so that it would speak the old versions too */
	SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
	SSL_CTX_set_max_proto_version(ctx, max_version);
	SSL_CTX_use_certificate(ctx, leaf.certificate);
	SSL_CTX_use_PrivateKey(ctx, leaf.key);
	server = SSL_new(ctx);
	client = redis_tls_new(host, ca_file, outcome.why, sizeof(outcome.why));
	assert_non_null(client);
	assert_int_equal(BIO_new_bio_pair(&near, 0, &far, 0), 1);
	SSL_set_bio(client, near, near);
	SSL_set_bio(server, far, far);
	SSL_set_connect_state(client);
	SSL_set_accept_state(server);
	for (int i = 0; i < 10 && done != 1; i++) {
		done = SSL_do_handshake(client);
		SSL_do_handshake(server);
	}
	sni = SSL_get_servername(server, TLSEXT_NAMETYPE_host_name);
	snprintf(outcome.sni, sizeof(outcome.sni), "%s", sni != NULL ? sni : "");
	if (done != 1)
		redis_tls_error(client, ERR_get_error(), outcome.why, sizeof(outcome.why));
	SSL_free(client);
	SSL_free(server);
	SSL_CTX_free(ctx);
	identity_free(&leaf);
	ERR_clear_error();
	return outcome;
}

static void
expect_verdict(const char *why, long verdict)
{
	char expected[200];

	snprintf(expected, sizeof(expected), "TLS: %s", X509_verify_cert_error_string(verdict));
	assert_string_equal(why, expected);
}

static void
names_and_addresses(void **state)
{
	const struct {
		const char *host, *names;
		long verdict;
		bool sni;
	} cases[] = {
	    {"redis.example", "DNS:redis.example", X509_V_OK, true},
	    {"redis.example", "DNS:a.example,DNS:redis.example", X509_V_OK, true},
	    {"redis.in.example", "DNS:*.in.example", X509_V_OK, true},
	    {"127.0.0.1", "IP:127.0.0.1", X509_V_OK, false},
	    {"::1", "IP:::1", X509_V_OK, false},
	    {"redis.example", "DNS:other.example", X509_V_ERR_HOSTNAME_MISMATCH, true},
	    {"redis.example", "DNS:example", X509_V_ERR_HOSTNAME_MISMATCH, true},
	    {"redis.example", "DNS:redis.example.org", X509_V_ERR_HOSTNAME_MISMATCH, true},
	    {"redis.in.example", "DNS:red*.in.example", X509_V_ERR_HOSTNAME_MISMATCH, true},
	    {"a.redis.in.example", "DNS:*.in.example", X509_V_ERR_HOSTNAME_MISMATCH, true},
	    {"redis.example", "IP:127.0.0.1", X509_V_ERR_HOSTNAME_MISMATCH, true},
	    {"127.0.0.1", "IP:127.0.0.2", X509_V_ERR_IP_ADDRESS_MISMATCH, false},
	    {"127.0.0.1", "DNS:127.0.0.1", X509_V_ERR_IP_ADDRESS_MISMATCH, false},
	    {"::1", "IP:127.0.0.1", X509_V_ERR_IP_ADDRESS_MISMATCH, false},
	};
	struct world *world = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct outcome outcome = shake(
		    world, cases[i].host, world->ca_file, cases[i].names, -60, TLS1_3_VERSION);

		if (cases[i].verdict == X509_V_OK)
			assert_string_equal(outcome.why, "");
		else
			expect_verdict(outcome.why, cases[i].verdict);
		assert_string_equal(outcome.sni, cases[i].sni ? cases[i].host : "");
	}
}

static void
who_signed_it_and_when(void **state)
{
	struct world *world = *state;
	struct outcome outcome =
	    shake(world, "h", world->other_ca_file, "DNS:h", -60, TLS1_3_VERSION);

	expect_verdict(outcome.why, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY);
	outcome = shake(world, "h", world->ca_file, "DNS:h", -2 * DAY, TLS1_3_VERSION);
	expect_verdict(outcome.why, X509_V_ERR_CERT_HAS_EXPIRED);
	outcome = shake(world, "h", world->ca_file, "DNS:h", DAY, TLS1_3_VERSION);
	expect_verdict(outcome.why, X509_V_ERR_CERT_NOT_YET_VALID);
}

/* Without a file of its own the system's authorities count, wherever those are. */
static void
the_systems_authorities(void **state)
{
	struct world *world = *state;
	struct outcome outcome;

	setenv("SSL_CERT_FILE", world->other_ca_file, 1);
	setenv("SSL_CERT_DIR", world->directory, 1);
	outcome = shake(world, "h", NULL, "DNS:h", -60, TLS1_3_VERSION);
	expect_verdict(outcome.why, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY);
	setenv("SSL_CERT_FILE", world->ca_file, 1);
	outcome = shake(world, "h", NULL, "DNS:h", -60, TLS1_3_VERSION);
	assert_string_equal(outcome.why, "");
	unsetenv("SSL_CERT_FILE");
	unsetenv("SSL_CERT_DIR");
}

static void
versions(void **state)
{
	struct world *world = *state;
	struct outcome outcome = shake(world, "h", world->ca_file, "DNS:h", -60, TLS1_2_VERSION);

	assert_string_equal(outcome.why, "");
	outcome = shake(world, "h", world->ca_file, "DNS:h", -60, TLS1_1_VERSION);
	assert_int_equal(strncmp(outcome.why, "TLS: ", 5), 0);
}

static void
a_file_that_cannot_be_read(void **state)
{
	struct world *world = *state;
	char why[200] = "", path[96];

	snprintf(path, sizeof(path), "%s/none.pem", world->directory);
	assert_null(redis_tls_new("h", path, why, sizeof(why)));
	assert_int_equal(strncmp(why, "cannot read the CA file /tmp/", 29), 0);
	fclose(fopen(path, "w")); /* no certificate in it */
	assert_null(redis_tls_new("h", path, why, sizeof(why)));
	assert_int_equal(ERR_peek_error(), 0);
}

static void
an_error_without_a_reason(void **state)
{
	struct world *world = *state;
	char why[200];
	SSL *ssl = redis_tls_new("h", world->ca_file, why, sizeof(why));

	redis_tls_error(ssl, 0, why, sizeof(why));
	assert_string_equal(why, "TLS: the connection failed");
	SSL_free(ssl);
}

/* ---- a connection ---- */

struct owner {
	struct redis_connection *connection;
	unsigned ups, downs, pongs;
	char reason[200];
};

static void
on_up(void *ctx)
{
	((struct owner *)ctx)->ups++;
}

static void
on_down(void *ctx, const char *reason)
{
	struct owner *owner = ctx;

	owner->downs++;
	snprintf(owner->reason, sizeof(owner->reason), "%s", reason);
}

static void
on_pong(void *ctx, const redisReply *reply)
{
	((struct owner *)ctx)->pongs += reply != NULL && reply->type == REDIS_REPLY_STATUS;
}

static void
dial(struct turner *turner, struct owner *owner, uint16_t port, const char *ca_file,
    unsigned timeout_ms)
{
	char text[64], error[128];
	struct redis_url url;

	*owner = (struct owner){0};
	snprintf(text, sizeof(text), "rediss://127.0.0.1:%u", port);
	assert_true(redis_url_parse(text, &url, error, sizeof(error)));
	owner->connection = redis_connection_new(turner->base, NULL, &url, ca_file, "tester",
	    timeout_ms, &(struct redis_handlers){.ctx = owner, .up = on_up, .down = on_down});
	assert_non_null(owner->connection);
	RUN_UNTIL(turner, owner->ups + owner->downs > 0);
}

static void
a_redis_behind_tls(void **state)
{
	struct world *world = *state;
	struct identity leaf = make_identity("redis", "IP:127.0.0.1", &world->ca, -60);
	char leaf_file[96], path[96], port_text[8];
	struct turner turner;
	struct owner owner;
	const uint16_t port = free_port();
	pid_t redis;

	snprintf(leaf_file, sizeof(leaf_file), "%s/leaf.pem", world->directory);
	snprintf(path, sizeof(path), "%s/redis.sock", world->directory);
	write_pem(leaf_file, &leaf, true);
	snprintf(port_text, sizeof(port_text), "%u", port);
	redis = redis_spawn(world->directory,
	    (const char *const[]){"--port", "0", "--unixsocket", path, "--bind", "127.0.0.1",
		"--tls-port", port_text, "--tls-cert-file", leaf_file, "--tls-key-file", leaf_file,
		"--tls-ca-cert-file", world->ca_file, "--tls-auth-clients", "no", NULL});
	redisFree(redis_wait(path));
	turner_init(&turner);

	dial(&turner, &owner, port, world->ca_file, TEST_TIMEOUT_MS);
	if (owner.ups != 1)
		fail_msg("%s", owner.reason);
	assert_true(redis_command(
	    owner.connection, on_pong, &owner, 1, (const char *[]){"PING"}, (size_t[]){4}));
	RUN_UNTIL(&turner, owner.pongs == 1);
	redis_connection_free(owner.connection);

	dial(&turner, &owner, port, world->other_ca_file, TEST_TIMEOUT_MS);
	assert_int_equal(owner.ups, 0);
	expect_verdict(owner.reason, X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN);
	redis_connection_free(owner.connection);

	turner_free(&turner);
	process_end(redis);
	identity_free(&leaf);
}

/* One that takes the connection and says nothing, and one that is not there. */
static void
a_handshake_that_does_not_come(void **state)
{
	struct world *world = *state;
	struct turner turner;
	struct owner owner;
	uint16_t port;
	int listener = loopback_listen(8, &port);

	turner_init(&turner);
	dial(&turner, &owner, port, world->ca_file, 60);
	assert_string_equal(owner.reason, "the TLS handshake was not done in time");
	redis_connection_free(owner.connection);
	loopback_refuse(&listener);
	dial(&turner, &owner, port, world->ca_file, TEST_TIMEOUT_MS);
	assert_string_equal(owner.reason, "cannot connect: Connection refused");
	redis_connection_free(owner.connection);
	close(listener);
	turner_free(&turner);
}

static void
a_connection_without_its_ca_file(void **state)
{
	struct turner turner;
	struct owner owner;
	uint16_t port;
	int listener = loopback_listen(8, &port);

	(void)state;
	turner_init(&turner);
	dial(&turner, &owner, port, "/nowhere/ca.pem", TEST_TIMEOUT_MS);
	assert_string_equal(owner.reason, "cannot read the CA file /nowhere/ca.pem");
	redis_connection_free(owner.connection);
	turner_free(&turner);
	close(listener);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names_and_addresses),
	    cmocka_unit_test(who_signed_it_and_when),
	    cmocka_unit_test(the_systems_authorities),
	    cmocka_unit_test(versions),
	    cmocka_unit_test(a_file_that_cannot_be_read),
	    cmocka_unit_test(an_error_without_a_reason),
	    cmocka_unit_test(a_redis_behind_tls),
	    cmocka_unit_test(a_handshake_that_does_not_come),
	    cmocka_unit_test(a_connection_without_its_ca_file),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
