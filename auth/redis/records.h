/* records.h - makes a record from the hash that Redis keeps of a token or a job. */
#ifndef JOBGATE_REDIS_RECORDS_H
#define JOBGATE_REDIS_RECORDS_H

#include <hiredis/hiredis.h>

#include "jobgate/directory.h"

/* A hash with more fields, or with more bytes in all names and values, is not a record. */
#define RECORD_FIELDS_MAX 1024
#define RECORD_BYTES_MAX 1048576

enum record_status {
	RECORD_GOOD,
	RECORD_MISSING,	  /* no such key */
	RECORD_BROKEN,	  /* it breaks a rule of the store's contract (README.md) and is treated as
			     absent */
	RECORD_TOO_LARGE, /* the same, because of its size; readers check that, too */
	RECORD_FAILED, /* Redis answered with an error, or memory is short: nothing is known about
			  the record */
};

/*
 * Make a record from the reply to HGETALL or to RECORD_SCRIPT_GET. With RECORD_GOOD *out is one
 * allocation, the caller's, to be freed with free(); otherwise NULL. With RECORD_BROKEN,
 * RECORD_TOO_LARGE and RECORD_FAILED *why tells people what is wrong; it is static, or part of the
 * reply. Unknown fields are ignored.
 */
enum record_status record_decode(enum record_kind kind, struct slice id, const redisReply *reply,
    struct record **out, const char **why);

#endif
