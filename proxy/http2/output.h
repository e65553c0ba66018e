/* output.h - what waits to be sent on an HTTP/2 connection, of either end. */
#ifndef JOBGATE_HTTP2_OUTPUT_H
#define JOBGATE_HTTP2_OUTPUT_H

#include "http/h2_frame.h"
#include "net/buffer.h"
#include "net/conn.h"

/* Content waits for a window in frames of at most this many bytes: one of each stream in turn. */
#define DATA_MAX 16384

/* Up to this many bytes of content wait to be sent. */
#define OUT_MAX (40 * 1024)

/* Nothing is read while this many bytes of small frames wait to be sent. */
#define CONTROL_OUT_MAX (16 * 1024)

/* No place in what is sent. */
#define H2_NOWHERE UINT64_MAX

/*
 * What stands for content that was taken back. The peer may read it before it reads the reset, as a
 * stream. So it must not be valid where a frame of WebSocket or a message of gRPC could begin, or
 * UTF-8 go on: there it is an opcode, a flag and a byte that do not exist. (Zeros would be frames
 * and messages without content.) A message that is cut in its middle may still come to its end, if
 * that was in the same frame: with these bytes in place of its own.
 */
#define H2_FILLER 0xff

/*
 * One buffer for the frames of all streams, which one system call sends. Places are counted in
 * bytes from the connection's beginning, so that they stay the same while bytes leave.
 */
struct h2_output {
	struct conn *conn;
	struct buffer_pool *buffers;
	/* A waiting frame of a stream has moved to another place: tell the stream. */
	void (*moved)(struct h2_output *output, uint32_t stream, uint64_t at, uint64_t to);
	struct buffer *out;	 /* to be sent; NULL: nothing */
	uint64_t sent;		 /* bytes that the connection took */
	uint64_t whole_at;	 /* where the first frame begins that has not been sent at all */
	uint64_t cut_at;	 /* where the content of the partly sent frame begins */
	uint32_t cut_stream;	 /* whose it is; 0: no DATA was sent in part */
	uint64_t first_block_at; /* where our first field block begins; H2_NOWHERE: none yet */
	size_t control_out;	 /* bytes of small frames that wait to be sent */
	int32_t window;		 /* the connection's window for content that is sent */
	bool failed;		 /* the connection is lost, or memory was short */
};

void h2_output_init(struct h2_output *output, struct conn *conn, struct buffer_pool *buffers,
    void (*moved)(struct h2_output *output, uint32_t stream, uint64_t at, uint64_t to));

/* Give back what is held. */
void h2_output_clear(struct h2_output *output);

/*
 * Begin to write frames of at most `size` bytes after what waits; h2_output_written ends it.
 * False: it has failed, nothing is to be written.
 */
bool h2_output_write(struct h2_output *output, size_t size, struct writer *writer);

/* control: they are small frames that answer the peer's own; control_out counts them. */
void h2_output_written(struct h2_output *output, const struct writer *writer, bool control);

/* Where the next byte written will stand. */
static inline uint64_t
h2_output_at(const struct h2_output *output)
{
	return output->sent + buffer_len(output->out);
}

/* The peer cannot read what is behind this place, unless more is sent (conn_unsent_content).
 */
static inline uint64_t
h2_output_seen_until(const struct h2_output *output)
{
	return output->sent - conn_unsent_content(output->conn);
}

/* Nothing of the frame at this place has left: it can be taken out. */
static inline bool
h2_output_waits(const struct h2_output *output, uint64_t at)
{
	return at != H2_NOWHERE && at >= output->whole_at && at >= output->sent;
}

/* Some of the content of this stream, whose last frame is at this place, has not left. */
static inline bool
h2_output_holds(const struct h2_output *output, uint32_t stream, uint64_t last_at)
{
	return h2_output_waits(output, last_at) ||
	       (output->cut_stream == stream && output->whole_at > output->sent);
}

/* True while each field block may become the first one to leave: see hpack_write_start. */
static inline bool
h2_output_is_first_block(const struct h2_output *output)
{
	return output->sent <= output->first_block_at;
}

/* HEADERS, and CONTINUATION where it is longer than size_max, at *at. False: as above. */
bool h2_output_block(struct h2_output *output, uint32_t stream, unsigned flags, struct slice block,
    uint32_t size_max, uint64_t *at);

/* One DATA frame, taken off the connection's window, at *at. False: as above. */
bool h2_output_data(
    struct h2_output *output, uint32_t stream, unsigned flags, struct slice data, uint64_t *at);

/*
 * Content of a stream in DATA frames of at most frame_max bytes (the peer's limit), as far as there
 * is room: in the connection's window, in the stream's *window, and among what waits. Returns how
 * much was written; *window is less by that, and *at is where the last of the frames begins.
 */
size_t h2_output_content(struct h2_output *output, uint32_t stream, struct slice data,
    uint32_t frame_max, int32_t *window, uint64_t *at);

/* Send what the socket takes. IO_OK: all is gone. */
enum io h2_output_send(struct h2_output *output);

/* Let the frame at this place end its stream. False: it has left, or is none. */
bool h2_output_mark_end(struct h2_output *output, uint64_t at);

/*
 * Take back the HEADERS and DATA that a stream has written from this place on, as far as they have
 * not left; small frames, such as RST_STREAM, stay. The rest of a frame that has left in part has
 * to follow: its content becomes H2_FILLER, and RST_STREAM has to follow it.
 */
void h2_output_take_out(struct h2_output *output, uint32_t stream, uint64_t from);

#endif
