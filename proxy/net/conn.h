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
	IO_AGAIN, /* none just now: `ready` will be called */
	IO_EOF,	  /* the peer has ended its side (reading only) */
	IO_ERROR, /* the connection is lost */
};

/*
 * A socket registered once, for reading and writing, edge-triggered: the loop
 * says only that something changed, so readable and writable remember what may still be read or
 * written. They fall when the kernel says it has no more: for reading when it gave less than was
 * asked (unless the peer has closed: its end still waits behind the data, and will not be announced
 * again), for writing at EAGAIN.
 *
 * Over TLS readable also stands for what OpenSSL has taken from the socket and not
 * handed out, for which no event comes. `drained` says whether the socket itself has more.
 */
struct conn {
	struct event event;
	struct tls *tls; /* NULL: plain */
	int fd;		 /* -1: closed */
	bool readable, writable;
	bool drained;	  /* TLS: the socket had no more when it was read last */
	bool unsent;	  /* TLS: records that the kernel has not taken wait for `writable` */
	bool peer_closed; /* the loop has seen the peer's end of stream coming */
	bool read_short;  /* the last read gave less than was asked */
	void (*ready)(struct conn *conn);
};

/*
 * Register a non-blocking socket with the loop. writable starts true for a
 * connected one; readable true too, so that the first read finds what came with
 * the connection. False when the loop refuses (the caller keeps fd).
 */
bool conn_open(struct conn *conn, struct loop *loop, int fd, void (*ready)(struct conn *conn));

/*
 * Move the socket of `from`, which is plain, to `to`, which is closed. `from` is closed afterwards.
 * False when the loop refuses: then both are closed.
 */
bool conn_take(
    struct conn *to, struct loop *loop, struct conn *from, void (*ready)(struct conn *conn));

/*
 * Close at once; conn may then be reused, `ready` is not called any more. Harmless on a
 * closed one. A TLS peer is not told that this is the end in good order: see conn_farewell.
 */
void conn_close(struct conn *conn);

/* As conn_close, but the peer gets a reset, so that it cannot take what it has for complete. */
void conn_reset(struct conn *conn);

/*
 * Call it first in `ready`: sends what is unsent, if the socket takes bytes again. `ready` does not
 * do it by itself, because the caller may have to check first whether bytes may still be sent.
 */
void conn_send_unsent(struct conn *conn);

/* Before conn_close, where nothing was cut: a TLS peer is told so (close_notify). */
void conn_farewell(struct conn *conn);

/* Read at most cap bytes (over 0); *n is their number with IO_OK. */
enum io conn_read(struct conn *conn, char *into, size_t cap, size_t *n);

/*
 * conn_peek reads like conn_read, but the bytes stay; conn_skip removes n of them. Only before TLS
 * begins. A caller that needs more bytes sets readable to false, and is called when they come.
 */
enum io conn_peek(struct conn *conn, char *into, size_t cap, size_t *n);
bool conn_skip(struct conn *conn, size_t n);

/*
 * Before waiting for the rest of a message: a reset right behind data is announced
 * together with the data, and not again. So after a short read let the next one
 * look once more.
 */
void conn_look_again(struct conn *conn);

/*
 * The end of a tunnel does so when nothing has come for this many milliseconds. To read once more
 * behind each message would cost one more system call.
 */
#define TUNNEL_LOOK_MS 1000

/*
 * Write from at most 8 pieces; *n is the number of bytes taken with IO_OK. Over TLS some of
 * those may be `unsent` still; a call without pieces sends them (IO_OK: all are gone).
 */
enum io conn_write(struct conn *conn, const struct iovec *pieces, int count, size_t *n);

/* End our side of the stream, when nothing is unsent: the peer reads an end of file. */
void conn_shutdown_write(struct conn *conn);

/* The same without close_notify of TLS: the peer must see that something was cut. */
void conn_cut(struct conn *conn);

/* Sent bytes that the peer's TCP has not acknowledged: a reset now would destroy them. */
size_t conn_unacknowledged(const struct conn *conn);

/* True when the connection failed or was lost. Reported once, and before a read reports it. */
bool conn_failed(const struct conn *conn);

/*
 * The peer has closed its sending side, and we have nothing to send yet: let the kernel probe
 * whether it still exists. `ready` is called about a minute after it has gone.
 */
void conn_probe(struct conn *conn);

/* What it is at this moment. */
void conn_dump(const struct conn *conn, struct dump *dump);

#endif
