/* service_log.c - lines for the operator, written by a thread. */
#include "observe/service_log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "observe/log_writer.h"

/* Lines that wait to be written: one or two thousand. */
#define RING_BYTES (256 * 1024)

struct service_log {
	struct log_writer *writer;
	struct log_losses *losses;
	struct log log;	       /* as it was, for lines of our own */
	char process[64];      /* a copy of log's, whose text may be freed before us */
	uint64_t dropped_told; /* used only by the thread */
};

static void
put(void *to, const char *line, size_t len)
{
	struct service_log *service = to;

	if (log_writer_put(service->writer, &(struct iovec){(char *)line, len}, 1))
		log_writer_wake(service->writer);
}

/* ---- the thread ---- */

static size_t
format(void *ctx, char *message, size_t len, char *line)
{
	(void)ctx;
	memcpy(line, message, len);
	return len;
}

static size_t
drained(void *ctx, char *line)
{
	struct service_log *service = ctx;
	uint64_t dropped = counter_get(&service->losses->full);
	uint64_t untold = dropped - service->dropped_told;
	char text[LOG_DROPPED_MAX];

	service->dropped_told = dropped;
	if (untold == 0)
		return 0;
	log_dropped_text(text, untold);
	return jg_log_format(&service->log, LOG_LEVEL_WARNING, line, text);
}

/* ---- the process ---- */

struct service_log *
service_log_start(struct log *log, struct log_losses *losses)
{
	static const struct log_writer_ops ops = {.format = format, .drained = drained};
	struct service_log *service = calloc(1, sizeof(*service));

	if (service == NULL)
		return NULL;
	service->losses = losses;
	service->log = *log;
	strncpy(service->process, log->process, sizeof(service->process) - 1);
	service->log.process = service->process;
	service->dropped_told = counter_get(&losses->full);
	service->writer = log_writer_new(&(struct log_writer_options){.runner = &log_threads,
	    .where = "-",
	    .fd = log->fd,
	    .room = RING_BYTES,
	    .message_max = JG_LOG_LINE_MAX,
	    .ops = &ops,
	    .ctx = service,
	    .losses = losses});
	if (service->writer == NULL) {
		log_error(log, "cannot start the thread that writes the log: %s", strerror(errno));
		free(service);
		return NULL;
	}
	log->put = put;
	log->to = service;
	return service;
}

void
service_log_stop(struct service_log *service, struct log *log)
{
	log->put = NULL;
	log->to = NULL;
	if (service != NULL && log_writer_free(service->writer))
		free(service); /* otherwise the thread uses it until the process ends */
}
