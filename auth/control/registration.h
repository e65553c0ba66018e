/* registration.h - keeps the record of a sidecar's job in the store (jobs.register). */
#ifndef JOBGATE_CONTROL_REGISTRATION_H
#define JOBGATE_CONTROL_REGISTRATION_H

#include <event2/event.h>

#include "auth/redis/store.h"

struct registration;

/*
 * Create the record of the fixed job, with the labels and the URL of the settings and a lease of
 * register_ms; renew the lease three times as often, and create the record again when it is gone. A
 * record that exists already is renewed when it has the same URL, labels and lease: other gateways
 * share it. mark: STORE_MARK_LEN characters of this gateway (control.h). Another record is left to
 * end with its lease, since its URL may lead to what is no longer this job; one without a lease is
 * left alone. What happens is logged once. settings, log and store outlive the result. NULL when
 * memory is short, or when the settings ask for no record.
 */
struct registration *registration_new(struct event_base *base, struct store *store,
    const struct control_settings *settings, const char *mark, const struct log *log);

/*
 * The process ends: delete the record, unless another gateway renews it, too, or the next process
 * of this one does (hands_over), and run the loop until that is done, for a second at most. Call it
 * outside of the loop. NULL is harmless.
 */
void registration_finish(
    struct registration *registration, struct event_base *base, bool hands_over);

/* Call it after the store has been freed: then nothing is under way. NULL is harmless. */
void registration_free(struct registration *registration);

#endif
