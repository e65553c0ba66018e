/* access_log.h - one JSON line for each exchange that ended. */
#ifndef JOBGATE_ACCESS_LOG_H
#define JOBGATE_ACCESS_LOG_H

#include <stdint.h>

#include "jobgate/decision.h"
#include "observe/shared.h"

struct access_log;

/*
 * The facts of an exchange. Slices may be empty; none holds a secret, and the query is not logged.
 */
struct access_entry {
	int64_t started_us; /* Unix time, microseconds */
	uint64_t duration_us;
	struct slice request_id, trace_parent, client; /* client: its address as text */
	struct slice method, host, path;
	struct slice token_id, job;
	unsigned status; /* 0: none was sent */
	bool decided;	 /* there is a verdict */
	enum verdict verdict;
	enum outcome outcome;
	uint64_t bytes_in, bytes_out;
};

/*
 * fd is a pipe, file or terminal, or -1: then nothing is formatted. Lines gather in
 * memory and are written by access_log_flush, once a loop turn; what cannot be
 * written at once (a full pipe) is dropped whole and counted in *dropped.
 */
struct access_log *access_log_new(int fd, counter *dropped);
void access_log_free(struct access_log *log); /* flushes */
void access_log_write(struct access_log *log, const struct access_entry *entry);
void access_log_flush(struct access_log *log);

#endif
