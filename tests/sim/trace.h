/*
 * trace.h - the events of a run, as a hash that is the same for two runs of one seed, and as text
 * for people.
 */
#ifndef SIM_TRACE_H
#define SIM_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Text goes to standard output from now on. */
void trace_show(void);
bool trace_is_shown(void);

/*
 * Something has happened, at the simulated time. who says where ("worker 0"); what is a word, and
 * a and b say more. Nothing of them may depend on addresses of memory.
 */
void trace_event(const char *who, const char *what, uint64_t a, uint64_t b);

/* A line for people; it does not count in the hash. */
void trace_say(const char *who, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Of all events so far. */
uint64_t trace_hash(void);
uint64_t trace_events(void);

/* Fold bytes into the hash. */
void trace_bytes(const void *bytes, size_t len);

#endif
