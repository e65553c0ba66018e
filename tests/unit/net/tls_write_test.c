/* tls_write_test.c - what tls_write says has left, when the kernel refuses one of several records;
 * and that memory which OpenSSL frees holds no content.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <malloc.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>

#include "net/loop.h"
#include "net/tls.h"

#define RECORD 16384

static struct loop *loop;
static SSL_CTX *contexts[2];
static struct conn ends[2]; /* client and server */

/* How many calls of send still succeed. */
static size_t sends = SIZE_MAX;

ssize_t __real_send(int fd, const void *bytes, size_t len, int flags);
ssize_t __wrap_send(int fd, const void *bytes, size_t len, int flags);

ssize_t
__wrap_send(int fd, const void *bytes, size_t len, int flags)
{
	if (sends == 0) {
		errno = EPIPE;
		return -1;
	}
	sends -= sends != SIZE_MAX;
	return __real_send(fd, bytes, len, flags);
}

/* Content, and whether a block with it was freed. */
static const char content[] = "Authorization: Bearer jgt_this_must_be_wiped";
static bool content_freed;
static size_t blocks_freed;

static void *
take(size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return malloc(size);
}

static void *
resize(void *block, size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return realloc(block, size);
}

static void
give_back(void *block, const char *file, int line)
{
	(void)file;
	(void)line;
	if (block != NULL && memmem(block, malloc_usable_size(block), content, sizeof(content)))
		content_freed = true;
	blocks_freed++;
	free(block);
}

static void
on_ready(struct conn *conn)
{
	(void)conn;
}

/* A certificate that it signs itself, which is not verified here. */
static void
give_certificate(SSL_CTX *context)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *certificate = X509_new();

	assert_true(key != NULL && certificate != NULL);
	ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
	X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
	X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
	assert_int_equal(X509_set_pubkey(certificate, key), 1);
	assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
	assert_int_equal(SSL_CTX_use_certificate(context, certificate), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(context, key), 1);
	X509_free(certificate);
	EVP_PKEY_free(key);
}

static void
send_content(void)
{
	struct iovec piece = {(void *)content, sizeof(content)};
	size_t n = 0;

	assert_int_equal(conn_write(&ends[0], &piece, 1, &n), IO_OK);
	assert_int_equal(n, sizeof(content));
}

/* Both ends, and their handshake; `early`: content follows it before the server's last step. */
static int
set_up(bool early)
{
	int fds[2];
	enum io io[2] = {IO_AGAIN, IO_AGAIN};

	sends = SIZE_MAX;
	content_freed = false;
	loop = loop_new();
	assert_non_null(loop);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	for (int i = 0; i < 2; i++) {
		SSL *ssl;

		contexts[i] = SSL_CTX_new(TLS_method());
		assert_true(contexts[i] != NULL && tls_context_init(contexts[i]));
		ends[i] = (struct conn){.fd = -1};
		assert_true(conn_open(&ends[i], loop, fds[i], on_ready));
		if (i == 1)
			give_certificate(contexts[i]);
		ssl = tls_open(contexts[i], &ends[i]);
		assert_non_null(ssl);
		if (i == 0)
			SSL_set_connect_state(ssl);
		else
			SSL_set_accept_state(ssl);
	}
	for (int turn = 0; turn < 10 && (io[0] != IO_OK || io[1] != IO_OK); turn++) {
		for (int i = 0; i < 2; i++)
			if (io[i] != IO_OK) {
				io[i] = tls_handshake(ends[i].tls);
				if (early && i == 0 && io[0] == IO_OK)
					send_content();
			}
		loop_turn(loop, false);
	}
	assert_true(io[0] == IO_OK && io[1] == IO_OK);
	return 0;
}

static int
setup(void **state)
{
	(void)state;
	return set_up(false);
}

static int
setup_early(void **state)
{
	(void)state;
	return set_up(true);
}

static int
teardown(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		conn_close(&ends[i]);
		SSL_CTX_free(contexts[i]);
	}
	loop_free(loop);
	return 0;
}

static size_t
bytes_that_come(void)
{
	static char into[4 * RECORD];
	size_t all = 0, n = 0;

	loop_turn(loop, false);
	while (conn_read(&ends[1], into, sizeof(into), &n) == IO_OK)
		all += n;
	return all;
}

