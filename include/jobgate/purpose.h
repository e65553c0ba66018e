/* purpose.h - what a listener is for. */
#ifndef JOBGATE_PURPOSE_H
#define JOBGATE_PURPOSE_H

/* Each purpose has its own limit of connections, so that one never uses up another's. */
enum purpose {
	FOR_JOBS,    /* `listen`: jobs, and under control.host the control API */
	FOR_CONTROL, /* control.listen: the control API, whatever the host */
	FOR_METRICS, /* control.metrics: /metrics, /healthz and /readyz, without a token */
};
#define PURPOSE_COUNT (FOR_METRICS + 1)

#endif
