/* values.c - parsing single values. */
#include "config/values.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

const char *
value_bool(const char *text, bool *out)
{
	*out = strcmp(text, "true") == 0;
	return *out || strcmp(text, "false") == 0 ? NULL : "expected true or false";
}

/*
 * Digits at the beginning of text; *rest is what follows them. False without any, or on overflow.
 */
static bool
leading_number(const char *text, uint64_t *out, const char **rest)
{
	struct slice digits = slice_digits(slice_of(text));

	*rest = text + digits.len;
	return slice_to_number(digits, UINT64_MAX, out);
}

const char *
value_number(const char *text, uint64_t *out)
{
	const char *rest;

	return leading_number(text, out, &rest) && *rest == '\0' ? NULL : "expected a whole number";
}

/* A number, followed by one of some units. */
struct unit {
	const char *name;
	uint64_t factor;
};

static bool
number_with_unit(const char *text, const struct unit *units, uint64_t *out)
{
	const char *rest;
	uint64_t number;

	if (!leading_number(text, &number, &rest))
		return false;
	for (; units->name != NULL; units++) {
		if (strcmp(rest, units->name) != 0)
			continue;
		*out = number * units->factor;
		return number <= (uint64_t)INT64_MAX / units->factor;
	}
	return false;
}

const char *
value_time(const char *text, uint64_t *out_ms)
{
	static const struct unit units[] = {
	    {"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 60 * 60 * 1000}, {NULL, 0}};

	return number_with_unit(text, units, out_ms)
		   ? NULL
		   : "expected a time such as 250ms, 5s, 2m or 1h";
}

const char *
value_size(const char *text, uint64_t *out)
{
	static const struct unit units[] = {
	    {"", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {NULL, 0}};

	return number_with_unit(text, units, out) ? NULL
						  : "expected a size such as 65536, 64KiB or 1MiB";
}

const char *
value_level(const char *text, enum log_level *out)
{
	static const char *const names[] = {"error", "warning", "info", "debug"};

	for (size_t i = 0; i < 4; i++) {
		if (strcmp(text, names[i]) == 0) {
			*out = (enum log_level)i;
			return NULL;
		}
	}
	return "expected error, warning, info or debug";
}

const char *
value_range(const char *text, struct ip_range *out)
{
	return jg_ip_range_parse(slice_of(text), out)
		   ? NULL
		   : "expected an address or a range such as 10.0.0.0/8 or fd00::/8";
}

const char *
value_domain(const char *text)
{
	static const char expected[] = "expected a domain such as jobs.example.org";
	size_t label = 0;

	if (strlen(text) > 253 - (JOB_ID_MAX + 1))
		return expected;
	for (const char *at = text;; at++) {
		if (*at == '.' || *at == '\0') {
			if (label == 0 || at[-1] == '-')
				return expected;
			label = 0;
			if (*at == '\0')
				return NULL;
		} else if (((*at < 'a' || *at > 'z') && (*at < '0' || *at > '9') &&
			       (*at != '-' || label == 0)) ||
			   ++label > 63) {
			return expected;
		}
	}
}

const char *
value_prefix(const char *text)
{
	static const char expected[] = "expected a path such as /jobs, without a slash at its end";
	size_t len = strlen(text);

	if (len < 2 || len > 255 || text[0] != '/' || text[len - 1] == '/' ||
	    strstr(text, "//") != NULL || strstr(text, "/.") != NULL)
		return expected;
	for (size_t i = 1; i < len; i++)
		if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/",
			text[i]) == NULL)
			return expected;
	return NULL;
}

const char *
value_origin(const char *text)
{
	static const char expected[] =
	    "expected an origin as browsers send it: a scheme and a host in lower case, without "
	    "a slash at its end and without the usual port, such as https://app.example.org or "
	    "http://localhost:3000; or \"*\"";
	const char *host = strstr(text, "://"), *port;
	uint64_t number;

	if (strcmp(text, "*") == 0)
		return NULL;
	if (host == NULL || host == text || strlen(text) > 255 ||
	    strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789+-.") != (size_t)(host - text))
		return expected;
	host += strlen("://");
	port = host + strspn(host, "abcdefghijklmnopqrstuvwxyz0123456789-._");
	if (*host == '[') {
		port = host + 1 + strspn(host + 1, "0123456789abcdef:.");
		if (*port++ != ']')
			return expected;
	}
	if (port == host || *port == '\0')
		return port == host ? expected : NULL;
	if (*port != ':' || value_number(port + 1, &number) != NULL || port[1] == '0' ||
	    number > UINT16_MAX || (number == 443 && strncmp(text, "https:", 6) == 0) ||
	    (number == 80 && strncmp(text, "http:", 5) == 0))
		return expected;
	return NULL;
}

const char *
value_address(const char *text, char host[64], uint16_t *port, const char **path)
{
	static const char expected[] = "expected address:port with a numeric address, such as "
				       "127.0.0.1:8080, [::]:8080 or :8080, or unix:/path";
	const char *colon = strrchr(text, ':');
	const char *begin = text, *end = colon;
	unsigned char address[16];
	uint64_t number;
	int family = AF_INET;

	*path = NULL;
	if (strncmp(text, "unix:", 5) == 0) {
		*path = text + 5;
		return text[5] == '/' && strlen(text + 5) <= 107
			   ? NULL
			   : "expected unix: with an absolute path of at most 107 bytes";
	}
	if (colon == NULL || value_number(colon + 1, &number) != NULL || number > UINT16_MAX)
		return expected;
	*port = (uint16_t)number;
	if (colon == text) {
		strcpy(host, "::");
		return NULL;
	}
	if (*begin == '[') {
		begin++;
		family = AF_INET6;
		if (*--end != ']')
			return expected;
	}
	if (end < begin || end - begin >= 64)
		return expected;
	memcpy(host, begin, (size_t)(end - begin));
	host[end - begin] = '\0';
	return inet_pton(family, host, address) == 1 ? NULL : expected;
}