static enum io
write_records(size_t *n)
{
	static char bytes[2 * RECORD + 100];
	struct iovec piece = {bytes, sizeof(bytes)};

	return conn_write(&ends[0], &piece, 1, n);
}

static void
all_records_leave(void **state)
{
	size_t n = 0;

	(void)state;
	assert_int_equal(write_records(&n), IO_OK);
	assert_int_equal(n, 2 * RECORD + 100);
	assert_int_equal(bytes_that_come(), n);
}

/* The peer can read them, so they may have been processed. */
static void
records_before_the_one_that_fails_have_left(void **state)
{
	size_t n = 0;

	(void)state;
	sends = 1;
	assert_int_equal(write_records(&n), IO_ERROR);
	assert_int_equal(n, RECORD);
	assert_int_equal(bytes_that_come(), RECORD);
}

static void
nothing_has_left_when_the_first_one_fails(void **state)
{
	size_t n = 1;

	(void)state;
	sends = 0;
	assert_int_equal(write_records(&n), IO_ERROR);
	assert_int_equal(n, 0);
	assert_int_equal(bytes_that_come(), 0);
}

/* A record that the kernel does not take whole is no use to the peer. */
static void
the_record_that_waits_is_counted(void **state)
{
	size_t all = 0, n = 0, unsent;
	int size = 4096;

	(void)state;
	setsockopt(ends[0].fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	assert_int_equal(conn_unsent_content(&ends[0]), 0);
	for (int i = 0; i < 1000 && !ends[0].unsent; i++) {
		assert_int_equal(write_records(&n), IO_OK);
		all += n;
	}
	unsent = conn_unsent_content(&ends[0]);
	assert_in_range(unsent, 1, RECORD);
	assert_int_equal(bytes_that_come(), all - unsent);
	for (all = 0; ends[0].unsent; all += bytes_that_come()) {
		assert_int_equal(all, 0);
		assert_int_equal(conn_unsent_content(&ends[0]), unsent);
		loop_turn(loop, false);
		conn_send_unsent(&ends[0]);
	}
	assert_int_equal(conn_unsent_content(&ends[0]), 0);
	assert_int_equal(all, unsent);
}

/* Read the content in two parts: what is left of it waits in OpenSSL's buffer in between. */
static void
read_content(void)
{
	char into[sizeof(content)];
	size_t n = 0;

	loop_turn(loop, false);
	assert_int_equal(conn_read(&ends[1], into, 10, &n), IO_OK);
	assert_int_equal(n, 10);
	assert_int_equal(conn_read(&ends[1], into + n, sizeof(into) - n, &n), IO_OK);
	assert_int_equal(n, sizeof(content) - 10);
	assert_memory_equal(into, content, sizeof(content));
}

static void
content_is_wiped(void **state)
{
	(void)state;
	send_content();
	read_content();
	conn_close(&ends[1]);
	assert_true(blocks_freed > 0);
	assert_false(content_freed);
}

/* It came in one piece with the last message of the handshake. */
static void
content_after_the_handshake_is_wiped(void **state)
{
	(void)state;
	read_content();
	conn_close(&ends[1]);
	assert_false(content_freed);
}

/* The connection ends before all content has been taken. */
static void
content_that_was_not_taken_is_wiped(void **state)
{
	char into[10];
	size_t n = 0;

	(void)state;
	loop_turn(loop, false);
	assert_int_equal(conn_read(&ends[1], into, sizeof(into), &n), IO_OK);
	conn_close(&ends[1]);
	assert_false(content_freed);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(all_records_leave),
	    TEST(records_before_the_one_that_fails_have_left),
	    TEST(nothing_has_left_when_the_first_one_fails),
	    TEST(the_record_that_waits_is_counted),
	    TEST(content_is_wiped),
	    cmocka_unit_test_setup_teardown(
		content_after_the_handshake_is_wiped, setup_early, teardown),
	    cmocka_unit_test_setup_teardown(
		content_that_was_not_taken_is_wiped, setup_early, teardown),
	};

	/* Before OpenSSL takes its first block. */
	if (CRYPTO_set_mem_functions(take, resize, give_back) != 1)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
