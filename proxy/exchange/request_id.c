/* request_id.c - request ids from a random start and a counter. */
#include "exchange/request_id.h"

#include <ctype.h>
#include <openssl/rand.h>

bool
request_ids_init(struct request_ids *ids)
{
	return RAND_bytes((unsigned char *)ids, sizeof(*ids)) == 1;
}

/* The finaliser of splitmix64: a bijection, so that ids look random and never repeat. */
static uint64_t
mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

static void
hex16(uint64_t number, char out[16])
{
	for (int i = 15; i >= 0; i--, number >>= 4)
		out[i] = "0123456789abcdef"[number & 15];
}

void
request_id_make(struct request_ids *ids, char out[REQUEST_ID_LEN])
{
	hex16(ids->worker, out);
	hex16(mix(ids->count++), out + 16);
}

bool
request_id_valid(struct slice id)
{
	if (id.len == 0 || id.len > REQUEST_ID_MAX)
		return false;
	for (size_t i = 0; i < id.len; i++)
		if (!isalnum((unsigned char)id.at[i]) && memchr("._-", id.at[i], 3) == NULL)
			return false;
	return true;
}
