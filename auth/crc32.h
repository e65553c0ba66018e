/* crc32.h - the check at the end of a token's value. */
#ifndef JOBGATE_AUTH_CRC32_H
#define JOBGATE_AUTH_CRC32_H

#include <stdint.h>

#include "jobgate/slice.h"

/* CRC-32 of IEEE 802.3 (polynomial 0x04c11db7, reflected), as zlib computes it. */
uint32_t crc32_of(struct slice text);

#endif
