/* handlers.h - the exchange's own local handlers: what an intermediary answers itself. */
#ifndef JOBGATE_EXCHANGE_HANDLERS_H
#define JOBGATE_EXCHANGE_HANDLERS_H

#include "jobgate/local_handler.h"

/* CONNECT and TRACE: 405. TRACE would show its client's token to scripts (RFC 9110 section 9.3.8).
 */
extern const struct local_handler unserved_handler;

/*
 * At a listener that redirects: 308 to the same URL over https, whatever the request is. All of it
 * was sent in the clear, its token too, so nothing of it is used. 308 keeps method and content
 * (RFC 9110 section 15.4.9).
 */
extern const struct local_handler redirect_handler;

/*
 * A request whose path is the prefix of its job and nothing else, "/jobs/x": 308 to "/jobs/x/". It
 * is asked only for a request that may pass, so strangers do not learn which jobs there are.
 */
extern const struct local_handler add_slash_handler;

/* OPTIONS that may pass no further proxy (RFC 9110 section 7.6.2): 200. */
extern const struct local_handler max_forwards_handler;

/*
 * gRPC's health check over HTTP/2, as probes make it at control.metrics (health.c). The services
 * "" and "readiness" are in service while /readyz is fine, "liveness" always.
 */
extern const struct local_handler health_handler;

/* At the control API: GET of CONSOLE_PATH, the page for operators (console.c). */
extern const struct local_handler console_handler;

#endif
