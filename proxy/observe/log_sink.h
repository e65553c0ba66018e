/* log_sink.h - where the lines of a log go: a descriptor, a file, or syslog. */
#ifndef JOBGATE_LOG_SINK_H
#define JOBGATE_LOG_SINK_H

#include <stdbool.h>
#include <stddef.h>

/* Where the system's logger listens. */
#define LOG_SINK_SYSLOG "/dev/log"

bool log_sink_is_syslog(const char *where);

/*
 * Open a file to append lines to; links: its name may be a symbolic link. Never waits: a FIFO that
 * no program reads fails with ENXIO. -1 with errno set.
 */
int log_file_open(const char *path, bool links);

/* As strerror, but says what ENXIO, ELOOP and EPIPE mean here. */
const char *log_sink_error(int error);

struct log_sink {
	int fd;		  /* -1: closed */
	const char *path; /* of a file, to be opened again; of a socket, to connect to; else NULL */
	bool datagrams;	  /* each line is a message of its own (syslog) */
	bool torn;	  /* the last line was written in part: end it before the next one */
	size_t batch_max; /* bytes that are written in one piece, not mixed with others' */
};

/*
 * where: "-" (standard output), "syslog", "syslog:/path", or the path of a file; the text outlives
 * the sink. fd: standard output, or the file, opened for appending by a process that has the right
 * to; the sink owns it from now on. The sink connects to a logger once there is something to write.
 */
void log_sink_take(struct log_sink *sink, const char *where, int fd);
void log_sink_close(struct log_sink *sink);

/*
 * Open a file again by its name, after the old one was moved away. False with errno
 * set when that fails; the old one stays in use. Does nothing for the others.
 */
bool log_sink_reopen(struct log_sink *sink);

/* Write whole lines; may block. Returns how many of them were lost. */
size_t log_sink_write(struct log_sink *sink, const char *lines, size_t len);

#endif
