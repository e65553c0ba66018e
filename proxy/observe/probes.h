/*
 * probes.h - the static tracepoints (USDT) of the data path.
 *
 * Texts are a pointer and a length, without a NUL. No argument is a secret. Probes of an exchange
 * begin with its request id, whose address no other exchange has as long as this one lasts.
 * deploy/observability/README.md has a table of all probes; jobgate/probe.h defines the probes of
 * state changes.
 */
#ifndef JOBGATE_OBSERVE_PROBES_H
#define JOBGATE_OBSERVE_PROBES_H

#include "jobgate/probe.h"

/* A verdict; us: how long it took. token_id: TOKEN_ID_LEN bytes, or NULs when it is not known. */
#define PROBE_DECISION(request_id, request_id_len, verdict, us, job, job_len, token_id) \
	DTRACE_PROBE7(                                                                  \
	    jobgate, decision, request_id, request_id_len, verdict, us, job, job_len, token_id)

/* A change of its token or job ends a running exchange. */
#define PROBE_REVOCATION(request_id, request_id_len, verdict, job, job_len, token_id) \
	DTRACE_PROBE6(                                                                \
	    jobgate, revocation, request_id, request_id_len, verdict, job, job_len, token_id)

/* An exchange is over; status 0: none was sent. Bytes are those of content. */
#define PROBE_EXCHANGE_END(request_id, request_id_len, outcome, status, bytes_in, bytes_out) \
	DTRACE_PROBE6(jobgate, exchange_end, request_id, request_id_len, outcome, status,    \
	    bytes_in, bytes_out)

/* A new connection to a backend is up, its TLS included; or it could not be made. */
#define PROBE_CONNECTED(host, host_len, port) \
	DTRACE_PROBE3(jobgate, connected, host, host_len, port)
#define PROBE_NOT_CONNECTED(host, host_len, port, failure) \
	DTRACE_PROBE4(jobgate, not_connected, host, host_len, port, failure)

#endif
