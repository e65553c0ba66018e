/* bridge.h - decides which requests `jobgate console` answers or passes on. No I/O. */
#ifndef JOBGATE_CLI_BRIDGE_H
#define JOBGATE_CLI_BRIDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "jobgate/slice.h"

/*
 * `jobgate console` serves the console at a random address of 127.0.0.0/8, so that the page shares
 * its origin, cookies and cache with no server at 127.0.0.1, and forwards the page's calls to the
 * control API's Unix socket. Other users of this machine can connect to that port, and so can pages
 * of other origins in the operator's browser. So each call must bring the key, which only the page
 * has: it got the key for the code in its link, which works once and expires. The key is in no
 * cookie, because cookies do not tell ports apart: a browser would send it to any server at this
 * address.
 */
#define BRIDGE_SECRET_TEXT 64 /* hex digits of a key or a code */
#define BRIDGE_HEAD_MAX 16384
#define BRIDGE_CONTENT_MAX (64u << 10)
#define BRIDGE_LINK_PATH "/link"
#define BRIDGE_LINK_MS (5u * 60 * 1000) /* after these a link expires */

struct bridge {
	char authority[32]; /* address:port */
	char key[BRIDGE_SECRET_TEXT + 1];
	char code[BRIDGE_SECRET_TEXT + 1]; /* of the latest link; "": used or expired */
	uint64_t code_ends_ms;		   /* at this CLOCK_BOOTTIME the link expires */
};

enum bridge_verdict {
	BRIDGE_PAGE,	/* send the console */
	BRIDGE_LINK,	/* its content has the code of a link */
	BRIDGE_FORWARD, /* a call of the control API */
	BRIDGE_MALFORMED,
	BRIDGE_WRONG_HOST,
	BRIDGE_WRONG_ORIGIN,
	BRIDGE_NOT_FOUND,
	BRIDGE_NO_KEY,
	BRIDGE_TOO_LARGE,
};

/* Slices point into the head. */
struct bridge_request {
	struct slice method, target;
	size_t length; /* of its content */
};

/*
 * Judge a head, from its first byte to the empty line. It must have the form of RFC 9112 exactly,
 * one Host with our own address, an Origin that is ours (a GET may have none), and the key, except
 * for the page and the link. *out is set unless the verdict is BRIDGE_MALFORMED.
 */
enum bridge_verdict bridge_judge(
    const struct bridge *bridge, struct slice head, struct bridge_request *out);

/* A new link, from now_ms (CLOCK_BOOTTIME) on; the one before works no more. False when randomness
 * is short: there is then no link. */
bool bridge_renew(struct bridge *bridge, uint64_t now_ms);

/* True when code (may be NULL) is that of the latest link, and now_ms (CLOCK_BOOTTIME) is before
 * the link's end. It is used up then; a wrong code changes nothing. */
bool bridge_use_code(struct bridge *bridge, const char *code, uint64_t now_ms);

/* True, once, when the link has expired by now_ms (CLOCK_BOOTTIME); its code is then wiped. */
bool bridge_expire(struct bridge *bridge, uint64_t now_ms);

/* Write a new random key or code, with a NUL. False, and "", when randomness is short. */
bool bridge_secret(char out[BRIDGE_SECRET_TEXT + 1]);

/* The status and the detail (static) of a refusal; 200 and "" for the other verdicts. */
unsigned bridge_status(enum bridge_verdict verdict);
const char *bridge_detail(enum bridge_verdict verdict);

#endif
