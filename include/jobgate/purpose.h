/* purpose.h - what clients come to a listener for. */
#ifndef JOBGATE_PURPOSE_H
#define JOBGATE_PURPOSE_H

/* Each has places of its own: connections for one never take those of another. */
enum purpose {
	FOR_JOBS,    /* `listen`: jobs, and under control.host the control API */
	FOR_CONTROL, /* control.listen: the control API, whatever the host */
	FOR_METRICS, /* control.metrics: /metrics, /healthz and /readyz, without a token */
};
#define PURPOSE_COUNT (FOR_METRICS + 1)

#endif
