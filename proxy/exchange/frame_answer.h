/* frame_answer.h - who may show a job's answer in a frame (frame-ancestors, X-Frame-Options). */
#ifndef JOBGATE_EXCHANGE_FRAME_ANSWER_H
#define JOBGATE_EXCHANGE_FRAME_ANSWER_H

#include "jobgate/message.h"

/*
 * Add a Content-Security-Policy with these ancestors ("frame-ancestors ...") to a job's answer.
 * Browsers obey it and the job's own policies, so nothing that the job forbids becomes allowed; but
 * they ignore X-Frame-Options where any policy has frame-ancestors (CSP level 3, section 6.4.2.2).
 * So where only that field of the job forbids more than `ancestors`, the policy says the same.
 * with_options: for browsers without such policies, add X-Frame-Options: SAMEORIGIN where the job
 * has none. fields->items has room for HEAD_FIELDS_MAX.
 */
void frame_answer(struct fields *fields, struct slice ancestors, bool with_options);

#endif
