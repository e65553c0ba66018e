/* job.c - ids of jobs, and the URLs of their backends. */
#include "jobgate/job.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "auth/ascii.h"

#define HOST_MAX 253
#define SOCKET_PATH_MAX 107 /* sun_path of sockaddr_un, without its NUL */

bool
jg_job_access_valid(struct slice text)
{
	return text.at == NULL || slice_equal(text, SLICE("public"));
}

bool
jg_job_id_valid(struct slice id)
{
	if (id.len == 0 || id.len > JOB_ID_MAX || id.at[0] == '-' || id.at[id.len - 1] == '-')
		return false;
	for (size_t i = 0; i < id.len; i++)
		if (!is_lower(id.at[i]) && !is_digit(id.at[i]) && id.at[i] != '-')
			return false;
	return true;
}

bool
jg_job_id_fold(struct slice text, char out[JOB_ID_ROOM])
{
	unsigned char bad = 0;

	if (text.len == 0 || text.len > JOB_ID_MAX || text.at[0] == '-' ||
	    text.at[text.len - 1] == '-')
		return false;
	/* A fixed number of characters, so that the compiler can take many at a time. */
	memset(out, 'a', JOB_ID_ROOM);
	memcpy(out, text.at, text.len);
	for (size_t i = 0; i < JOB_ID_ROOM; i++) {
		unsigned char c = (unsigned char)out[i];

		c = (unsigned char)(c | ((unsigned char)(c - 'A') < 26 ? 0x20 : 0));
		bad |= ((unsigned char)(c - 'a') >= 26) & ((unsigned char)(c - '0') >= 10) &
		       (c != '-');
		out[i] = (char)c;
	}
	return bad == 0;
}

bool
jg_job_port_parse(struct slice text, uint16_t *out)
{
	uint64_t number;

	if (text.len == 0 || text.at[0] == '0' || !slice_to_number(text, UINT16_MAX, &number))
		return false;
	*out = (uint16_t)number;
	return true;
}

const struct job_port *
jg_job_port_find(const struct job *job, uint16_t number)
{
	for (size_t i = 0; i < job->ports.count; i++)
		if (job->ports.items[i].number == number)
			return &job->ports.items[i];
	return NULL;
}

void
jg_job_port_insert(struct job_port *ports, size_t count, const struct job_port *port)
{
	size_t at = count;

	for (; at > 0 && ports[at - 1].number > port->number; at--)
		ports[at] = ports[at - 1];
	ports[at] = *port;
}

struct slice
jg_job_port_label(struct slice id, uint16_t number, char out[JOB_PORT_LABEL_MAX])
{
	int len =
	    snprintf(out, JOB_PORT_LABEL_MAX, "%.*s-%u", (int)id.len, id.at, (unsigned)number);

	return (struct slice){out, (size_t)len};
}

bool
jg_job_port_split(struct slice label, size_t *id_len, uint16_t *number)
{
	size_t at = label.len;

	while (at > 0 && is_digit(label.at[at - 1]))
		at--;
	/* The id before the '-' must not end with '-', and be there. */
	if (at == label.len || at < 2 || label.at[at - 1] != '-' || label.at[at - 2] == '-' ||
	    !jg_job_port_parse(slice_after(label, at), number))
		return false;
	*id_len = at - 1;
	return true;
}

/* Parse an IPv6 address from *at, which is after '['; *at then is after ']'. */
static bool
parse_ipv6(struct slice text, size_t *at, struct job_url *out)
{
	struct slice rest = slice_after(text, *at);
	const char *close = rest.len > 0 ? memchr(rest.at, ']', rest.len) : NULL;
	char address[INET6_ADDRSTRLEN];
	struct in6_addr parsed;

	if (close == NULL || (size_t)(close - rest.at) >= sizeof(address))
		return false;
	out->host = (struct slice){rest.at, (size_t)(close - rest.at)};
	memcpy(address, out->host.at, out->host.len);
	address[out->host.len] = '\0';
	/* inet_pton would stop at a NUL. */
	if (memchr(address, '\0', out->host.len) != NULL ||
	    inet_pton(AF_INET6, address, &parsed) != 1)
		return false;
	*at += out->host.len + 1;
	return true;
}

static bool
parse_name(struct slice text, size_t *at, struct job_url *out)
{
	size_t begin = *at;

	while (*at < text.len && (is_alnum(text.at[*at]) || text.at[*at] == '-' ||
				     text.at[*at] == '_' || text.at[*at] == '.')) {
		if (text.at[*at] == '.' && (*at == begin || text.at[*at - 1] == '.'))
			return false;
		if (*at - begin == HOST_MAX)
			return false;
		++*at;
	}
	out->host = (struct slice){text.at + begin, *at - begin};
	return out->host.len > 0;
}

static bool
parse_port(struct slice text, size_t *at, struct job_url *out)
{
	uint64_t port = 0;
	size_t begin = *at;

	for (; *at < text.len && is_digit(text.at[*at]); ++*at)
		if (!number_append_digit(&port, text.at[*at], UINT16_MAX))
			return false; /* *at is where the number became too large */
	out->port = (uint16_t)port;
	return *at > begin && port > 0;
}

