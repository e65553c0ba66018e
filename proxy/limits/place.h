/* place.h - the layout of the table in shared memory; only the files of this folder include it. */
#ifndef JOBGATE_LIMITS_PLACE_H
#define JOBGATE_LIMITS_PLACE_H

#include <stdatomic.h>

#include "limits/table.h"

/*
 * allowance.c  which limits apply, and the rate algorithm
 * table.c      the mapping; workers that end; idle places
 * place.c      finds the place of a token, or takes a new one
 * permit.c     takes and gives permits
 * usage.c      metrics by token
 */

#define LIMIT_CELLS 32 /* of one place */

/* A token's place is one of this many after the one that its hash names. */
#define LIMIT_WINDOW 1024

enum place_state {
	PLACE_LIVE,
	PLACE_MARKED, /* idle when the supervisor last looked; a worker that uses it makes it LIVE
		       */
	PLACE_FREED,  /* the supervisor is clearing it: it is not there any more */
};

/*
 * A token's place. A token with more than 32 exchanges at a time has further places, one for each
 * 32 cells, of which only the cells are used. A place is found by its key, the keyed hash of the
 * token's id, or that of the first place's key and of the number of these 32 cells.
 */
struct limit_place {
	_Alignas(64) _Atomic uint64_t tat_ns; /* the rate: see jg_rate_allows */
	_Atomic uint64_t full_ns; /* burst * interval of the allowance that tat_ns comes from */
	_Atomic uint64_t first;	  /* the key of the token's first place */
	_Atomic uint64_t id[2];	  /* of a first place: the token's id, zeros behind a shorter one */
	_Atomic uint16_t state;	  /* enum place_state */
	_Atomic uint16_t high;	  /* no cell from this one on was ever taken */
	_Atomic uint32_t releases; /* grows after each permit that was given back */
	_Atomic uint32_t used_s;   /* when it was last used, in seconds */
	_Atomic uint32_t allowed, over_rate, over_concurrency; /* requests, for the metrics */
	_Alignas(64) _Atomic uint16_t owner[LIMIT_CELLS];      /* 0: free; otherwise the worker */
};

/* The beginning of the mapping. The keys follow, then the places. */
struct limit_header {
	uint32_t layout, places;
	uint64_t hash_key[2];
	_Atomic uint64_t refused;	       /* because the table was full */
	_Alignas(64) _Atomic uint32_t freeing; /* 1: the supervisor frees places */
	_Atomic uint32_t numbers; /* no worker from this one on has ever taken a new place */
	_Alignas(64) _Atomic uint8_t claiming[LIMIT_OWNERS]; /* 1: the worker takes a new place */
	uint32_t
	    pid[LIMIT_OWNERS]; /* the worker with this number; 0: none; only for the supervisor */
};

/* Each process has its own; what it points to is shared. */
struct limit_table {
	int fd;
	uint32_t places, window;
	struct limit_header *header;
	_Atomic uint64_t *keys; /* [places]; 0: the place is free */
	struct limit_place *place;
};

/* The key of the first place of the token with this id, and of its place with the cells from
 * 32 * block on. */
uint64_t place_first_key(const struct limit_table *table, struct slice id);
uint64_t place_key(const struct limit_table *table, uint64_t first_key, uint32_t block);

/* The place with this key, or NULL. */
struct limit_place *place_look(struct limit_table *table, uint64_t key);

/*
 * The same, to be used: a mark is taken off. It stays valid until control returns to the event
 * loop, and as long as one of its cells is taken.
 */
struct limit_place *place_find(struct limit_table *table, uint64_t key);

/* The same, or a new place; first is the key of the token's first place. NULL: there is none free.
 */
struct limit_place *place_claim(
    struct limit_table *table, uint16_t owner, uint64_t key, uint64_t first);

/* True when no cell is taken. */
bool place_is_empty(const struct limit_place *place);

#endif
