/* conn.h - one socket on the event loop, edge-triggered. */
#ifndef JOBGATE_CONN_H
#define JOBGATE_CONN_H

#include <event2/event_struct.h>
#include <sys/uio.h>

#include "jobgate/dump.h"
#include "net/loop.h"

struct tls;

enum io {
	IO_OK,	  /* some bytes moved */
	IO_AGAIN, /* none now; `ready` will be called */
	IO_EOF,	  /* the peer has ended its side (reading only) */
	IO_ERROR, /* the connection is lost */
};

/*
 * A socket that is registered once for reading and writing, edge-triggered. The loop only reports
 * changes, so readable and writable remember whether there may be more to read or room to write.
 * readable becomes false after a read that gave less than was asked (unless the peer has closed:
 * its end of stream still waits after the data, and is not reported again); writable becomes false
 * at EAGAIN.
 *
 * Over TLS, readable is also true while OpenSSL holds bytes that it has read from the socket and
 * not yet returned, because no event will come for them. `drained` says whether the socket itself
 * may have more.
 */
struct conn {
	struct event event;
	struct tls *tls; /* NULL: plain */
	int fd;		 /* -1: closed */
	bool watched;	 /* registered with the loop */
	bool ends;	 /* the end of our side follows what is sent from now on */
	bool shut;	 /* our side has ended */
	bool readable, writable;
	bool drained;	  /* TLS: the last read found that the socket had no more */
	bool unsent;	  /* TLS: records that the kernel did not take wait for `writable` */
	bool peer_closed; /* the loop has reported the peer's end of stream */
	bool read_short;  /* the last read gave less than was asked */
	void (*ready)(struct conn *conn);
};

/*
 * Register a non-blocking socket with the loop. readable and writable start true, so that the first
 * read finds what came with the connection; for a socket that is still connecting, the caller sets
 * writable to false. False when the loop refuses; the caller keeps fd then.
 */
bool conn_open(struct conn *conn, struct loop *loop, int fd, void (*ready)(struct conn *conn));

/*
 * As conn_open, without registering: `ready` is not called before conn_watch. A write that does not
 * take all bytes registers by itself, but a read does not. So call conn_watch before you wait for
 * the peer. A socket that is read, answered and closed without waiting need not be registered.
 */
bool conn_begin(struct conn *conn, struct loop *loop, int fd, void (*ready)(struct conn *conn));

/*
 * Register with the loop, unless it is registered. Nothing gets lost by doing it late: `ready` is
 * called for all that the socket has by then. False when the loop refuses; the caller closes.
 */
bool conn_watch(struct conn *conn);

/*
 * Say that conn_close or conn_shutdown_write follows as soon as all bytes have been written: the
 * last ones then leave in one segment with the end. Without effect over TLS.
 */
void conn_end_follows(struct conn *conn);

/*
 * Move the socket of `from`, which is plain, to `to`, which is closed. `from` is closed afterwards.
 * False when the loop refuses: then both are closed.
 */
bool conn_take(
    struct conn *to, struct loop *loop, struct conn *from, void (*ready)(struct conn *conn));

/*
 * Close at once; `ready` is no longer called, and conn may be reused. Harmless if it is closed. A
 * TLS peer gets no close_notify: see conn_farewell.
 */
void conn_close(struct conn *conn);

/* As conn_close, but the peer gets a reset, so that it does not consider what it has complete. */
void conn_reset(struct conn *conn);

/*
 * Send what is unsent, if the socket takes bytes again. Call it first in `ready`; this is not
 * automatic, because the caller may have to check whether bytes may still be sent.
 */
void conn_send_unsent(struct conn *conn);

/* Call it before conn_close when nothing was cut: sends close_notify to a TLS peer. */
void conn_farewell(struct conn *conn);

/* Read at most cap bytes (at least 1); with IO_OK *n is their number. */
enum io conn_read(struct conn *conn, char *into, size_t cap, size_t *n);

/*
 * conn_peek reads like conn_read, but the bytes stay; conn_skip removes n of them. Only before TLS
 * begins. A caller that needs more bytes sets readable to false, and is called when they come.
 */
enum io conn_peek(struct conn *conn, char *into, size_t cap, size_t *n);
bool conn_skip(struct conn *conn, size_t n);

/*
 * Call it before waiting for the rest of a message: the loop reports a reset that follows data
 * together with the data, and not again. So after a short read, this makes the next read ask the
 * socket once more.
 */
void conn_look_again(struct conn *conn);

/* Make the next read ask the socket, whatever the loop has said. */
void conn_ask_again(struct conn *conn);

/*
 * In a tunnel, conn_look_again is called only when nothing has come for this many milliseconds: to
 * read once more after each message would cost one more system call.
 */
#define TUNNEL_LOOK_MS 1000

/*
 * Write from at most 8 pieces; *n is the number of bytes taken with IO_OK, and with IO_ERROR of
 * those that may have left before. Over TLS some of them may be `unsent` still; a call without
 * pieces sends them (IO_OK: all are gone).
 */
enum io conn_write(struct conn *conn, const struct iovec *pieces, int count, size_t *n);

/*
 * How many of the last bytes that conn_write took are in a record of TLS that has not left whole:
 * the peer cannot read them (RFC 8446 section 5.2), and will not, once the connection is closed.
 */
size_t conn_unsent_content(const struct conn *conn);

/*
 * End our side of the stream, when nothing is unsent; the peer then reads an end of file. It may
 * be called again.
 */
void conn_shutdown_write(struct conn *conn);

/* The same without TLS's close_notify, so that the peer sees that something was cut. */
void conn_cut(struct conn *conn);

/* Sent bytes that the peer's TCP has not acknowledged: a reset now would destroy them. */
size_t conn_unacknowledged(const struct conn *conn);

/* True when the connection failed or was lost. Reported once, and before a read reports it. */
bool conn_failed(const struct conn *conn);

/*
 * Call it when the peer has closed its sending side and we have nothing to send yet: the kernel
 * then probes whether the peer still exists. `ready` is called about 75 s after it is gone.
 */
void conn_probe(struct conn *conn);

/* Write its present state. */
void conn_dump(const struct conn *conn, struct dump *dump);

#endif
