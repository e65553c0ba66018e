/* request_id.h - an id for each request, by which it is found in every log. */
#ifndef JOBGATE_EXCHANGE_REQUEST_ID_H
#define JOBGATE_EXCHANGE_REQUEST_ID_H

#include <stdint.h>

#include "jobgate/slice.h"

#define REQUEST_ID_LEN 32 /* hex digits, as W3C trace ids have */
#define REQUEST_ID_MAX 64 /* of one taken over from a trusted proxy */

/* Unique by construction: random bits for the worker, and a counter. Not a secret. */
struct request_ids {
	uint64_t worker; /* random */
	uint64_t count;	 /* starts random */
};

/* False when the random generator fails. */
bool request_ids_init(struct request_ids *ids);

void request_id_make(struct request_ids *ids, char out[REQUEST_ID_LEN]);

/* True for 1 to REQUEST_ID_MAX characters [A-Za-z0-9._-]: what may be taken over and logged. */
bool request_id_valid(struct slice id);

#endif
