/* websocket_handshake.c - makes keys of WebSockets, and checks the answers to them. */
#include "http1/websocket_handshake.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

#define NONCE_LEN 16
#define SHA1_LEN 20

bool
websocket_make_key(char out[WEBSOCKET_KEY_LEN])
{
	unsigned char nonce[NONCE_LEN], text[WEBSOCKET_KEY_LEN + 1];

	if (RAND_bytes(nonce, sizeof(nonce)) != 1)
		return false;
	EVP_EncodeBlock(text, nonce, sizeof(nonce));
	memcpy(out, text, WEBSOCKET_KEY_LEN);
	return true;
}

bool
websocket_make_accept(const char key[WEBSOCKET_KEY_LEN], char out[WEBSOCKET_ACCEPT_LEN])
{
	static const struct slice guid = SLICE("258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
	char joined[WEBSOCKET_KEY_LEN + 36];
	unsigned char digest[EVP_MAX_MD_SIZE], text[WEBSOCKET_ACCEPT_LEN + 1];

	memcpy(joined, key, WEBSOCKET_KEY_LEN);
	memcpy(joined + WEBSOCKET_KEY_LEN, guid.at, guid.len);
	if (EVP_Digest(joined, sizeof(joined), digest, NULL, EVP_sha1(), NULL) != 1)
		return false;
	EVP_EncodeBlock(text, digest, SHA1_LEN);
	memcpy(out, text, WEBSOCKET_ACCEPT_LEN);
	return true;
}

bool
websocket_take_accept(struct fields *fields, const char key[WEBSOCKET_KEY_LEN])
{
	char right[WEBSOCKET_ACCEPT_LEN];
	struct slice accept = {0};
	size_t count = 0;

	for (size_t i = 0; i < fields->count; i++) {
		if (!slice_equal_nocase(fields->items[i].name, SLICE("Sec-WebSocket-Accept")))
			continue;
		count++;
		accept = fields->items[i].value;
		fields->items[i].dropped = true;
	}
	return count == 1 && websocket_make_accept(key, right) &&
	       slice_equal(accept, (struct slice){right, sizeof(right)});
}
