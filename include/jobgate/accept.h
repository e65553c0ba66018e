/* accept.h - which form of metrics a scraper asks for, by its Accept fields. Pure functions. */
#ifndef JOBGATE_ACCEPT_H
#define JOBGATE_ACCEPT_H

#include <stdbool.h>

#include "jobgate/slice.h"

/* Media types of metrics; the worker's word to the control process is the first one alone. */
#define OPENMETRICS_TYPE "application/openmetrics-text"
#define OPENMETRICS_CONTENT OPENMETRICS_TYPE "; version=1.0.0; charset=utf-8"
#define PROMETHEUS_CONTENT "text/plain; version=0.0.4; charset=utf-8"

/* The qualities so far, in thousandths (RFC 9110 section 12.5.1); zeroed at first. */
struct accepted {
	unsigned openmetrics, text;
};

/* Take a field's value into account. What is not well-formed in it counts as not accepted. */
void jg_accepted_add(struct accepted *accepted, struct slice value);

/*
 * True when OpenMetrics, of version 1.0.0 or any, is accepted, and no less than the text form of
 * Prometheus.
 */
bool jg_accepted_openmetrics(const struct accepted *accepted);

#endif
