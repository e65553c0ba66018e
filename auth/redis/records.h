/* records.h - what Redis keeps of a token or a job, made into a record. */
#ifndef JOBGATE_REDIS_RECORDS_H
#define JOBGATE_REDIS_RECORDS_H

#include <hiredis/hiredis.h>

#include "jobgate/directory.h"

/* A hash of more fields, or of more bytes in all their names and values, is no record. */
#define RECORD_FIELDS_MAX 1024
#define RECORD_BYTES_MAX 1048576

enum record_status {
	RECORD_GOOD,
	RECORD_MISSING,	  /* no such key */
	RECORD_BROKEN,	  /* it breaks a rule of the store's contract (README.md): to be treated as
			     absent */
	RECORD_TOO_LARGE, /* likewise: the rule about its size; readers check it, too */
	RECORD_FAILED,	  /* an error of Redis, or memory is short: nothing is known */
};

/*
 * Make a record of the reply to HGETALL, or to a script that gives one (record_script.h). With
 * RECORD_GOOD *out is one allocation, the caller's, to be freed with free(); otherwise NULL. With
 * RECORD_BROKEN, RECORD_TOO_LARGE and RECORD_FAILED *why tells people what is wrong; it is
 * static, or part of the reply. Fields that are not known are passed over.
 */
enum record_status record_decode(enum record_kind kind, struct slice id, const redisReply *reply,
    struct record **out, const char **why);

#endif
