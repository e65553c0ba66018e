/* stream.c - a connection: what each end may read and write. */
#include "stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "jobgate/container_of.h"
#include "stream_state.h"
#include "trace.h"

/* ---- an end ---- */

static uint32_t
end_poll(struct descriptor *descriptor)
{
	struct end *end = (struct end *)descriptor;
	uint32_t events = 0;

	if (end->state == END_CONNECTING)
		return 0;
	if (end->in.len > 0 || end->in_ended || end->in_shut || end->state == END_FAILED)
		events |= EPOLLIN | EPOLLRDNORM;
	if (end->in_ended || end->state == END_FAILED)
		events |= EPOLLRDHUP;
	if (end->state == END_FAILED || 3 * end->unacknowledged <= 2 * end->out_max)
		events |= EPOLLOUT | EPOLLWRNORM;
	else /* as tcp_poll of Linux: a poll that finds no room asks to be told of it */
		end->wants_room = true;
	if ((end->in_ended && end->out_shut) || end->state == END_FAILED)
		events |= EPOLLHUP;
	if (end->error != 0)
		events |= EPOLLERR;
	return events;
}

void
end_tell(struct end *end, uint32_t events)
{
	if (end->closed)
		return;
	descriptor_notify(&end->descriptor, events);
	if (end->changed != NULL)
		end->changed(end);
}

static void
release_end(struct descriptor *descriptor)
{
	end_close((struct end *)descriptor);
}

struct end *
end_new(struct host *host)
{
	struct end *end = calloc(1, sizeof(*end));

	if (end == NULL)
		abort();
	end->descriptor.kind = DESCRIPTOR_STREAM;
	end->descriptor.poll = end_poll;
	end->descriptor.release = release_end;
	end->host = host;
	end->in_max = 64 * 1024;
	end->out_max = 64 * 1024;
	end->arrive.fire = wire_arrive;
	STAILQ_INIT(&end->out);
	return end;
}

static void
free_end(struct end *end)
{
	alarm_stop(&end->arrive);
	alarm_stop(&end->connect);
	wire_drop(end);
	free(end->stamps);
	free(end->in.at);
	free(end);
}

void
end_free_if_done(struct end *end)
{
	struct end *peer = end->peer;

	if (!end->closed || !STAILQ_EMPTY(&end->out) || end->in_pending)
		return;
	if (peer == NULL) {
		free_end(end);
	} else if (peer->closed && STAILQ_EMPTY(&peer->out) && !peer->in_pending) {
		free_end(peer);
		free_end(end);
	}
}

/* ---- what its owner does ---- */

static void
keep_stamp(struct end *end, const struct stamp *stamp)
{
	if (end->stamp_count == end->stamp_room) {
		end->stamp_room = end->stamp_room == 0 ? 4 : 2 * end->stamp_room;
		end->stamps = realloc(end->stamps, end->stamp_room * sizeof(*end->stamps));
		if (end->stamps == NULL)
			abort();
	}
	end->stamps[end->stamp_count] = *stamp;
	end->stamps[end->stamp_count++].offset = end->sent;
}

const struct stamp *
end_stamp(struct end *sender, uint64_t offset)
{
	size_t old = 0;

	while (old + 1 < sender->stamp_count && sender->stamps[old + 1].offset <= offset)
		old++;
	sender->stamp_count -= old;
	memmove(
	    sender->stamps, sender->stamps + old, sender->stamp_count * sizeof(*sender->stamps));
	return sender->stamps;
}

/* 0, or why it cannot be written to. */
static int
write_error(struct end *end)
{
	int error = end->error;

	if (end->state == END_CONNECTING)
		return -EAGAIN;
	if (error != 0) {
		end->error = 0;
		return -error;
	}
	return end->state == END_FAILED || end->out_shut ? -EPIPE : 0;
}

long
end_send(struct end *end, const struct iovec *pieces, int count, const struct stamp *stamp)
{
	size_t room = end->out_max - end->unacknowledged, taken = 0;
	int error = write_error(end);

	if (error != 0)
		return error;
	if (room == 0) {
		end->wants_room = true;
		return -EAGAIN;
	}
	if (stamp != NULL)
		keep_stamp(end, stamp);
	for (int i = 0; i < count && taken < room; i++) {
		size_t len = pieces[i].iov_len < room - taken ? pieces[i].iov_len : room - taken;

		wire_put(end, pieces[i].iov_base, len);
		taken += len;
	}
	/* Another send, once there is some room, takes nothing of this back. */
	end->wants_room = end->wants_room || end->unacknowledged == end->out_max;
	end->sent += taken;
	return (long)taken;
}

long
end_receive(struct end *end, const struct iovec *pieces, int count, bool peek)
{
	size_t taken = 0;
	int error = end->error;

	for (int i = 0; i < count && taken < end->in.len; i++) {
		size_t left = end->in.len - taken;
		size_t len = pieces[i].iov_len < left ? pieces[i].iov_len : left;

		memcpy(pieces[i].iov_base, end->in.at + end->in.from + taken, len);
		taken += len;
	}
	if (taken > 0) {
		if (!peek) {
			bytes_drop(&end->in, taken);
			end->received += taken;
			wire_has_room(end);
		}
		return (long)taken;
	}
	if (error != 0) {
		end->error = 0;
		return -error;
	}
	if (end->in_ended || end->in_shut || end->state == END_FAILED)
		return 0;
	return -EAGAIN;
}

void
end_shutdown(struct end *end, bool in, bool out)
{
	end->in_shut = end->in_shut || in;
	if (!out || end->out_shut || end->state != END_CONNECTED)
		return;
	end->out_shut = true;
	wire_put_fin(end);
}

/* As close(2) of Linux: whatever is unread, or comes later, is answered with a reset. */
void
end_close(struct end *end)
{
	if (end->closed)
		return;
	end->closed = true;
	alarm_stop(&end->connect);
	if (end->state == END_CONNECTED) {
		if (end->linger_none || end->in.len > 0 || wire_is_held(end->peer))
			wire_put_reset(end);
		else if (!end->out_shut)
			wire_put_fin(end);
	} else if (end->state == END_CONNECTING && end->peer != NULL) {
		wire_put_reset(end);
	}
	end->in.len = end->in.from = 0;
	wire_has_room(end);
	end_free_if_done(end);
}

void
end_reset(struct end *end)
{
	if (end->closed || end->state != END_CONNECTED)
		return;
	wire_put_reset(end);
	end_fail(end, ECONNRESET);
}

void
end_fail(struct end *end, int error)
{
	end->state = END_FAILED;
	end->error = error;
	end_tell(end, EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLRDHUP);
}
