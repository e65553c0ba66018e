/* sign_in.h - browsers sign in: a person pastes a token and gets a session. */
#ifndef JOBGATE_BROWSER_SIGN_IN_H
#define JOBGATE_BROWSER_SIGN_IN_H

#include "jobgate/local_handler.h"

/*
 * Answers the gateway's paths at a job's own host: pages to sign in and out at, and what their
 * forms send. `refused` shows a person who has no session the page to sign in at, or why there is
 * none.
 */
extern const struct local_handler sign_in_handler;

#endif
