/* token_use.h - a use of a token, as workers report it to the control process. */
#ifndef JOBGATE_TOKEN_USE_H
#define JOBGATE_TOKEN_USE_H

#include <stdint.h>

#include "jobgate/token.h"

#define TOKEN_USE_MS 60000 /* uses are noted once in a minute */

struct token_use {
	char id[TOKEN_ID_LEN];
	uint64_t minute; /* since 1970 */
};

#endif
