/* accept.h - in which form a scraper wants metrics, by its Accept fields. Pure functions. */
#ifndef JOBGATE_ACCEPT_H
#define JOBGATE_ACCEPT_H

#include <stdbool.h>

#include "jobgate/slice.h"

/*
 * The media types of both forms, as Content-Type has them. A worker that passes a request on to the
 * control process puts the first one, without parameters, in place of the client's Accept.
 */
#define OPENMETRICS_TYPE "application/openmetrics-text"
#define OPENMETRICS_CONTENT_TYPE OPENMETRICS_TYPE "; version=1.0.0; charset=utf-8"
#define PROMETHEUS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* The best quality of each form so far, in thousandths (RFC 9110 sections 12.4.2, 12.5.1); at first
 * 0. */
struct accepted {
	unsigned openmetrics, text;
};

/*
 * Take the value of one Accept field into account. A media range that is not well-formed counts as
 * not accepted.
 */
void jg_accepted_add(struct accepted *accepted, struct slice value);

/*
 * True when OpenMetrics 1.0.0 is accepted, with at least the quality of the text form of
 * Prometheus.
 */
bool jg_accepted_openmetrics(const struct accepted *accepted);

#endif
