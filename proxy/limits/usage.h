/* usage.h - metrics by token. */
#ifndef JOBGATE_LIMITS_USAGE_H
#define JOBGATE_LIMITS_USAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct limit_table;

/*
 * Write what tokens with limits use (Prometheus exposition format 0.0.4), of at most this many:
 * those that were used last, within the last hour, or that have requests running. A token that has
 * been idle may have lost its place, and begins again at 0 then. Changes nothing in the table, so
 * any process that has it may call this. now_us as for jg_limits_take. False when memory is short.
 */
bool limit_table_write_usage(struct limit_table *table, size_t most, uint64_t now_us, FILE *out);

#endif
