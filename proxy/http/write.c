/* write.c - writes heads. */
#include "http/write.h"

#include <time.h>

void
write_slice(struct writer *writer, struct slice text)
{
	if (text.len > (size_t)(writer->end - writer->at)) {
		writer->full = true;
		return;
	}
	if (text.len > 0)
		memcpy(writer->at, text.at, text.len);
	writer->at += text.len;
}

void
write_number(struct writer *writer, uint64_t number)
{
	char digits[20];
	size_t n = sizeof(digits);

	do
		digits[--n] = (char)('0' + number % 10);
	while ((number /= 10) > 0);
	write_slice(writer, (struct slice){digits + n, sizeof(digits) - n});
}

void
write_request_line(struct writer *writer, struct slice method, struct slice base, struct slice path,
    struct slice query)
{
	write_slice(writer, method);
	write_literal(writer, " ");
	write_slice(writer, base);
	write_slice(writer, path);
	write_slice(writer, query);
	write_literal(writer, " HTTP/1.1\r\n");
}

void
write_status_line(struct writer *writer, unsigned status, struct slice reason)
{
	write_literal(writer, "HTTP/1.1 ");
	write_number(writer, status);
	write_literal(writer, " ");
	write_slice(writer, reason.len > 0 ? reason : reason_phrase(status));
	write_literal(writer, "\r\n");
}

/* Inline, for the loop of write_fields: an answer is written field by field. */
static inline void
put_field(struct writer *writer, struct slice name, struct slice value)
{
	size_t len = name.len + 2 + value.len + 2;

	/* All of it or nothing, because half a field would be another field. */
	if (len > (size_t)(writer->end - writer->at)) {
		writer->full = true;
		return;
	}
	memcpy(writer->at, name.at, name.len);
	memcpy(writer->at + name.len, ": ", 2);
	if (value.len > 0)
		memcpy(writer->at + name.len + 2, value.at, value.len);
	memcpy(writer->at + len - 2, "\r\n", 2);
	writer->at += len;
}

void
write_field(struct writer *writer, struct slice name, struct slice value)
{
	put_field(writer, name, value);
}

void
write_fields(struct writer *writer, const struct fields *fields)
{
	for (size_t i = 0; i < fields->count; i++)
		if (!fields->items[i].dropped)
			put_field(writer, fields->items[i].name, fields->items[i].value);
}

bool
field_line_next(struct slice *rest, struct field *out)
{
	const char *colon = rest->len > 0 ? memchr(rest->at, ':', rest->len) : NULL;
	const char *end =
	    colon != NULL ? memchr(colon, '\r', rest->len - (size_t)(colon - rest->at)) : NULL;

	if (end == NULL || end < colon + 2)
		return false;
	*out = (struct field){
	    .name = {rest->at, (size_t)(colon - rest->at)},
	    .value = {colon + 2, (size_t)(end - colon) - 2},
	};
	*rest = slice_after(*rest, (size_t)(end - rest->at) + 2);
	return true;
}

size_t
chunk_head(uint64_t size, char out[CHUNK_HEAD_MAX])
{
	size_t digits = 1;

	while (digits < 16 && size >> (4 * digits) != 0)
		digits++;
	for (size_t i = 0; i < digits; i++)
		out[i] = "0123456789abcdef"[size >> (4 * (digits - 1 - i)) & 15];
	out[digits] = '\r';
	out[digits + 1] = '\n';
	return digits + 2;
}

static void
two_digits(char *out, int number)
{
	out[0] = (char)('0' + number / 10 % 10);
	out[1] = (char)('0' + number % 10);
}

void
http_date(int64_t unix_seconds, char out[HTTP_DATE_LEN])
{
	static const char days[] = "SunMonTueWedThuFriSat";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	time_t seconds = (time_t)unix_seconds;
	struct tm tm;

	gmtime_r(&seconds, &tm);
	memcpy(out, "Xxx, 00 Xxx 0000 00:00:00 GMT", HTTP_DATE_LEN);
	memcpy(out, days + 3 * tm.tm_wday, 3);
	two_digits(out + 5, tm.tm_mday);
	memcpy(out + 8, months + 3 * tm.tm_mon, 3);
	two_digits(out + 12, (tm.tm_year + 1900) / 100);
	two_digits(out + 14, (tm.tm_year + 1900) % 100);
	two_digits(out + 17, tm.tm_hour);
	two_digits(out + 20, tm.tm_min);
	two_digits(out + 23, tm.tm_sec);
}

struct slice
reason_phrase(unsigned status)
{
	static const struct {
		unsigned status;
		struct slice phrase;
	} known[] = {
	    {100, SLICE("Continue")},
	    {101, SLICE("Switching Protocols")},
	    {103, SLICE("Early Hints")},
	    {200, SLICE("OK")},
	    {201, SLICE("Created")},
	    {202, SLICE("Accepted")},
	    {203, SLICE("Non-Authoritative Information")},
	    {204, SLICE("No Content")},
	    {205, SLICE("Reset Content")},
	    {206, SLICE("Partial Content")},
	    {300, SLICE("Multiple Choices")},
	    {301, SLICE("Moved Permanently")},
	    {302, SLICE("Found")},
	    {303, SLICE("See Other")},
	    {304, SLICE("Not Modified")},
	    {307, SLICE("Temporary Redirect")},
	    {308, SLICE("Permanent Redirect")},
	    {400, SLICE("Bad Request")},
	    {401, SLICE("Unauthorized")},
	    {402, SLICE("Payment Required")},
	    {403, SLICE("Forbidden")},
	    {404, SLICE("Not Found")},
	    {405, SLICE("Method Not Allowed")},
	    {406, SLICE("Not Acceptable")},
	    {407, SLICE("Proxy Authentication Required")},
	    {408, SLICE("Request Timeout")},
	    {409, SLICE("Conflict")},
	    {410, SLICE("Gone")},
	    {411, SLICE("Length Required")},
	    {412, SLICE("Precondition Failed")},
	    {413, SLICE("Content Too Large")},
	    {414, SLICE("URI Too Long")},
	    {415, SLICE("Unsupported Media Type")},
	    {416, SLICE("Range Not Satisfiable")},
	    {417, SLICE("Expectation Failed")},
	    {421, SLICE("Misdirected Request")},
	    {422, SLICE("Unprocessable Content")},
	    {426, SLICE("Upgrade Required")},
	    {428, SLICE("Precondition Required")},
	    {429, SLICE("Too Many Requests")},
	    {431, SLICE("Request Header Fields Too Large")},
	    {500, SLICE("Internal Server Error")},
	    {501, SLICE("Not Implemented")},
	    {502, SLICE("Bad Gateway")},
	    {503, SLICE("Service Unavailable")},
	    {504, SLICE("Gateway Timeout")},
	    {505, SLICE("HTTP Version Not Supported")},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (known[i].status == status)
			return known[i].phrase;
	return (struct slice){0};
}
