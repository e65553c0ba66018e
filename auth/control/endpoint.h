/* endpoint.h - finds the handler for a method and path; a pure function over a table. */
#ifndef JOBGATE_CONTROL_ENDPOINT_H
#define JOBGATE_CONTROL_ENDPOINT_H

#include "jobgate/slice.h"

struct call;

/*
 * A row of the table: "{id}" in the pattern matches one segment that is not empty. Rows with the
 * same pattern and different methods are neighbours.
 */
struct endpoint {
	const char *method; /* "GET" also answers HEAD */
	const char *pattern;
	void (*handle)(struct call *call);
};

struct endpoint_table {
	const struct endpoint *rows;
	size_t count;
};

enum endpoint_result { ENDPOINT_FOUND, ENDPOINT_NO_PATH, ENDPOINT_NO_METHOD };

#define ENDPOINT_ALLOW_MAX 64

/*
 * Find the row for a request. With ENDPOINT_FOUND *row is set, and *id is the part of path that
 * matched {id}, or empty. With ENDPOINT_NO_METHOD allow is the value of an Allow field.
 */
enum endpoint_result endpoint_find(const struct endpoint_table *table, struct slice method,
    struct slice path, const struct endpoint **row, struct slice *id,
    char allow[ENDPOINT_ALLOW_MAX]);

#endif
