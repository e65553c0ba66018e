/* table.c - the mapping of the limits; workers that end; idle places. */
#include "limits/place.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Changes with struct limit_header and struct limit_place, and with what their members mean. */
#define LIMIT_LAYOUT 0x4a474c04u

/* ---- the mapping ---- */

static size_t
keys_at(void)
{
	return sizeof(struct limit_header);
}

static size_t
places_at(uint32_t places)
{
	size_t keys = places * sizeof(uint64_t), line = _Alignof(struct limit_place);

	return keys_at() + (keys + line - 1) / line * line;
}

static size_t
bytes_for(uint32_t places)
{
	return places_at(places) + places * sizeof(struct limit_place);
}

_Static_assert(sizeof(struct limit_place) == 128, "two cache lines");
_Static_assert(sizeof(struct limit_header) % 64 == 0, "the keys begin a cache line");

/* Map the descriptor, which the table then has. */
static struct limit_table *
table_map(int fd, uint32_t places)
{
	struct limit_table *table = calloc(1, sizeof(*table));
	char *base = MAP_FAILED;

	if (table != NULL)
		base = mmap(NULL, bytes_for(places), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (base == MAP_FAILED) {
		free(table);
		return NULL;
	}
	table->fd = fd;
	table->places = places;
	table->window = places < LIMIT_WINDOW ? places : LIMIT_WINDOW;
	table->header = (struct limit_header *)(void *)base;
	table->keys = (_Atomic uint64_t *)(void *)(base + keys_at());
	table->place = (struct limit_place *)(void *)(base + places_at(places));
	return table;
}

struct limit_table *
limit_table_new(uint32_t places, const uint64_t key[2])
{
	int fd = memfd_create("jobgate-limits", MFD_CLOEXEC);
	struct limit_table *table = NULL;

	if (fd >= 0 && ftruncate(fd, (off_t)bytes_for(places)) == 0)
		table = table_map(fd, places);
	if (table == NULL) {
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	table->header->layout = LIMIT_LAYOUT;
	table->header->places = places;
	table->header->hash_key[0] = key[0];
	table->header->hash_key[1] = key[1];
	return table;
}

struct limit_table *
limit_table_inherit(int fd)
{
	struct limit_table *table;
	struct stat file;

	if (fstat(fd, &file) != 0 || file.st_size != (off_t)bytes_for(LIMIT_PLACES))
		return NULL;
	table = table_map(fd, LIMIT_PLACES);
	if (table == NULL)
		return NULL;
	if (table->header->layout != LIMIT_LAYOUT || table->header->places != LIMIT_PLACES) {
		munmap(table->header, bytes_for(LIMIT_PLACES));
		free(table);
		return NULL;
	}
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	atomic_store(&table->header->freeing, 0);
	/* Of workers whose end the supervisor before did not see. Those that live and take a place
	 * just now have done so before the first sweep (see limit_table_mark). */
	for (uint32_t owner = 0; owner < LIMIT_OWNERS; owner++)
		if (atomic_load(&table->header->claiming[owner]) != 0)
			atomic_store(&table->header->claiming[owner], 0);
	return table;
}

int
limit_table_fd(const struct limit_table *table)
{
	return table->fd;
}

void
limit_table_set_fd(struct limit_table *table, int fd)
{
	table->fd = fd;
}

void
limit_table_free(struct limit_table *table)
{
	if (table == NULL)
		return;
	munmap(table->header, bytes_for(table->places));
	close(table->fd);
	free(table);
}

/* ---- workers ---- */

uint16_t
limit_table_free_number(const struct limit_table *table)
{
	for (uint32_t owner = 1; owner < LIMIT_OWNERS; owner++)
		if (table->header->pid[owner] == 0)
			return (uint16_t)owner;
	return 0;
}

void
limit_table_worker_began(struct limit_table *table, uint16_t owner, pid_t pid)
{
	table->header->pid[owner] = (uint32_t)pid;
}

uint16_t
limit_table_next_worker(const struct limit_table *table, uint32_t from, pid_t *pid)
{
	for (uint32_t owner = from; owner < LIMIT_OWNERS; owner++)
		if (table->header->pid[owner] != 0) {
			*pid = (pid_t)table->header->pid[owner];
			return (uint16_t)owner;
		}
	return 0;
}

uint16_t
limit_table_worker(const struct limit_table *table, pid_t pid)
{
	uint16_t owner = 0;
	pid_t found = 0;

	do {
		owner = limit_table_next_worker(table, owner + 1u, &found);
	} while (owner != 0 && found != pid);
	return owner;
}

/* Take back the worker's permits in one place; returns how many. */
static uint32_t
take_back(struct limit_place *place, uint16_t owner)
{
	uint32_t count = 0;

	for (unsigned i = 0; i < LIMIT_CELLS; i++) {
		if (atomic_load(&place->owner[i]) != owner)
			continue;
		atomic_store(&place->owner[i], 0);
		count++;
	}
	return count;
}

void
limit_table_worker_ended(struct limit_table *table, uint16_t owner)
{
	for (uint32_t at = 0; at < table->places; at++) {
		struct limit_place *place = &table->place[at], *first;
		uint64_t key = atomic_load(&table->keys[at]);
		uint32_t count = key != 0 ? take_back(place, owner) : 0;

		if (count == 0)
			continue;
		first = atomic_load(&place->first) == key
			    ? place
			    : place_find(table, atomic_load(&place->first));
		if (first != NULL)
			atomic_fetch_add(&first->releases, count);
	}
	atomic_store(&table->header->claiming[owner], 0);
	table->header->pid[owner] = 0;
}

/* ---- idle places ---- */

/* A token's first place stays as long as a cell of a further one is taken. */
static bool
further_are_empty(struct limit_table *table, const struct limit_place *place, uint64_t key)
{
	uint32_t high = atomic_load((_Atomic uint16_t *)&place->high);

	for (uint32_t block = 1; block * LIMIT_CELLS < high; block++) {
		const struct limit_place *further = place_look(table, place_key(table, key, block));

		if (further != NULL && !place_is_empty(further))
			return false;
	}
	return true;
}

static bool
place_is_idle(struct limit_table *table, uint32_t at, uint64_t now_us)
{
	const struct limit_place *place = &table->place[at];
	uint64_t key = atomic_load(&table->keys[at]);

	return key != 0 && atomic_load((_Atomic uint64_t *)&place->tat_ns) <= now_us * 1000 &&
	       place_is_empty(place) && further_are_empty(table, place, key);
}

static uint32_t
places_taken(const struct limit_table *table)
{
	uint32_t taken = 0;

	for (uint32_t at = 0; at < table->places; at++)
		taken += atomic_load(&table->keys[at]) != 0;
	return taken;
}

uint32_t
limit_table_mark(struct limit_table *table, uint64_t now_us)
{
	uint32_t marked = 0;

	if (places_taken(table) <= table->places / 4)
		return 0;
	for (uint32_t at = 0; at < table->places; at++) {
		struct limit_place *place = &table->place[at];
		uint16_t live = PLACE_LIVE;

		if (place_is_idle(table, at, now_us))
			marked +=
			    atomic_compare_exchange_strong(&place->state, &live, PLACE_MARKED) ||
			    live == PLACE_MARKED;
	}
	return marked;
}

/* A worker that uses the place has made it LIVE before, so that the exchange fails. */
static bool
place_free(struct limit_table *table, uint32_t at, uint64_t now_us)
{
	struct limit_place *place = &table->place[at];
	uint16_t marked = PLACE_MARKED;

	if (atomic_load(&place->state) != PLACE_MARKED || !place_is_idle(table, at, now_us) ||
	    !atomic_compare_exchange_strong(&place->state, &marked, PLACE_FREED))
		return false;
	atomic_store(&place->tat_ns, 0);
	atomic_store(&place->full_ns, 0);
	atomic_store(&place->first, 0);
	atomic_store(&place->high, 0);
	atomic_store(&place->id[0], 0);
	atomic_store(&place->id[1], 0);
	atomic_store(&place->used_s, 0);
	atomic_store(&place->allowed, 0);
	atomic_store(&place->over_rate, 0);
	atomic_store(&place->over_concurrency, 0);
	atomic_store(&table->keys[at], 0);
	atomic_store(&place->state, PLACE_LIVE);
	return true;
}

/* True when no worker takes a new place, and none can begin to. */
static bool
freeing_begin(struct limit_header *header)
{
	uint32_t numbers;

	atomic_store(&header->freeing, 1);
	numbers = atomic_load(&header->numbers);
	for (uint32_t owner = 0; owner < numbers; owner++)
		if (atomic_load(&header->claiming[owner]) != 0) {
			atomic_store(&header->freeing, 0);
			return false;
		}
	return true;
}

/* Places that become free together. Workers that need a new place wait until then. */
#define SLICE_PLACES 64

/*
 * Note the next marked places that are idle, from *at on; returns how many. This is what takes
 * time, so workers may go on meanwhile.
 */
static uint32_t
next_slice(struct limit_table *table, uint32_t *at, uint64_t now_us, uint32_t slice[SLICE_PLACES])
{
	uint32_t count = 0;

	for (; *at < table->places && count < SLICE_PLACES; ++*at)
		if (atomic_load(&table->keys[*at]) != 0 &&
		    atomic_load(&table->place[*at].state) == PLACE_MARKED &&
		    place_is_idle(table, *at, now_us))
			slice[count++] = *at;
	return count;
}

uint32_t
limit_table_sweep(struct limit_table *table, uint64_t now_us)
{
	uint32_t slice[SLICE_PLACES], count, at = 0, freed = 0;

	while ((count = next_slice(table, &at, now_us, slice)) > 0) {
		if (!freeing_begin(table->header))
			break;
		for (uint32_t i = 0; i < count; i++)
			freed += place_free(table, slice[i], now_us);
		atomic_store(&table->header->freeing, 0);
	}
	return freed;
}

uint64_t
limit_table_refused(const struct limit_table *table)
{
	return atomic_load(&table->header->refused);
}

uint64_t
limit_table_permits(const struct limit_table *table)
{
	uint64_t taken = 0;

	for (uint32_t at = 0; at < table->places; at++)
		for (unsigned i = 0; i < LIMIT_CELLS; i++)
			taken += atomic_load(&table->place[at].owner[i]) != 0;
	return taken;
}
