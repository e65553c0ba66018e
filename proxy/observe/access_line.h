/* access_line.h - the facts of an exchange that has ended, and their JSON line. */
#ifndef JOBGATE_ACCESS_LINE_H
#define JOBGATE_ACCESS_LINE_H

#include <stdint.h>

#include "jobgate/decision.h"
#include "jobgate/message.h"
#include "observe/shared.h"

/* The texts of an entry, in the order of the line. */
enum access_text {
	ACCESS_REQUEST_ID,
	ACCESS_TRACE_ID,  /* of the W3C trace that the request belongs to */
	ACCESS_PARENT_ID, /* the span in it that sent the request */
	ACCESS_CLIENT,	  /* its address */
	ACCESS_METHOD,
	ACCESS_HOST,
	ACCESS_PATH, /* without the query, which may hold anything */
	ACCESS_TOKEN_ID,
	ACCESS_CLAIMED_TOKEN_ID, /* of a value that is not valid: anyone may write any id */
	ACCESS_SELECTOR,	 /* of the token, when it does not reach the job */
	ACCESS_JOB,
	ACCESS_REPLICA, /* host:port, of a job with several */
};
#define ACCESS_TEXTS (ACCESS_REPLICA + 1)

/* Longer texts are cut to these lengths. */
#define ACCESS_TEXT_MAX 160

/* Times are microseconds; those of parts are 0 when that part was not reached. */
struct access_entry {
	struct slice texts[ACCESS_TEXTS]; /* each may be empty */
	int64_t started_us;		  /* Unix time */
	uint64_t duration_us;
	uint64_t decision_us;	/* from the request's head to the verdict */
	uint64_t connect_us;	/* making a connection to the backend */
	uint64_t first_byte_us; /* from sending the request to the head of its answer */
	uint64_t bytes_in, bytes_out;
	enum http_version version; /* of the request, where there is a method */
	unsigned status;	   /* 0: none was sent */
	unsigned grpc_status;	   /* with has_grpc_status */
	bool has_grpc_status;
	bool decided; /* there is a verdict */
	enum verdict verdict;
	enum outcome outcome;
};

/*
 * No line is longer: its texts are cut, and escaping turns one byte into at most six. A pipe takes
 * this many bytes in one piece (PIPE_BUF), so lines of several workers never mix.
 */
#define ACCESS_LINE_MAX 4096

/*
 * Write the line, its newline included; returns its length. What looks like the secret
 * of a token is blotted out, in a path or anywhere else.
 */
size_t access_line_format(const struct access_entry *entry, char out[ACCESS_LINE_MAX]);

#endif
