/* sign_in_host.h - the host at which browsers sign in once, for all jobs that their token reaches.
 */
#ifndef JOBGATE_BROWSER_SIGN_IN_HOST_H
#define JOBGATE_BROWSER_SIGN_IN_HOST_H

#include "jobgate/local_handler.h"

/*
 * Answers all requests at the sign-in host. The browser comes with an address of a job's host and
 * the digest of a nonce that it keeps for that host, and goes back with a one-time code (code.h).
 * call->job is the job of that address; empty: the address is none to which it may go back.
 */
extern const struct local_handler sign_in_host_handler;

#endif
