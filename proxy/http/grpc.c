/* grpc.c - gRPC's additions to HTTP. */
#include "http/grpc.h"

#include "jobgate/slice.h"

enum grpc_kind
grpc_kind_of(struct slice content_type)
{
	static const struct {
		struct slice name;
		enum grpc_kind kind;
	} known[] = {
	    {SLICE("application/grpc"), GRPC_PLAIN},
	    {SLICE("application/grpc-web"), GRPC_WEB},
	    {SLICE("application/grpc-web-text"), GRPC_WEB},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		size_t len = known[i].name.len;

		if (slice_starts_with_nocase(content_type, known[i].name) &&
		    (content_type.len == len || content_type.at[len] == '+' ||
			content_type.at[len] == ';'))
			return known[i].kind;
	}
	return GRPC_NONE;
}

enum grpc_kind
grpc_kind_of_fields(const struct fields *fields, struct slice *content_type)
{
	const struct field *found = NULL;

	for (size_t i = 0; i < fields->count; i++) {
		if (fields->items[i].id != FIELD_CONTENT_TYPE)
			continue;
		if (found != NULL)
			return GRPC_NONE;
		found = &fields->items[i];
	}
	if (found == NULL)
		return GRPC_NONE;
	*content_type = found->value;
	return grpc_kind_of(found->value);
}

/* ---- deadlines ---- */

#define NUMBER_MAX 99999999 /* eight digits */

/* The finest unit first, beginning with milliseconds. */
static const struct {
	char unit;
	uint64_t ms;
} units[] = {{'m', 1}, {'S', 1000}, {'M', 60 * 1000}, {'H', 60 * 60 * 1000}};

#define UNITS (sizeof(units) / sizeof(units[0]))

static uint64_t
divide_up(uint64_t number, uint64_t by)
{
	return number / by + (number % by != 0);
}

bool
grpc_timeout_parse(struct slice text, uint64_t *ms)
{
	uint64_t number;
	char unit;

	if (text.len < 2 || text.len > GRPC_TIMEOUT_MAX ||
	    !slice_to_number((struct slice){text.at, text.len - 1}, NUMBER_MAX, &number))
		return false;
	unit = text.at[text.len - 1];
	for (size_t i = 0; i < UNITS; i++) {
		if (units[i].unit == unit) {
			*ms = number * units[i].ms;
			return true;
		}
	}
	if (unit != 'u' && unit != 'n')
		return false;
	*ms = divide_up(number, unit == 'u' ? 1000 : 1000000);
	return true;
}

size_t
grpc_timeout_format(uint64_t ms, char out[GRPC_TIMEOUT_MAX])
{
	char digits[GRPC_TIMEOUT_MAX];
	size_t i = 0, len = 0;
	uint64_t number;

	while (i < UNITS - 1 && divide_up(ms, units[i].ms) > NUMBER_MAX)
		i++;
	number = divide_up(ms, units[i].ms);
	if (number > NUMBER_MAX)
		number = NUMBER_MAX;
	do
		digits[len++] = (char)('0' + number % 10);
	while ((number /= 10) > 0);
	for (size_t at = 0; at < len; at++)
		out[at] = digits[len - 1 - at];
	out[len] = units[i].unit;
	return len + 1;
}

/* ---- statuses ---- */

enum grpc_status
grpc_status_of(unsigned http_status)
{
	switch (http_status) {
	case 400:
		return GRPC_INTERNAL;
	case 401:
		return GRPC_UNAUTHENTICATED;
	case 403:
		return GRPC_PERMISSION_DENIED;
	case 404:
		return GRPC_UNIMPLEMENTED;
	case 429:
	case 502:
	case 503:
	case 504:
		return GRPC_UNAVAILABLE;
	default:
		return GRPC_UNKNOWN;
	}
}

unsigned
grpc_status_read(struct slice text)
{
	uint64_t status;

	return slice_to_number(text, GRPC_STATUS_COUNT - 1, &status) ? (unsigned)status
								     : GRPC_UNKNOWN;
}

size_t
grpc_message_escape(struct slice text, char *out)
{
	static const char digits[] = "0123456789ABCDEF";
	size_t len = 0;

	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.at[i];
		bool inner = i > 0 && i + 1 < text.len;

		if (c >= (inner ? ' ' : '!') && c <= '~' && c != '%') {
			out[len++] = (char)c;
			continue;
		}
		out[len++] = '%';
		out[len++] = digits[c >> 4];
		out[len++] = digits[c & 15];
	}
	return len;
}

struct fields
grpc_end_fields(struct grpc_end *end, enum grpc_status status, struct slice message)
{
	unsigned code = (unsigned)status;
	size_t len = 0;

	if (message.len > GRPC_MESSAGE_MAX)
		message.len = GRPC_MESSAGE_MAX;
	if (code >= 10)
		end->status[len++] = (char)('0' + code / 10 % 10);
	end->status[len++] = (char)('0' + code % 10);
	end->fields[0] = (struct field){
	    .name = SLICE("grpc-status"), .value = {end->status, len}, .id = FIELD_GRPC_STATUS};
	end->fields[1] = (struct field){.name = SLICE("grpc-message"),
	    .value = {end->message, grpc_message_escape(message, end->message)}};
	return (struct fields){end->fields, message.len > 0 ? 2 : 1};
}

/* ---- messages ---- */

#define PREFIX_LEN 5 /* a byte of flags, then four bytes of length, most significant first */

void
grpc_messages_follow(struct grpc_messages *messages, struct slice sent)
{
	while (sent.len > 0) {
		if (messages->seen == 0 && messages->left > 0) {
			size_t len = sent.len < messages->left ? sent.len : messages->left;

			messages->left -= (uint32_t)len;
			sent = slice_after(sent, len);
			continue;
		}
		if (messages->seen > 0)
			messages->left = messages->left << 8 | (unsigned char)sent.at[0];
		sent = slice_after(sent, 1);
		if (++messages->seen == PREFIX_LEN)
			messages->seen = 0;
	}
}
