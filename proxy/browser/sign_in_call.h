/* sign_in_call.h - what both sides of a sign-in ask of the control process, and their cookies. */
#ifndef JOBGATE_BROWSER_SIGN_IN_CALL_H
#define JOBGATE_BROWSER_SIGN_IN_CALL_H

#include "browser/session.h"
#include "jobgate/local_handler.h"
#include "jobgate/sign_in.h"

/* Room for a call's content, in bytes. */
#define SIGN_IN_CALL_MAX 512

/* A sign-in that is to be made. */
struct sign_in_new {
	const unsigned char *id;
	const struct token *token;
	struct slice replaces; /* the id of the browser's earlier sign-in, which ends; or empty */
	uint64_t seconds;
	struct slice code; /* the text of its first code */
};

/* Ask for a sign-in, in room. False when OpenSSL is short of memory. */
bool sign_in_call_make(
    const struct sign_in_new *sign_in, char room[SIGN_IN_CALL_MAX], struct local_answer *answer);

/* Ask to add or use up the code of this text; path is one of control_fields.h. */
bool sign_in_call_code(const char *path, const unsigned char id[SIGN_IN_ID_LEN], struct slice code,
    char room[SIGN_IN_CALL_MAX], struct local_answer *answer);

/* Add the cookie of a sign-in, bound to purpose, written to cookie (SET_COOKIE_MAX). */
bool sign_in_cookie_add(const struct local_call *call, struct slice purpose,
    const struct sign_in_cookie *sign_in, char *cookie, struct local_answer *answer);

/* Sign out: ask to delete the sign-in of the browser's cookie, and go to the page `then`. */
enum local_action sign_in_call_sign_out(const struct local_call *call, struct slice purpose,
    struct slice then, struct local_answer *answer);

/* The page after that. */
enum local_action sign_in_call_signed_out(
    const struct local_call *call, struct local_answer *answer);

/* A page for a call that failed. */
enum local_action sign_in_call_failed(
    const struct local_call *call, unsigned status, struct local_answer *answer);

#endif
