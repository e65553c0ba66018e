/* cluster_slot.c - the slot of a key in a Redis Cluster. */
#include "auth/redis/cluster_slot.h"

#include <stdint.h>
#include <string.h>

/* CRC-16/XMODEM: polynomial x^16 + x^12 + x^5 + 1, initial value 0. */
static unsigned
crc16(struct slice text)
{
	uint16_t crc = 0;

	for (size_t i = 0; i < text.len; i++) {
		crc = (uint16_t)(crc ^ (unsigned char)text.at[i] << 8);
		for (int bit = 0; bit < 8; bit++)
			crc = (uint16_t)(crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1);
	}
	return crc;
}

/* The part of a key that decides its slot: between the first { and the next }, if it is not empty.
 */
static struct slice
hashed_part(struct slice key)
{
	const char *open = memchr(key.at, '{', key.len), *close;

	if (open == NULL)
		return key;
	open++;
	close = memchr(open, '}', key.len - (size_t)(open - key.at));
	if (close == NULL || close == open)
		return key;
	return (struct slice){open, (size_t)(close - open)};
}

bool
cluster_prefix_has_tag(struct slice prefix)
{
	return hashed_part(prefix).len < prefix.len;
}

unsigned
cluster_slot(struct slice prefix)
{
	return crc16(hashed_part(prefix)) % CLUSTER_SLOTS;
}
