/* return_address.c - addresses to return to: only those that every browser reads as we do. */
#include "browser/return_address.h"

#include "auth/ascii.h"
#include "http/write.h"

static struct slice
scheme_of(bool tls)
{
	return tls ? SLICE("https://") : SLICE("http://");
}

static struct slice
path_of(struct slice to)
{
	const char *query = memchr(to.at, '?', to.len);

	return query != NULL ? (struct slice){to.at, (size_t)(query - to.at)} : to;
}

bool
return_address_parse(struct slice text, bool tls, struct return_address *out)
{
	struct slice scheme = scheme_of(tls), rest, authority;
	const char *path;

	if (text.len > RETURN_ADDRESS_MAX || !slice_starts_with(text, scheme))
		return false;
	rest = slice_after(text, scheme.len);
	path = rest.len > 0 ? memchr(rest.at, '/', rest.len) : NULL;
	if (path == NULL)
		return false;
	authority = (struct slice){rest.at, (size_t)(path - rest.at)};
	out->site = (struct slice){text.at, scheme.len + authority.len};
	out->to = slice_after(rest, authority.len);
	return authority_parse(authority, &out->authority) && page_to_is_local(out->to) &&
	       memchr(out->to.at, '#', out->to.len) == NULL && path_is_clean(path_of(out->to)) &&
	       !slice_starts_with(out->to, SLICE(OUR_PATHS));
}

bool
return_address_in(
    struct slice query, bool tls, char room[RETURN_ADDRESS_MAX], struct return_address *out)
{
	struct slice to;

	if (query.len > 0 && query.at[0] == '?')
		query = slice_after(query, 1);
	to = form_field(query, SLICE("to"), room, RETURN_ADDRESS_MAX);
	return to.at != NULL && return_address_parse(to, tls, out);
}

struct slice
return_address_authority(const struct return_address *address)
{
	const char *slashes = memchr(address->site.at, '/', address->site.len);

	return slice_after(address->site, (size_t)(slashes + 2 - address->site.at));
}

/* Letters, digits and the other unreserved characters stay (RFC 3986 section 2.3). */
void
return_address_encode(struct writer *writer, struct slice text)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < text.len; i++) {
		unsigned char byte = (unsigned char)text.at[i];
		char escape[] = {'%', digits[byte >> 4], digits[byte & 15]};

		if (is_alnum(text.at[i]) || memchr("-._~", byte, 4) != NULL)
			write_slice(writer, (struct slice){text.at + i, 1});
		else
			write_slice(writer, (struct slice){escape, sizeof(escape)});
	}
}

size_t
return_address_write(struct slice authority, struct slice to, bool tls, char *out, size_t cap)
{
	char text[RETURN_ADDRESS_MAX], encoded[RETURN_ADDRESS_ENCODED_MAX];
	struct writer plain = writer_of(text, sizeof(text));
	struct writer writer = writer_of(encoded, sizeof(encoded));
	struct return_address address;
	size_t len = scheme_of(tls).len + authority.len + to.len;

	if (authority.len > sizeof(text) || to.len > sizeof(text) || len > sizeof(text))
		return 0;
	write_slice(&plain, scheme_of(tls));
	write_slice(&plain, authority);
	write_slice(&plain, to);
	if (!return_address_parse((struct slice){text, len}, tls, &address) ||
	    !slice_equal(address.to, to))
		return 0;
	return_address_encode(&writer, (struct slice){text, len});
	len = (size_t)(writer.at - encoded);
	if (len > cap)
		return 0;
	memcpy(out, encoded, len);
	return len;
}
