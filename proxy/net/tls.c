/* tls.c - reads and writes through OpenSSL as if it were an edge-triggered socket. */
#include "net/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "net/conn_socket.h"

/* The most content of one record (RFC 8446 section 5.1). */
#define RECORD_MAX 16384

/* The most bytes that wait unsent: a record, and automatic answers to a peer that does not read. */
#define UNSENT_MAX (256 * 1024)

/* A peer that sends this much without any content (key updates, empty records) is an attacker. */
#define QUIET_MAX (256 * 1024)

/*
 * Making new keys costs us a hundred times as much as the peer's request for them. No peer needs
 * this many key updates within this much content (RFC 8446 section 5.5: one for 2^24 records).
 */
#define KEY_UPDATES_MAX 32
#define KEY_UPDATES_CONTENT (1024 * 1024)

struct tls {
	SSL *ssl;
	struct conn *conn;
	char *unsent; /* bytes [unsent_start, unsent_end) are in use */
	size_t unsent_start, unsent_end;
	size_t record_end;     /* where the last record of content ends in unsent; 0: not there */
	size_t record_content; /* bytes of its content */
	size_t quiet;	       /* bytes received since the last content */
	size_t content;	       /* bytes of content, both ways, since key_updates was 0 */
	unsigned key_updates;
	bool stream_ended;   /* the socket's stream has ended */
	bool gathering;	     /* what is written waits, to be sent in one piece */
	bool reading;	     /* a read of OpenSSL is under way */
	bool broken;	     /* OpenSSL has ended the session with an error */
	bool ended;	     /* close_notify has been written */
	bool shut_when_sent; /* our side of the stream ends after what is unsent */
	unsigned long error; /* OpenSSL's error when it broke */
};

/* ---- the BIO: OpenSSL's end of the connection ---- */

static int
bio_read(BIO *bio, char *into, int cap)
{
	struct tls *tls = BIO_get_data(bio);
	struct conn *conn = tls->conn;
	size_t n = 0;

	BIO_clear_retry_flags(bio);
	if (tls->quiet > QUIET_MAX)
		return -1;
	if (!conn->drained) {
		conn->readable = true;
		switch (conn_receive(conn, into, (size_t)cap, &n)) {
		case IO_OK:
			conn->drained = !conn->readable;
			tls->quiet += n;
			return (int)n;
		case IO_EOF:
			tls->stream_ended = true;
			return 0;
		case IO_ERROR:
			return -1;
		case IO_AGAIN:
			conn->drained = true;
			break;
		}
	}
	BIO_set_retry_read(bio);
	return -1;
}

/* Keep what the kernel does not take. */
static bool
keep_unsent(struct tls *tls, const char *from, size_t len)
{
	size_t held = tls->unsent_end - tls->unsent_start;
	char *larger;

	if (held + len > UNSENT_MAX)
		return false;
	larger = malloc(held + len);
	if (larger == NULL)
		return false;
	if (held > 0)
		memcpy(larger, tls->unsent + tls->unsent_start, held);
	memcpy(larger + held, from, len);
	free(tls->unsent);
	tls->unsent = larger;
	tls->record_end -=
	    tls->record_end > tls->unsent_start ? tls->unsent_start : tls->record_end;
	tls->unsent_start = 0;
	tls->unsent_end = held + len;
	tls->conn->unsent = true;
	return true;
}

static int
bio_write(BIO *bio, const char *from, int len)
{
	struct tls *tls = BIO_get_data(bio);
	struct iovec rest = {(void *)from, (size_t)len};

	BIO_clear_retry_flags(bio);
	/* No alert about an end without close_notify: the peer is gone. */
	if (tls->reading && tls->stream_ended)
		return len;
	/* Until EAGAIN: only after that does the kernel report that there is room again. */
	while (!tls->gathering && !tls->conn->unsent && tls->conn->writable && rest.iov_len > 0) {
		size_t n = 0;

		if (conn_send(tls->conn, &rest, 1, &n) == IO_ERROR)
			return -1;
		rest.iov_base = (char *)rest.iov_base + n;
		rest.iov_len -= n;
	}
	if (rest.iov_len > 0 && !keep_unsent(tls, rest.iov_base, rest.iov_len))
		return -1;
	return len;
}

static long
bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
	const struct tls *tls = BIO_get_data(bio);

	(void)number;
	(void)pointer;
	if (command == BIO_CTRL_FLUSH)
		return 1;
	return command == BIO_CTRL_EOF && tls->stream_ended;
}

/* The process has one, made at first use and never freed. */
static const BIO_METHOD *
bio_method(void)
{
	static BIO_METHOD *method;

	if (method != NULL)
		return method;
	method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "connection");
	if (method == NULL)
		return NULL;
	BIO_meth_set_read(method, bio_read);
	BIO_meth_set_write(method, bio_write);
	BIO_meth_set_ctrl(method, bio_ctrl);
	return method;
}

/* ---- sessions ---- */

/* The error queue must be empty before a call. To look at it costs less than to empty it. */
static void
forget_errors(void)
{
	if (ERR_peek_error() != 0)
		ERR_clear_error();
}

