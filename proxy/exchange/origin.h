/* origin.h - who caused a request: a page, its user, or a program. */
#ifndef JOBGATE_EXCHANGE_ORIGIN_H
#define JOBGATE_EXCHANGE_ORIGIN_H

#include "jobgate/message.h"

struct exchange;

/*
 * True when the page that caused the request may cause it. Browsers send the cookie of a session,
 * and a password for the scheme Basic, with every request, whichever page caused it. So such a
 * request that changes something, or opens a connection that can, has to come from the job's own
 * pages. For SameSite all jobs of a domain are one site, so this also refuses what another job's
 * page embeds; a link to the job passes. In the path form, where all jobs have one origin, none
 * passes. Basic without Origin and Sec-Fetch-Site is a program's.
 */
bool exchange_origin_may(const struct exchange *exchange, const struct request *request);

/*
 * True when a refusal may ask for a password: a program sent the request, as far as its fields show
 * (a browser would ask its user), and over TLS or from this machine. A client that is asked sends
 * its token, which no one on the way may read.
 */
bool exchange_may_offer_basic(const struct exchange *exchange, const struct request *request);

/* True when the client speaks TLS, to us or to a trusted proxy that says so. */
bool exchange_uses_tls(const struct exchange *exchange, const struct request *request);

#endif
