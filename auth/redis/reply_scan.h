/* reply_scan.h - where a reply of Redis ends and how large it is, without keeping it.
 */
#ifndef JOBGATE_REDIS_REPLY_SCAN_H
#define JOBGATE_REDIS_REPLY_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Arrays within arrays: as many as hiredis 0.14 takes. */
#define REPLY_DEPTH_MAX 8

enum reply_scan_state {
	REPLY_UNFINISHED, /* more of it is to come */
	REPLY_FINISHED,
	REPLY_MALFORMED, /* this is no RESP2 */
};

/* Zeroed: at the beginning of a reply. */
struct reply_scan {
	/* What the reply has had so far and what it has announced: known before that comes. */
	uint64_t bytes, elements;
	enum reply_scan_part {
		REPLY_TYPE,   /* waits for the first byte of a reply or an element */
		REPLY_LINE,   /* for the end of a line that is not looked at */
		REPLY_NUMBER, /* for the end of a length */
		REPLY_STRING, /* for `due` bytes of a string, and its line end */
	} part;
	char type;
	bool carriage_return; /* was the last byte of the line */
	bool negative;
	unsigned digits;
	uint64_t number, due;
	unsigned depth;
	uint64_t left[REPLY_DEPTH_MAX]; /* elements still to come, of each array that is open */
};

/*
 * Look at the next bytes of a reply, up to its end at most. Returns how many of them it
 * took: all, unless *state says that the reply has ended before, or what is wrong.
 */
size_t reply_scan(
    struct reply_scan *scan, const char *bytes, size_t len, enum reply_scan_state *state);

#endif
