/* top_screen.h - what `jobgate top` shows of a list of sessions; pure functions. */
#ifndef JOBGATE_CLI_TOP_SCREEN_H
#define JOBGATE_CLI_TOP_SCREEN_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

enum top_sort { TOP_BY_RATE, TOP_BY_BYTES, TOP_BY_AGE, TOP_BY_JOB, TOP_BY_TOKEN, TOP_BY_CLIENT };
#define TOP_SORTS (TOP_BY_CLIENT + 1)

const char *top_sort_name(enum top_sort sort); /* "rate" ...; static */
bool top_sort_parse(const char *text, enum top_sort *out);

#define TOP_FILTER_MAX 64

struct top_view {
	size_t width, height; /* of the terminal, in characters */
	enum top_sort sort;
	bool color;
	bool typing;		     /* the filter is being typed */
	bool paused;		     /* the list stays as it is */
	char filter[TOP_FILTER_MAX]; /* only sessions in which this text occurs, in any case */
	size_t first;		     /* rows that are scrolled past */
	const char *message;	     /* in place of the keys; "": none */
};

/* A session of the list. */
struct top_row {
	const json_t *item; /* of the API */
	double rate, bytes, age;
};

/*
 * The sessions that pass the filter, sorted; to be freed. *count is their number. rates: bytes per
 * second of sessions by their ids, as far as they are known; others have their average. NULL when
 * memory is short.
 */
struct top_row *top_rows(
    const json_t *items, const json_t *rates, const struct top_view *view, size_t *count);

/*
 * The rates of the sessions in `items`, for which an earlier list said these byte counts `seconds`
 * ago; *bytes becomes those of now. NULL when memory is short.
 */
json_t *top_rates(const json_t *items, json_t **bytes, double seconds);

/* Rows that fit under the head. */
size_t top_room(const struct top_view *view);

/*
 * Write a whole screen, over what was there before. No line is longer than the terminal, and no
 * text of a client can control it.
 */
void top_write(const struct top_view *view, const struct top_row *rows, size_t count, FILE *out);

#endif
