/* table.h - the supervisor's side of the limits: the mapping, workers that end, idle places. */
#ifndef JOBGATE_LIMITS_TABLE_H
#define JOBGATE_LIMITS_TABLE_H

#include <sys/types.h>

#include "jobgate/limits.h"

#define LIMIT_PLACES 65536
#define LIMIT_OWNERS 65536

/*
 * Make a table with this many places, a power of two; key is random (SipHash). Its memory is taken
 * page by page, when places are used. NULL when there is none. limit_table_fd is its descriptor,
 * close-on-exec; another binary with the same layout takes it by limit_table_inherit.
 */
struct limit_table *limit_table_new(uint32_t places, const uint64_t key[2]);

/* Take over the table of the binary before, with its descriptor. NULL, and fd stays open: it has
 * another layout. */
struct limit_table *limit_table_inherit(int fd);

/* Its descriptor; and replace it by a duplicate, which then belongs to the table. */
int limit_table_fd(const struct limit_table *table);
void limit_table_set_fd(struct limit_table *table, int fd);

/* Also closes the descriptor. NULL is fine. */
void limit_table_free(struct limit_table *table);

/* ---- only the supervisor calls these ---- */

/*
 * The lowest number that no worker has; 0: there is none. It is taken once limit_table_worker_began
 * says which process has it. limit_table_worker is the number of a process, 0 when it has none:
 * after an upgrade workers of the binary before go on with the numbers that they have.
 */
uint16_t limit_table_free_number(const struct limit_table *table);
void limit_table_worker_began(struct limit_table *table, uint16_t owner, pid_t pid);
uint16_t limit_table_worker(const struct limit_table *table, pid_t pid);

/* The first number from this one on that a worker has, and its process; 0: there is none. */
uint16_t limit_table_next_worker(const struct limit_table *table, uint32_t from, pid_t *pid);

/* The worker with this number has ended (waitpid): take back what it held, and its number. */
void limit_table_worker_ended(struct limit_table *table, uint16_t owner);

/*
 * Places become free in two steps, because a worker may look at one at any moment. The first marks
 * idle places, if more than a quarter of all are taken: those without an exchange, whose rate is
 * unused. The second, when each worker's event loop has turned since then, frees those that no
 * worker has used since. Both return how many; places that were marked before count, too. The
 * second may have to be repeated: it ends early while a worker takes a new place.
 */
uint32_t limit_table_mark(struct limit_table *table, uint64_t now_us);
uint32_t limit_table_sweep(struct limit_table *table, uint64_t now_us);

/* Requests that were refused because the table was full, so far. */
uint64_t limit_table_refused(const struct limit_table *table);

/* Cells that are taken, of all tokens. */
uint64_t limit_table_permits(const struct limit_table *table);

#endif
