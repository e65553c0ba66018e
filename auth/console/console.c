/* console.c - makes the page of its style, its scripts and its HTML, once in each process. */
#define ZLIB_CONST 1 /* zlib does not change its input */
#include "jobgate/console.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <zlib.h>

#define HASH_TEXT 45 /* of a SHA-256 in Base64, with the NUL */
#define POLICY_MAX 512

extern const char console_html[], console_css[], console_js[];
extern const size_t console_html_len, console_css_len, console_js_len;

static const char style_tag[] = "<style>", script_tag[] = "<script type=\"module\">";

static bool
hash_of(struct slice text, char out[HASH_TEXT])
{
	unsigned char hash[32];

	if (EVP_Digest(text.at, text.len, hash, NULL, EVP_sha256(), NULL) != 1)
		return false;
	EVP_EncodeBlock((unsigned char *)out, hash, sizeof(hash));
	return true;
}

/*
 * Nothing is loaded, no other script runs, no other page frames it, and no text becomes HTML
 * (Trusted Types). The form is never sent by the browser, so the token cannot get into a URL.
 */
static bool
make_policy(char out[POLICY_MAX], size_t *len)
{
	char style[HASH_TEXT], script[HASH_TEXT];

	if (!hash_of((struct slice){console_css, console_css_len}, style) ||
	    !hash_of((struct slice){console_js, console_js_len}, script))
		return false;
	*len = (size_t)snprintf(out, POLICY_MAX,
	    "default-src 'none'; style-src 'sha256-%s'; script-src 'sha256-%s'; "
	    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
	    "require-trusted-types-for 'script'; trusted-types 'none'",
	    style, script);
	return *len < POLICY_MAX;
}

static bool
deflate_piece(z_stream *stream, struct slice piece, int flush)
{
	int result;

	stream->next_in = (const Bytef *)piece.at;
	stream->avail_in = (uInt)piece.len;
	result = deflate(stream, flush);
	return stream->avail_in == 0 &&
	       (flush == Z_FINISH ? result == Z_STREAM_END : result == Z_OK);
}

/* Split the HTML behind the tags where style and script belong. */
static bool
deflate_page(z_stream *stream)
{
	const char *style = strstr(console_html, style_tag);
	const char *script = strstr(console_html, script_tag);
	const char *end = console_html + console_html_len;

	if (style == NULL || script == NULL || style > script)
		return false;
	style += sizeof(style_tag) - 1;
	script += sizeof(script_tag) - 1;
	return deflate_piece(stream, (struct slice){console_html, (size_t)(style - console_html)},
		   Z_NO_FLUSH) &&
	       deflate_piece(stream, (struct slice){console_css, console_css_len}, Z_NO_FLUSH) &&
	       deflate_piece(stream, (struct slice){style, (size_t)(script - style)}, Z_NO_FLUSH) &&
	       deflate_piece(stream, (struct slice){console_js, console_js_len}, Z_NO_FLUSH) &&
	       deflate_piece(stream, (struct slice){script, (size_t)(end - script)}, Z_FINISH);
}

#define GZIP_WINDOW (15 + 16) /* zlib's way to ask for the format of RFC 1952 */
#define MEMORY_LEVEL 8	      /* zlib's own default */

static bool
make_gzip(struct slice *out)
{
	z_stream stream = {0};
	size_t max = console_html_len + console_css_len + console_js_len + 1024;
	char *room = malloc(max), *fitted;
	bool done;

	if (room == NULL)
		return false;
	if (deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, MEMORY_LEVEL,
		Z_DEFAULT_STRATEGY) != Z_OK) {
		free(room);
		return false;
	}
	stream.next_out = (Bytef *)room;
	stream.avail_out = (uInt)max;
	done = deflate_page(&stream);
	*out = (struct slice){room, stream.total_out};
	deflateEnd(&stream);
	if (!done) {
		free(room);
		return false;
	}
	fitted = realloc(room, out->len);
	if (fitted != NULL)
		out->at = fitted;
	return true;
}

const struct console_page *
console_page(void)
{
	static char policy[POLICY_MAX];
	static struct console_page page;

	if (page.gzip.at == NULL) {
		if (!make_policy(policy, &page.policy.len) || !make_gzip(&page.gzip))
			return NULL;
		page.policy.at = policy;
	}
	return &page;
}
