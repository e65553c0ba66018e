/* return_trip.h - a job's host, while people sign in at the sign-in host: the way there and back.
 */
#ifndef JOBGATE_BROWSER_RETURN_TRIP_H
#define JOBGATE_BROWSER_RETURN_TRIP_H

#include "jobgate/local_handler.h"

/* Send the browser to the sign-in host, to come back to this path and query. False when its address
 * cannot be written. */
bool return_trip_start(const struct local_call *call, struct slice to, struct local_answer *answer);

/* True when the browser loads a page that its user sees, not a part of one. */
bool return_trip_is_page_load(const struct request *request);

/* As `begin` and `denied` of a local handler, for the gateway's paths at a job's host. */
enum local_action return_trip_serve(const struct local_call *call, struct local_answer *answer);
enum local_action return_trip_denied(
    const struct local_call *call, unsigned status, struct local_answer *answer);

#endif
