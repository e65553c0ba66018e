/* client_address.c - finds the address of the client behind trusted proxies. */
#include "exchange/client_address.h"

#include <string.h>

/*
 * Some proxies add the client's port: "192.0.2.1:4711", "[2001:db8::1]:4711". Take it off, and the
 * brackets.
 */
static struct slice
without_port(struct slice text)
{
	const char *colon = text.len > 0 ? memchr(text.at, ':', text.len) : NULL;
	const char *end = text.len > 0 ? memchr(text.at, ']', text.len) : NULL;
	struct slice rest;

	if (text.len > 0 && text.at[0] == '[' && end != NULL) {
		rest = slice_after(text, (size_t)(end - text.at) + 1);
		text = (struct slice){text.at + 1, (size_t)(end - text.at) - 1};
	} else if (colon != NULL) {
		rest = slice_after(text, (size_t)(colon - text.at));
		text.len -= rest.len;
	} else {
		return text;
	}
	if (rest.len > 0 && (rest.at[0] != ':' || rest.len == 1 ||
				slice_digits(slice_after(rest, 1)).len != rest.len - 1))
		return (struct slice){0};
	return text;
}

static bool
parse(struct slice text, struct in6_addr *out)
{
	return jg_ip_parse(text, out) || jg_ip_parse(without_port(text), out);
}

/* Take the last member off a list: all after the last comma, without spaces around it. */
static struct slice
take_last(struct slice *list)
{
	size_t at = list->len;
	struct slice last;

	while (at > 0 && list->at[at - 1] != ',')
		at--;
	last = slice_trim(slice_after(*list, at));
	list->len = at > 0 ? at - 1 : 0;
	return last;
}

enum search {
	SEARCH_MORE,	/* all members so far are trusted proxies; *out is the first of them */
	SEARCH_FOUND,	/* *out is the client's address */
	SEARCH_STOPPED, /* a member is not an address */
};

/* Search one field's value from its end. */
static enum search
search(struct slice list, const struct ip_ranges *trusted, struct in6_addr *out)
{
	do {
		if (!parse(take_last(&list), out))
			return SEARCH_STOPPED;
		if (!jg_ip_ranges_contain(trusted, out))
			return SEARCH_FOUND;
	} while (list.len > 0);
	return SEARCH_MORE;
}

/* Search X-Forwarded-For, of which there may be several fields, from its end. */
static bool
find_forwarded(const struct fields *fields, const struct ip_ranges *trusted, struct in6_addr *out)
{
	enum search result = SEARCH_STOPPED;

	for (size_t i = fields->count; i-- > 0;) {
		if (fields->items[i].id != FIELD_X_FORWARDED_FOR)
			continue;
		result = search(fields->items[i].value, trusted, out);
		if (result != SEARCH_MORE)
			break;
	}
	return result != SEARCH_STOPPED;
}

bool
client_address_find(const struct exchange_peer *peer, const struct fields *fields,
    const struct ip_ranges *trusted, struct in6_addr *out)
{
	if (peer->trusted || peer->forward_auth)
		return find_forwarded(fields, trusted, out);
	memcpy(out, peer->address, sizeof(*out));
	return !peer->local && !peer->unnamed;
}