/* OpenSSL reports each message before it acts on it. */
static void
on_message(int sent, int version, int type, const void *message, size_t len, SSL *ssl, void *ctx)
{
	struct tls *tls;

	(void)version;
	(void)ctx;
	if (sent || type != SSL3_RT_HANDSHAKE || len == 0 ||
	    *(const unsigned char *)message != SSL3_MT_KEY_UPDATE)
		return;
	tls = BIO_get_data(SSL_get_rbio(ssl));
	/* OpenSSL would continue with what it has read already, unless the stream looks ended. */
	if (++tls->key_updates > KEY_UPDATES_MAX)
		SSL_set_shutdown(ssl, SSL_get_shutdown(ssl) | SSL_RECEIVED_SHUTDOWN);
}

bool
tls_context_init(SSL_CTX *context)
{
	/* OpenSSL then reads as much as it can: one system call per turn, not two per record. */
	SSL_CTX_set_read_ahead(context, 1);
	SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_security_level(context, 2);
	SSL_CTX_set_msg_callback(context, on_message);
	/* Also what RFC 9113 section 9.2 asks of HTTP/2: no cipher suite of its appendix A is among
	 * these, so ALPN may choose h2 on any connection. */
	return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
	       SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1;
}

int
tls_no_password(char *into, int cap, int writing, void *ctx)
{
	(void)writing;
	(void)ctx;
	if (cap > 0)
		into[0] = '\0';
	return 0;
}

SSL *
tls_open(SSL_CTX *context, struct conn *conn)
{
	struct tls *tls = calloc(1, sizeof(*tls));
	const BIO_METHOD *method = bio_method();
	BIO *bio = method != NULL ? BIO_new(method) : NULL;

	if (tls != NULL)
		tls->ssl = SSL_new(context);
	if (bio == NULL || tls == NULL || tls->ssl == NULL) {
		BIO_free(bio);
		if (tls != NULL)
			SSL_free(tls->ssl);
		free(tls);
		return NULL;
	}
	tls->conn = conn;
	BIO_set_data(bio, tls);
	BIO_set_init(bio, 1);
	SSL_set_bio(tls->ssl, bio, bio);
	conn->tls = tls;
	conn->drained = !conn->readable;
	return tls->ssl;
}

void
tls_free(struct tls *tls)
{
	if (tls == NULL)
		return;
	SSL_free(tls->ssl);
	free(tls->unsent);
	free(tls);
}

/* Translate the failure of a call to OpenSSL. Afterwards its error queue is empty. */
static enum io
failure(struct tls *tls, int result)
{
	int error = SSL_get_error(tls->ssl, result);

	if (tls->key_updates > KEY_UPDATES_MAX)
		error = SSL_ERROR_SSL;
	switch (error) {
	case SSL_ERROR_WANT_READ:
		tls->conn->readable = false;
		return IO_AGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return IO_EOF;
	default:
		tls->broken = true;
		tls->error = ERR_peek_error();
		ERR_clear_error();
		return IO_ERROR;
	}
}

/* Set readable when there are bytes for which no event will come. */
static void
note_readable(struct tls *tls)
{
	tls->conn->readable = !tls->conn->drained || SSL_has_pending(tls->ssl);
}

/* Count content that was moved; it allows for more key updates. */
static void
note_content(struct tls *tls, size_t n)
{
	tls->content += n;
	if (tls->content < KEY_UPDATES_CONTENT)
		return;
	tls->content = 0;
	tls->key_updates = 0;
}

enum io
tls_handshake(struct tls *tls)
{
	bool sent;
	int result;

	if (tls->broken)
		return IO_ERROR;
	forget_errors();
	tls->quiet = 0;
	/* The tickets at the end of a handshake are separate records; send all in one piece. */
	tls->gathering = true;
	result = SSL_do_handshake(tls->ssl);
	tls->gathering = false;
	sent = tls->conn->unsent;
	if (sent && tls->conn->writable)
		tls_flush(tls);
	if (result != 1)
		return failure(tls, result) == IO_AGAIN ? IO_AGAIN : IO_ERROR;
	/* Requests contain tokens: OpenSSL must wipe buffers before it frees them. Those of the
	 * handshake, 16 KiB for each message, hold no secret of a user. */
	SSL_set_options(tls->ssl, SSL_OP_CLEANSE_PLAINTEXT);
	/* A reset that follows data is reported with it, and found by a send or a read. */
	if (!sent && tls->conn->read_short)
		tls->conn->drained = tls->conn->read_short = false;
	note_readable(tls);
	return IO_OK;
}

enum io
tls_read(struct tls *tls, char *into, size_t cap, size_t *n)
{
	if (tls->broken)
		return IO_ERROR;
	forget_errors();
	/* Read records while there is room, so that the caller handles them together. */
	while (*n < cap && tls->conn->readable) {
		enum io end;
		size_t got;
		int done;

		tls->quiet = 0;
		tls->reading = true;
		done = SSL_read_ex(tls->ssl, into + *n, cap - *n, &got);
		tls->reading = false;
		if (done == 1) {
			*n += got;
			note_content(tls, got);
			note_readable(tls);
			continue;
		}
		end = failure(tls, 0);
		/* There may have been content first; the next read finds the end again. */
		if (end != IO_AGAIN)
			tls->conn->readable = true;
		return *n > 0 ? IO_OK : end;
	}
	return IO_OK;
}

