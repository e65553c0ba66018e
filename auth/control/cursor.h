/* cursor.h - where the next page of a list begins, as text that callers hand back. */
#ifndef JOBGATE_CONTROL_CURSOR_H
#define JOBGATE_CONTROL_CURSOR_H

#include "auth/redis/store.h"
#include "jobgate/mint.h"

#define CURSOR_KEY_LEN 32
#define CURSOR_TEXT_MAX 192 /* of any cursor, with its NUL */

/*
 * The key that cursors are sealed with: the same at each gateway of a store that has a key for
 * values, else own, which is this process's. False when OpenSSL fails. Wipe it when done with it.
 */
bool cursor_key(const struct mint *mint, const unsigned char own[CURSOR_KEY_LEN],
    unsigned char out[CURSOR_KEY_LEN]);

/* "<score>~<id>": for a place that its caller may know. It needs no escapes in JSON or a query. */
void cursor_format(const struct store_cursor *place, char out[CURSOR_TEXT_MAX]);

/*
 * The same place, sealed (auth/seal.h): for a place that is a record out of the caller's scope. The
 * text has the same length for all places. False when OpenSSL fails: nothing usable was written.
 */
bool cursor_seal(const unsigned char key[CURSOR_KEY_LEN], enum record_kind kind,
    const struct store_cursor *place, char out[CURSOR_TEXT_MAX]);

/*
 * Read a cursor of either form. key NULL: sealed cursors are not valid. False when it is no cursor
 * of a list of this kind, or is sealed with another key.
 */
bool cursor_parse(
    const unsigned char *key, enum record_kind kind, struct slice text, struct store_cursor *out);

#endif
