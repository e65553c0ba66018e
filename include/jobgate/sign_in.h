/* sign_in.h - a browser's sign-in at the sign-in host, which opens all jobs that its token reaches.
 */
#ifndef JOBGATE_SIGN_IN_H
#define JOBGATE_SIGN_IN_H

#include "jobgate/token.h"

#define SIGN_IN_ID_LEN 16	   /* bytes, random */
#define SIGN_IN_TEXT_LEN 32	   /* of an id, in hex */
#define SIGN_IN_CODE_TEXT_LEN 64   /* of a one-time code's SHA-256, in hex */
#define SIGN_IN_MARK_TEXT_LEN 24   /* of a token's mark, in hex */
#define SIGN_IN_CODE_SECONDS 30	   /* how long a one-time code is good */
#define SIGN_INS_OF_TOKEN_MAX 1000 /* at the same time */
#define SIGN_IN_CODES_MAX 100	   /* of one sign-in, in SIGN_IN_CODE_SECONDS */

/* The record of a sign-in. It ends with its time to live, or when the person signs out. */
struct sign_in {
	char token_id[TOKEN_ID_LEN];
	uint64_t version;		    /* of the token at sign-in */
	unsigned char mark[TOKEN_MARK_LEN]; /* the first bytes of its hash */
};

/* True for the text of an id: 32 hex digits in lower case. */
bool jg_sign_in_id_valid(struct slice id);

void jg_sign_in_id_format(const unsigned char id[SIGN_IN_ID_LEN], char out[SIGN_IN_TEXT_LEN + 1]);

/* True for the text of a code's SHA-256: 64 hex digits in lower case. */
bool jg_sign_in_code_valid(struct slice code);

/* Parse a record's fields, and write a mark as they have it. False when a text is not valid. */
bool jg_sign_in_parse(
    struct slice token_id, struct slice version, struct slice mark, struct sign_in *out);
void jg_sign_in_mark_format(
    const unsigned char mark[TOKEN_MARK_LEN], char out[SIGN_IN_MARK_TEXT_LEN + 1]);

#endif