enum io
tls_flush(struct tls *tls)
{
	struct iovec rest = {tls->unsent + tls->unsent_start, tls->unsent_end - tls->unsent_start};

	while (rest.iov_len > 0) {
		size_t n = 0;

		switch (conn_send(tls->conn, &rest, 1, &n)) {
		case IO_OK:
			break;
		case IO_AGAIN:
			return IO_AGAIN;
		case IO_EOF:
		case IO_ERROR:
			tls->broken = true;
			return IO_ERROR;
		}
		tls->unsent_start += n;
		rest.iov_base = (char *)rest.iov_base + n;
		rest.iov_len -= n;
	}
	free(tls->unsent);
	tls->unsent = NULL;
	tls->unsent_start = tls->unsent_end = tls->record_end = 0;
	tls->conn->unsent = false;
	if (tls->shut_when_sent)
		shutdown(tls->conn->fd, SHUT_WR);
	return IO_OK;
}

/*
 * The content of the next record: directly from a piece that fills a record or is the last one,
 * otherwise gathered in `room`, so that a head and the content after it share a record. Moves
 * *pieces past what it takes; a length of 0 means there is no more.
 */
static struct iovec
next_record(const struct iovec **piece, const struct iovec *end, size_t *skip, char *room)
{
	struct iovec record = {room, 0};

	while (*piece < end && record.iov_len < RECORD_MAX) {
		size_t left = (*piece)->iov_len - *skip;
		size_t n = left < RECORD_MAX - record.iov_len ? left : RECORD_MAX - record.iov_len;
		char *from = (char *)(*piece)->iov_base + *skip;

		if (record.iov_len == 0 && (n == RECORD_MAX || *piece + 1 == end)) {
			record = (struct iovec){from, n};
			*skip += n;
			if (n == left)
				(*piece)++, *skip = 0;
			return record;
		}
		memcpy(room + record.iov_len, from, n);
		record.iov_len += n;
		*skip += n;
		if (n == left)
			(*piece)++, *skip = 0;
	}
	return record;
}

enum io
tls_write(struct tls *tls, const struct iovec *pieces, int count, size_t *n)
{
	const struct iovec *piece = pieces, *end = pieces + count;
	char room[RECORD_MAX];
	struct iovec record;
	size_t skip = 0, taken;

	if (tls->broken || tls->ended)
		return IO_ERROR;
	if (tls->conn->unsent && tls_flush(tls) != IO_OK)
		return tls->broken ? IO_ERROR : IO_AGAIN;
	forget_errors();
	while (!tls->conn->unsent && (record = next_record(&piece, end, &skip, room)).iov_len > 0) {
		int done = SSL_write_ex(tls->ssl, record.iov_base, record.iov_len, &taken);

		/* A head may contain a token or a session's cookie. */
		if (record.iov_base == room)
			OPENSSL_cleanse(room, record.iov_len);
		if (done != 1) {
			failure(tls, 0);
			return IO_ERROR;
		}
		*n += taken;
		note_content(tls, taken);
		if (tls->conn->unsent) {
			tls->record_end = tls->unsent_end;
			tls->record_content = taken;
		}
	}
	return IO_OK;
}

size_t
tls_unsent_content(const struct tls *tls)
{
	return tls->record_end > tls->unsent_start ? tls->record_content : 0;
}

void
tls_end(struct tls *tls)
{
	if (tls->broken || tls->ended || !SSL_is_init_finished(tls->ssl))
		return;
	tls->ended = true;
	SSL_shutdown(tls->ssl);
	forget_errors();
	tls->shut_when_sent = tls->conn->unsent;
}

/* ---- what is known of a session ---- */

const char *
tls_error_text(const struct tls *tls)
{
	const char *reason;

	if (tls_is_unverified(tls))
		return X509_verify_cert_error_string(SSL_get_verify_result(tls->ssl));
	reason = tls->error != 0 ? ERR_reason_error_string(tls->error) : NULL;
	return reason != NULL ? reason : "the connection was closed";
}

bool
tls_is_cut(const struct tls *tls)
{
	return tls->broken && !tls_is_unverified(tls) &&
	       (tls->error == 0 ||
		   ERR_GET_REASON(tls->error) == SSL_R_UNEXPECTED_EOF_WHILE_READING);
}

bool
tls_is_unverified(const struct tls *tls)
{
	return SSL_get_verify_result(tls->ssl) != X509_V_OK;
}

bool
tls_is_http2(const struct tls *tls)
{
	const unsigned char *name;
	unsigned len;

	SSL_get0_alpn_selected(tls->ssl, &name, &len);
	return len == 2 && memcmp(name, "h2", 2) == 0;
}

bool
tls_is_resumed(const struct tls *tls)
{
	return SSL_session_reused(tls->ssl) == 1;
}