/* Check one byte of a base; '%' and two hex digits count as one byte. */
static bool
base_byte(struct slice text, size_t at, size_t *len)
{
	char c = text.at[at];

	*len = 1;
	if (c == '%') {
		*len = 3;
		/* An encoded slash could be one segment for us and two for the backend. */
		return text.len - at >= 3 && is_hex(text.at[at + 1]) && is_hex(text.at[at + 2]) &&
		       !(text.at[at + 1] == '2' && (text.at[at + 2] | 0x20) == 'f') &&
		       !(text.at[at + 1] == '5' && (text.at[at + 2] | 0x20) == 'c');
	}
	return is_alnum(c) || (c != '\0' && strchr("-._~!$&'()*+,;=:@/", c) != NULL);
}

/* True when the segment is "." or "..", also with "%2e". */
static bool
is_dots(struct slice segment)
{
	unsigned dots = 0;

	for (size_t i = 0; i < segment.len; dots++) {
		if (segment.at[i] == '.')
			i++;
		else if (segment.len - i >= 3 && strncasecmp(segment.at + i, "%2e", 3) == 0)
			i += 3;
		else
			return false;
	}
	return dots == 1 || dots == 2;
}

/* Parse "/a/b" up to the end of the text; slashes at its end are left out. */
static bool
parse_base(struct slice text, size_t *at, struct job_url *out)
{
	size_t begin = *at, segment = *at, len;

	for (; *at <= text.len; *at += len) {
		bool ends = *at == text.len || text.at[*at] == '/';

		len = 1;
		if (ends && *at > begin) {
			if (is_dots((struct slice){text.at + segment, *at - segment})) {
				*at = segment;
				return false;
			}
		}
		if (*at == text.len)
			break;
		if (!base_byte(text, *at, &len))
			return false;
		if (text.at[*at] == '/')
			segment = *at + 1;
	}
	out->base = (struct slice){text.at + begin, text.len - begin};
	while (out->base.len > 0 && out->base.at[out->base.len - 1] == '/')
		out->base.len--;
	return true;
}

bool
jg_job_health_valid(struct slice text)
{
	struct job_url url;
	size_t at = 0;

	if (text.at == NULL)
		return true;
	/* "//evil/x" names a host where it is read as a reference (RFC 3986 section 4.2). */
	return text.len > 0 && text.len <= JOB_HEALTH_MAX && text.at[0] == '/' &&
	       !slice_starts_with(text, SLICE("//")) && parse_base(text, &at, &url);
}

static bool
parse_http(struct slice text, size_t *at, struct job_url *out)
{
	out->port = jg_job_url_tls(out) ? 443 : 80;
	if (*at < text.len && text.at[*at] == '[') {
		++*at;
		if (!parse_ipv6(text, at, out))
			return false;
	} else if (!parse_name(text, at, out)) {
		return false;
	}
	if (*at < text.len && text.at[*at] == ':') {
		++*at;
		if (!parse_port(text, at, out))
			return false;
	}
	if (*at == text.len)
		return true;
	return text.at[*at] == '/' && parse_base(text, at, out);
}

static bool
parse_unix(struct slice text, size_t *at, struct job_url *out)
{
	size_t begin = *at;

	if (begin == text.len || text.at[begin] != '/')
		return false;
	for (; *at < text.len; ++*at)
		if ((unsigned char)text.at[*at] <= ' ' || text.at[*at] == 0x7f ||
		    *at - begin == SOCKET_PATH_MAX)
			return false;
	out->path = slice_after(text, begin);
	return true;
}

static uint64_t
hash_more(uint64_t hash, struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		hash = (hash ^ (unsigned char)text.at[i]) * 1099511628211u;
	return (hash ^ text.len) * 1099511628211u;
}

/* FNV-1a is enough: if two URLs of a job collide, its requests only go to the other URL that its
 * owner gave it. */
static uint64_t
hash_of(const struct job_url *url)
{
	uint64_t hash = 14695981039346656037u ^ ((uint64_t)url->scheme << 16 | url->port);

	return hash_more(hash_more(hash_more(hash, url->host), url->base), url->path);
}

bool
jg_job_url_parse(struct slice text, struct job_url *out, size_t *bad)
{
	static const struct {
		struct slice prefix;
		enum job_url_scheme scheme;
	} schemes[] = {
	    {SLICE("http://"), JOB_URL_HTTP},
	    {SLICE("https://"), JOB_URL_HTTPS},
	    {SLICE("h2c://"), JOB_URL_H2C},
	    {SLICE("grpc://"), JOB_URL_H2C},
	    {SLICE("grpcs://"), JOB_URL_GRPCS},
	    {SLICE("unix:"), JOB_URL_UNIX},
	};

	*out = (struct job_url){.scheme = JOB_URL_NONE};
	*bad = 0;
	if (text.len == 0)
		return true;
	if (text.len > JOB_URL_MAX) {
		*bad = JOB_URL_MAX;
		return false;
	}
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		if (!slice_starts_with(text, schemes[i].prefix))
			continue;
		*bad = schemes[i].prefix.len;
		out->scheme = schemes[i].scheme;
		if (out->scheme == JOB_URL_UNIX ? !parse_unix(text, bad, out)
						: !parse_http(text, bad, out))
			return false;
		out->hash = hash_of(out);
		return true;
	}
	return false;
}
