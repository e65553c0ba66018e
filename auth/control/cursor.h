/* cursor.h - cursors: where the next page of a list begins, as text that callers send back. */
#ifndef JOBGATE_CONTROL_CURSOR_H
#define JOBGATE_CONTROL_CURSOR_H

#include "auth/redis/store.h"
#include "jobgate/mint.h"

#define CURSOR_KEY_LEN 32
#define CURSOR_TEXT_MAX 192 /* of any cursor, with its NUL */

/*
 * The key with which cursors are sealed: if the store has a mint key, the same at each of its
 * gateways; otherwise own, this process's key. False when OpenSSL fails. The caller wipes out.
 */
bool cursor_key(const struct mint *mint, const unsigned char own[CURSOR_KEY_LEN],
    unsigned char out[CURSOR_KEY_LEN]);

/*
 * Write "<score>~<id>", for a place that the caller may know. It needs no escapes in JSON or a
 * query.
 */
void cursor_format(const struct store_cursor *place, char out[CURSOR_TEXT_MAX]);

/*
 * Write the place sealed (auth/seal.h), for a record outside the caller's scope. The text has the
 * same length for all places. False, with nothing usable written, when OpenSSL fails.
 */
bool cursor_seal(const unsigned char key[CURSOR_KEY_LEN], enum record_kind kind,
    const struct store_cursor *place, char out[CURSOR_TEXT_MAX]);

/*
 * Read a cursor of either form. key NULL: sealed cursors are not valid. False when it is not a
 * cursor of a list of this kind, or is sealed with another key.
 */
bool cursor_parse(
    const unsigned char *key, enum record_kind kind, struct slice text, struct store_cursor *out);

#endif
