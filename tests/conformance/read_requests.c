/*
 * read_requests.c - what libhttp-parser reads in recorded connections to a backend.
 *
 * Input: each connection as four bytes of length (little-endian) and its bytes. Output: for
 * each a line of JSON, {"requests": [...], "left": bytes of no request}. A request is
 * {"method", "target", "fields": [[name, value], ...], "content", "trailers", "whole"};
 * bytes stand as the characters of the same number.
 */
#include <err.h>
#include <http_parser.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIELDS_MAX 512

struct text {
	const char *at;
	size_t len;
};

/* One request; its texts point into the connection's bytes, the content alone is gathered. */
struct request {
	struct text method, target;
	struct text names[FIELDS_MAX], values[FIELDS_MAX];
	size_t count;	    /* of fields and trailers */
	size_t field_count; /* of fields alone, known once head is true */
	bool head, whole;
	char *content;
	size_t content_len;
};

static int
on_target(http_parser *parser, const char *at, size_t len)
{
	struct request *request = parser->data;

	request->target = (struct text){at, len};
	return 0;
}

static int
on_name(http_parser *parser, const char *at, size_t len)
{
	struct request *request = parser->data;

	if (request->count == FIELDS_MAX)
		return 1;
	request->names[request->count] = (struct text){at, len};
	request->values[request->count++] = (struct text){at, 0};
	return 0;
}

static int
on_value(http_parser *parser, const char *at, size_t len)
{
	struct request *request = parser->data;

	request->values[request->count - 1] = (struct text){at, len};
	return 0;
}

static int
on_head(http_parser *parser)
{
	struct request *request = parser->data;

	request->head = true;
	request->field_count = request->count;
	return 0;
}

static int
on_content(http_parser *parser, const char *at, size_t len)
{
	struct request *request = parser->data;

	memcpy(request->content + request->content_len, at, len);
	request->content_len += len;
	return 0;
}

/* Stop behind each request, so that the next one begins with a parser of its own. */
static int
on_end(http_parser *parser)
{
	struct request *request = parser->data;

	request->whole = true;
	http_parser_pause(parser, 1);
	return 0;
}

static const http_parser_settings settings = {
    .on_url = on_target,
    .on_header_field = on_name,
    .on_header_value = on_value,
    .on_headers_complete = on_head,
    .on_body = on_content,
    .on_message_complete = on_end,
};

/* libhttp-parser knows the methods that are registered, and no extensions. */
static bool
is_known(struct text method)
{
	for (unsigned i = 0; i <= HTTP_SOURCE; i++) {
		const char *known = http_method_str((enum http_method)i);

		if (strlen(known) == method.len && memcmp(known, method.at, method.len) == 0)
			return true;
	}
	return false;
}

/* Read the request that begins the input. Returns how many bytes are its own; 0: it is none. */
static size_t
read_request(struct text input, struct request *request)
{
	http_parser parser;
	const char *space = memchr(input.at, ' ', input.len);
	size_t skipped = 0, taken;

	request->count = request->field_count = request->content_len = 0;
	request->head = request->whole = false;
	if (space == NULL)
		return 0;
	request->method = (struct text){input.at, (size_t)(space - input.at)};
	http_parser_init(&parser, HTTP_REQUEST);
	parser.data = request;
	if (!is_known(request->method)) {
		skipped = request->method.len;
		http_parser_execute(&parser, &settings, "POST", 4);
	}
	taken = http_parser_execute(&parser, &settings, input.at + skipped, input.len - skipped);
	if (HTTP_PARSER_ERRNO(&parser) != HPE_OK && HTTP_PARSER_ERRNO(&parser) != HPE_PAUSED)
		warnx("%s", http_errno_description(HTTP_PARSER_ERRNO(&parser)));
	else if (request->head)
		return skipped + taken;
	return 0;
}

static void
print_text(const char *before, struct text text)
{
	printf("%s\"", before);
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.at[i];

		if (c < ' ' || c > '~' || c == '"' || c == '\\')
			printf("\\u%04x", c);
		else
			putchar(c);
	}
	putchar('"');
}

static void
print_fields(const struct request *request, size_t begin, size_t end)
{
	for (size_t i = begin; i < end; i++) {
		print_text(i > begin ? ",[" : "[", request->names[i]);
		print_text(",", request->values[i]);
		putchar(']');
	}
}

static void
print_request(const struct request *request)
{
	print_text("{\"method\":", request->method);
	print_text(",\"target\":", request->target);
	printf(",\"fields\":[");
	print_fields(request, 0, request->field_count);
	print_text("],\"content\":", (struct text){request->content, request->content_len});
	printf(",\"trailers\":[");
	print_fields(request, request->field_count, request->count);
	printf("],\"whole\":%s}", request->whole ? "true" : "false");
}

static void
print_connection(struct text input, struct request *request)
{
	const char *separator = "";
	size_t taken;

	printf("{\"requests\":[");
	while (input.len > 0 && (taken = read_request(input, request)) > 0) {
		printf("%s", separator);
		print_request(request);
		separator = ",";
		input = (struct text){input.at + taken, input.len - taken};
	}
	printf("],\"left\":%zu}\n", input.len);
}

int
main(void)
{
	static struct request request;
	unsigned char prefix[4];

	while (fread(prefix, 1, sizeof(prefix), stdin) == sizeof(prefix)) {
		size_t len = prefix[0] | prefix[1] << 8 | prefix[2] << 16 | (size_t)prefix[3] << 24;
		char *input = malloc(len + 1);

		request.content = malloc(len + 1);
		if (input == NULL || request.content == NULL || fread(input, 1, len, stdin) != len)
			errx(1, "the input is not whole");
		print_connection((struct text){input, len}, &request);
		free(request.content);
		free(input);
	}
	return 0;
}
