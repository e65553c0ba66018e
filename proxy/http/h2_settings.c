/* h2_settings.c - checks a peer's SETTINGS. */
#include <endian.h>

#include "http/h2_frame.h"

#define SETTING_LEN 6

static const struct h2_check fine = {H2_FINE, H2_NO_ERROR};

void
h2_settings_init(struct h2_settings *settings)
{
	*settings = (struct h2_settings){
	    .header_table_size = 4096,
	    .max_concurrent_streams = UINT32_MAX,
	    .initial_window_size = H2_WINDOW_DEFAULT,
	    .max_frame_size = H2_FRAME_SIZE_DEFAULT,
	    .max_header_list_size = UINT32_MAX,
	    .enable_push = true,
	};
}

static struct h2_check
check_that(bool condition, enum h2_error error)
{
	return condition ? fine : (struct h2_check){H2_CONNECTION_BAD, error};
}

/* Section 6.5.2: a server may only say that it does not push, which changes nothing. */
static struct h2_check
set_push(struct h2_settings *settings, uint32_t value, bool from_server)
{
	settings->enable_push = value != 0;
	return check_that(value <= (from_server ? 0 : 1), H2_PROTOCOL_ERROR);
}

/* RFC 8441 section 3: once allowed, it stays allowed. */
static struct h2_check
set_connect(struct h2_settings *settings, uint32_t value)
{
	bool withdrawn = settings->enable_connect_protocol && value == 0;

	settings->enable_connect_protocol = value != 0;
	return check_that(value <= 1 && !withdrawn, H2_PROTOCOL_ERROR);
}

/* RFC 9218 section 2.1: the value of the first frame must not change later. */
static struct h2_check
set_no_priorities(struct h2_settings *settings, uint32_t value)
{
	bool changed = settings->received && settings->no_rfc7540_priorities != (value != 0);

	settings->no_rfc7540_priorities = value != 0;
	return check_that(value <= 1 && !changed, H2_PROTOCOL_ERROR);
}

static struct h2_check
set(struct h2_settings *settings, unsigned id, uint32_t value, bool from_server)
{
	switch (id) {
	case H2_SETTINGS_HEADER_TABLE_SIZE:
		settings->header_table_size = value;
		return fine;
	case H2_SETTINGS_ENABLE_PUSH:
		return set_push(settings, value, from_server);
	case H2_SETTINGS_MAX_CONCURRENT_STREAMS:
		settings->max_concurrent_streams = value;
		return fine;
	case H2_SETTINGS_INITIAL_WINDOW_SIZE:
		settings->initial_window_size = value;
		return check_that(value <= H2_WINDOW_LIMIT, H2_FLOW_CONTROL_ERROR);
	case H2_SETTINGS_MAX_FRAME_SIZE:
		settings->max_frame_size = value;
		return check_that(value >= H2_FRAME_SIZE_DEFAULT && value <= H2_FRAME_SIZE_LIMIT,
		    H2_PROTOCOL_ERROR);
	case H2_SETTINGS_MAX_HEADER_LIST_SIZE:
		settings->max_header_list_size = value;
		return fine;
	case H2_SETTINGS_ENABLE_CONNECT_PROTOCOL:
		return set_connect(settings, value);
	case H2_SETTINGS_NO_RFC7540_PRIORITIES:
		return set_no_priorities(settings, value);
	default: /* not known: it may come from a later RFC, and is ignored */
		return fine;
	}
}

struct h2_check
h2_settings_read(struct h2_settings *settings, struct slice payload, bool from_server)
{
	for (; payload.len >= SETTING_LEN; payload = slice_after(payload, SETTING_LEN)) {
		uint16_t id;
		uint32_t value;
		struct h2_check check;

		memcpy(&id, payload.at, sizeof(id));
		memcpy(&value, payload.at + sizeof(id), sizeof(value));
		check = set(settings, be16toh(id), be32toh(value), from_server);
		if (check.scope != H2_FINE)
			return check;
	}
	settings->received = true;
	return fine;
}
