/* answer.h - what upstream connections tell the exchange they serve. */
#ifndef JOBGATE_ANSWER_H
#define JOBGATE_ANSWER_H

#include "gateway/upstream.h"

/* Bytes of one exchange's state, for the slab. */
size_t exchange_size(void);

/* The connection is up: the exchange sends its request. */
void exchange_connected(struct exchange *exchange, struct upstream *upstream);

/* The answer, as it comes. Any of these may end the exchange: upstream->exchange is then NULL. */
void exchange_interim(struct exchange *exchange, struct response *response);
void exchange_answer(struct exchange *exchange, struct response *response);
size_t exchange_answer_content(struct exchange *exchange, struct slice data);
void exchange_answer_end(struct exchange *exchange, const struct fields *trailers);
void exchange_answer_flush(struct exchange *exchange);

/* The connection can take content of the request again. */
void exchange_upstream_ready(struct exchange *exchange);

/* May a request be sent again that a connection failed (RFC 9110 section 9.2.2)? */
enum repeat {
	REPEAT_NOT,    /* the backend may have acted on it, or will never take it */
	REPEAT_STALE,  /* it went out on a kept connection that was at its end */
	REPEAT_BROKEN, /* it went out on a new one that broke before an answer began */
};

/* The connection failed and is closed. Each reason to repeat counts once for a request. */
void exchange_upstream_failed(
    struct exchange *exchange, enum upstream_failure failure, enum repeat repeat);

#endif
