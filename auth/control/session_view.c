/* session_view.c - a session as JSON. */
#include "auth/control/session_view.h"

#include "auth/control/session_query.h"
#include "auth/control/view.h"
#include "jobgate/log.h"

/* A client may send any bytes in a path: those that are not UTF-8 become '?'. */
static json_t *
text_view(const char *text)
{
	char clean[SESSION_PATH_MAX + 1];
	size_t len = 0;

	while (*text != '\0' && len < SESSION_PATH_MAX) {
		size_t left = strlen(text), n = 1;

		if ((unsigned char)*text >= 0x80)
			n = jg_log_char_len(text, left);
		if (n == 0 || len + n > SESSION_PATH_MAX) {
			clean[len++] = '?';
			text++;
			continue;
		}
		memcpy(clean + len, text, n);
		len += n;
		text += n;
	}
	return json_stringn(clean, len);
}

static json_t *
text_or_null(const char *text)
{
	return text[0] != '\0' ? text_view(text) : json_null();
}

static const char *
protocol_name(uint8_t version)
{
	switch ((enum http_version)version) {
	case HTTP_1_0:
		return "HTTP/1.0";
	case HTTP_1_1:
		break;
	case HTTP_2:
		return "HTTP/2.0";
	}
	return "HTTP/1.1";
}

/* Bytes per second in both directions, since it began. */
static uint64_t
rate_of(const struct session *session)
{
	double bytes = (double)session->bytes_in + (double)session->bytes_out;

	return session->age_us > 0 ? (uint64_t)(bytes * 1e6 / (double)session->age_us) : 0;
}

json_t *
session_view(const struct session_id *place, unsigned index, const struct session *session)
{
	char id[SESSION_ID_MAX];
	uint64_t age_ms = session->age_us / 1000;
	char started[VIEW_TIME_MAX];

	session_id_format(place, id);
	view_time((uint64_t)session->started_us / 1000, started);
	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:s, s:o, s:o, s:s, s:s, s:f, s:I, s:I, s:I, "
			 "s:i}",
	    "id", id, "job", text_view(session->job), "token_id", text_or_null(session->token_id),
	    "token_name", text_or_null(session->token_name), "client", text_view(session->client),
	    "protocol", protocol_name(session->version), "method", text_view(session->method),
	    "path", text_view(session->path), "state", jg_session_state_name(session->state),
	    "started_at", started, "age_s", (double)age_ms / 1000, "bytes_in",
	    (json_int_t)session->bytes_in, "bytes_out", (json_int_t)session->bytes_out, "rate",
	    (json_int_t)rate_of(session), "worker", (int)index);
}
