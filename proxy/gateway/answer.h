/* answer.h - what upstream connections tell the exchange they serve. */
#ifndef JOBGATE_ANSWER_H
#define JOBGATE_ANSWER_H

#include "gateway/upstream.h"

/* Bytes of one exchange's state, for the slab. */
size_t exchange_size(void);

/* The connection is up: the exchange sends its request. */
void exchange_connected(struct exchange *exchange, struct upstream *upstream);

/* The answer, as it comes. Any of these may end the exchange: upstream->exchange is then NULL. */
void exchange_interim(struct exchange *exchange, const struct response *response);
void exchange_answer(struct exchange *exchange, struct response *response);
size_t exchange_answer_content(struct exchange *exchange, struct slice data);
void exchange_answer_end(struct exchange *exchange, const struct fields *trailers);
void exchange_answer_flush(struct exchange *exchange);

/* The connection can take content of the request again. */
void exchange_upstream_ready(struct exchange *exchange);

/*
 * The connection failed and is closed. repeatable: the request may be sent again
 * without harm, because the backend had closed a connection that was kept for it and has not
 * answered.
 */
void exchange_upstream_failed(
    struct exchange *exchange, enum upstream_failure failure, bool repeatable);

#endif
