/*
 * fuzz_return_address.c - addresses to return to: libhttp-parser finds the same host and path, no
 * fragment and no user, and what is written is read again. No text opens as a one-time code.
 */
#include <http_parser.h>

#include "auth/form.h"
#include "browser/code.h"
#include "browser/return_address.h"
#include "fuzz.h"

/* One part of a URL as libhttp-parser sees it; at is NULL when there is none. */
static struct slice
part_of(const struct http_parser_url *url, struct slice text, enum http_parser_url_fields part)
{
	if (!(url->field_set & 1u << part))
		return (struct slice){0};
	return (struct slice){text.at + url->field_data[part].off, url->field_data[part].len};
}

static void
check_peer(struct slice text, const struct return_address *address)
{
	struct slice host = address->authority.host;
	struct http_parser_url url;

	/* It knows no empty port (RFC 3986 section 3.2.3). */
	if (address->site.at[address->site.len - 1] == ':')
		return;
	http_parser_url_init(&url);
	CHECK(http_parser_parse_url(text.at, text.len, false, &url) == 0);
	if (host.at[0] == '[')
		host = (struct slice){host.at + 1, host.len - 2};
	CHECK(slice_equal(part_of(&url, text, UF_SCHEMA), SLICE("https")));
	CHECK(slice_equal(part_of(&url, text, UF_HOST), host));
	CHECK(url.port == address->authority.port);
	CHECK(part_of(&url, text, UF_PATH).at == address->to.at);
	CHECK(part_of(&url, text, UF_USERINFO).at == NULL);
	CHECK(part_of(&url, text, UF_FRAGMENT).at == NULL);
}

static void
check_written(struct slice text, const struct return_address *address)
{
	struct slice authority = slice_after(address->site, strlen("https://")), rest;
	char out[RETURN_ADDRESS_ENCODED_MAX], back[RETURN_ADDRESS_ENCODED_MAX];
	size_t n = 0;

	rest = (struct slice){
	    out, return_address_write(authority, address->to, true, out, sizeof(out))};
	CHECK(rest.len >= text.len);
	while (rest.len > 0) {
		CHECK(is_alnum(rest.at[0]) || memchr("-._~%", rest.at[0], 5) != NULL);
		back[n++] = form_next(&rest);
	}
	CHECK(slice_equal((struct slice){back, n}, text));
}

static void
check_code(struct slice text, struct slice authority)
{
	static const unsigned char key[SESSION_KEY_LEN] = "a key for tests, 32 bytes of it";
	static const struct slice nonce = SLICE("the nonce of a browser, 32 bytes");
	const struct code_site site = {authority, true}, other = {SLICE("other.x"), true};
	struct code code = {.expires_s = 1000}, opened;
	char sealed[CODE_TEXT_LEN];

	CHECK(!code_open(key, &site, text, 0, &opened));
	CHECK(nonce_digest(nonce, code.nonce_digest));
	if (!code_seal(key, &site, &code, sealed))
		return;
	CHECK(code_open(key, &site, (struct slice){sealed, CODE_TEXT_LEN}, 0, &opened));
	CHECK(code_is_for(&opened, nonce) && !code_is_for(&opened, text));
	CHECK(slice_starts_with_nocase(authority, other.authority) ||
	      !code_open(key, &other, (struct slice){sealed, CODE_TEXT_LEN}, 0, &opened));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = exact_copy(data, size);
	struct slice text = {copy, size};
	struct return_address address;

	check_code(text, text);
	if (return_address_parse(text, true, &address)) {
		CHECK(slice_within(address.site, text) && slice_within(address.to, text));
		CHECK(address.site.len + address.to.len == text.len);
		check_peer(text, &address);
		check_written(text, &address);
		check_code(text, slice_after(address.site, strlen("https://")));
	}
	free(copy);
	return 0;
}
