/* ip_range.c - ranges of IP addresses as text, and lists of them. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "jobgate/ip.h"

#define BITS 128       /* of an address */
#define MAPPED_BITS 96 /* those before an IPv4 address */

static bool
is_mapped(const struct in6_addr *address)
{
	static const unsigned char ipv4[4];
	const struct in6_addr mapped = jg_ip_mapped(ipv4);

	return memcmp(address, &mapped, MAPPED_BITS / 8) == 0;
}

bool
jg_ip_range_parse(struct slice text, struct ip_range *out)
{
	const char *slash = text.len > 0 ? memchr(text.at, '/', text.len) : NULL;
	struct slice host = {text.at, slash != NULL ? (size_t)(slash - text.at) : text.len};
	uint64_t bits, prefix;

	if (!jg_ip_parse(host, &out->address))
		return false;
	/* An IPv4 address has no colon, and its prefix counts from its own first bit. */
	bits = memchr(host.at, ':', host.len) == NULL ? BITS - MAPPED_BITS : BITS;
	prefix = bits;
	if (slash != NULL && !slice_to_number(slice_after(text, host.len + 1), bits, &prefix))
		return false;
	out->prefix = (unsigned)(prefix + BITS - bits);
	return true;
}

void
jg_ip_range_format(const struct ip_range *range, char out[IP_RANGE_TEXT_MAX])
{
	bool ipv4 = is_mapped(&range->address) && range->prefix >= MAPPED_BITS;
	const unsigned char *bytes = range->address.s6_addr;
	size_t len;

	inet_ntop(ipv4 ? AF_INET : AF_INET6, ipv4 ? bytes + MAPPED_BITS / 8 : bytes, out,
	    INET6_ADDRSTRLEN);
	len = strlen(out);
	if (range->prefix < BITS)
		snprintf(out + len, IP_RANGE_TEXT_MAX - len, "/%u",
		    range->prefix - (ipv4 ? MAPPED_BITS : 0));
}

bool
jg_ip_ranges_equal(const struct ip_ranges *a, const struct ip_ranges *b)
{
	bool same = a->count == b->count;

	for (size_t i = 0; same && i < a->count; i++)
		same = jg_ip_range_equal(&a->items[i], &b->items[i]);
	return same;
}

bool
jg_ip_ranges_parse(struct slice text, struct ip_range *items, size_t max, size_t *count)
{
	for (*count = 0; *count < max; (*count)++) {
		const char *comma = text.len > 0 ? memchr(text.at, ',', text.len) : NULL;
		size_t len = comma != NULL ? (size_t)(comma - text.at) : text.len;

		if (!jg_ip_range_parse(slice_trim((struct slice){text.at, len}), &items[*count]))
			return false;
		if (comma == NULL) {
			(*count)++;
			return true;
		}
		text = slice_after(text, len + 1);
	}
	return false;
}

void
jg_ip_ranges_format(const struct ip_ranges *ranges, char *out, size_t cap)
{
	size_t len = 0;

	out[0] = '\0';
	for (size_t i = 0; i < ranges->count && cap - len > IP_RANGE_TEXT_MAX; i++) {
		if (i > 0)
			out[len++] = ',';
		jg_ip_range_format(&ranges->items[i], out + len);
		len += strlen(out + len);
	}
}

bool
jg_ip_ranges_contain(const struct ip_ranges *ranges, const struct in6_addr *address)
{
	for (size_t i = 0; i < ranges->count; i++)
		if (jg_ip_range_contains(&ranges->items[i], address))
			return true;
	return false;
}

static bool
is_within(const struct ip_range *inner, const struct ip_ranges *outer)
{
	for (size_t i = 0; i < outer->count; i++)
		if (outer->items[i].prefix <= inner->prefix &&
		    jg_ip_range_contains(&outer->items[i], &inner->address))
			return true;
	return false;
}

bool
jg_ip_ranges_within(const struct ip_ranges *inner, const struct ip_ranges *outer)
{
	for (size_t i = 0; i < inner->count; i++)
		if (!is_within(&inner->items[i], outer))
			return false;
	return true;
}
