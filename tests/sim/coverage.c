/*
 * coverage.c - finds the tables of states by their symbols, and notes which transitions were seen.
 */
#include "coverage.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/redis/tracker_state.h"
#include "jobgate/container_of.h"
#include "jobgate/state.h"
#include "world.h"

struct table {
	const char *name;
	const struct state_row *rows;
	unsigned count;
};

/* One run in a process: a hook has nothing by which to find another one. */
static struct {
	struct table tables[COVERAGE_TABLES_MAX];
	unsigned table_count, tracker_table;
	struct world *world; /* NULL: nothing is noted */
	unsigned tracker[GATEWAY_SLOTS_MAX];
	struct coverage seen;
} coverage;

/* ---- tables ---- */

/* The start of this program in memory; the linker defines it. */
extern const char __ehdr_start; // NOLINT(bugprone-reserved-identifier)

static bool
ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);

	return len > end_len && strcmp(text + len - end_len, end) == 0;
}

static void
add_table(const char *name, const ElfW(Sym) * symbol)
{
	struct table *table = &coverage.tables[coverage.table_count];

	if (ELF64_ST_TYPE(symbol->st_info) != STT_OBJECT ||
	    (!ends_with(name, "_states") && !ends_with(name, "_phases")))
		return;
	if (coverage.table_count == COVERAGE_TABLES_MAX)
		abort();
	table->rows = (const struct state_row *)(&__ehdr_start + symbol->st_value);
	table->count = (unsigned)(symbol->st_size / sizeof(struct state_row));
	table->name = strdup(name);
	if (table->name == NULL || table->count > COVERAGE_STATES_MAX)
		abort();
	coverage.table_count++;
}

static void
read_symbols(const char *file)
{
	const ElfW(Ehdr) *head = (const ElfW(Ehdr) *)file;
	const ElfW(Shdr) *sections = (const ElfW(Shdr) *)(file + head->e_shoff);

	for (unsigned i = 0; i < head->e_shnum; i++) {
		const ElfW(Shdr) *section = &sections[i];
		const ElfW(Sym) *symbols = (const ElfW(Sym) *)(file + section->sh_offset);

		if (section->sh_type != SHT_SYMTAB)
			continue;
		for (size_t k = 0; k < section->sh_size / sizeof(*symbols); k++)
			add_table(file + sections[section->sh_link].sh_offset + symbols[k].st_name,
			    &symbols[k]);
	}
}

static int
compare_tables(const void *a, const void *b)
{
	return strcmp(((const struct table *)a)->name, ((const struct table *)b)->name);
}

void
coverage_begin(void)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct stat info;
	char *file;

	if (fd < 0 || fstat(fd, &info) != 0)
		abort();
	file = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (file == MAP_FAILED)
		abort();
	read_symbols(file);
	munmap(file, (size_t)info.st_size);
	close(fd);
	qsort(coverage.tables, coverage.table_count, sizeof(coverage.tables[0]), compare_tables);
	for (unsigned i = 0; i < coverage.table_count; i++)
		if (strcmp(coverage.tables[i].name, "tracker_states") == 0)
			coverage.tracker_table = i;
}

/* ---- what happens ---- */

static void
note_pair(enum fault_kind kind, unsigned slot)
{
	coverage.seen.tracker[kind] |= (uint16_t)(1u << coverage.tracker[slot]);
}

/* The tracker of the worker that runs has changed its state: faults that are at work meet it. */
static void
tracker_changed(unsigned to)
{
	const struct node *node = node_current();
	const struct faults *faults = &coverage.world->faults;
	unsigned slot;

	if (node == NULL)
		return;
	slot = container_of(node, struct gateway_worker, node)->slot;
	coverage.tracker[slot] = to;
	for (size_t i = 0; i < FAULTS_AT_ONCE; i++)
		if (alarm_is_set(&faults->ends[i].alarm) &&
		    (!fault_hits_a_worker(faults->ends[i].kind) || faults->ends[i].which == slot))
			note_pair(faults->ends[i].kind, slot);
}

void
jg_state_changes(const struct state_row *table, unsigned from, unsigned to)
{
	if (coverage.world == NULL)
		return;
	for (unsigned i = 0; i < coverage.table_count; i++) {
		if (coverage.tables[i].rows != table)
			continue;
		coverage.seen.followed[i][from] |= (uint16_t)(1u << to);
		if (i == coverage.tracker_table)
			tracker_changed(to);
		return;
	}
}

void
coverage_watch(struct world *world)
{
	coverage.world = world;
}

void
coverage_worker_begins(const struct gateway_worker *worker)
{
	coverage.tracker[worker->slot] = TRACKER_WAITING;
}

void
coverage_fault_begins(enum fault_kind kind, unsigned which)
{
	const struct gateway *gateway = &coverage.world->gateway;

	for (unsigned slot = 0; slot < gateway->slots; slot++)
		if (gateway->workers[slot].node.alive &&
		    (!fault_hits_a_worker(kind) || which == slot))
			note_pair(kind, slot);
}

const struct coverage *
coverage_seen(void)
{
	return &coverage.seen;
}

void
coverage_add(struct coverage *sum, const struct coverage *more)
{
	for (size_t i = 0; i < COVERAGE_TABLES_MAX; i++)
		for (size_t k = 0; k < COVERAGE_STATES_MAX; k++)
			sum->followed[i][k] |= more->followed[i][k];
	for (size_t i = 0; i < FAULT_KINDS; i++)
		sum->tracker[i] |= more->tracker[i];
}

/* ---- the report ---- */

/* Print one item of a list, or count it. */
struct tally {
	unsigned seen, all;
	bool full;
};

static void
tally_transitions(const struct coverage *seen, const struct table *table, struct tally *tally)
{
	const uint16_t *followed = seen->followed[table - coverage.tables];
	bool named = false;

	for (unsigned from = 0; from < table->count; from++)
		for (unsigned to = 0; to < table->count; to++) {
			bool was = (followed[from] >> to & 1) != 0;

			if (!state_allows(table->rows, from, to))
				continue;
			tally->all++;
			tally->seen += was;
			if (was && !tally->full)
				continue;
			if (!named)
				printf("\n  %s:", table->name);
			named = true;
			printf(" %s%s>%s",
			    was		  ? ""
			    : tally->full ? "NOT:"
					  : "",
			    table->rows[from].name, table->rows[to].name);
		}
}

static void
tally_pairs(const struct coverage *seen, enum fault_kind kind, struct tally *tally)
{
	const struct table *table = &coverage.tables[coverage.tracker_table];
	bool named = false;

	for (unsigned state = 0; state < table->count; state++) {
		bool was = (seen->tracker[kind] >> state & 1) != 0;

		tally->all++;
		tally->seen += was;
		if (was && !tally->full)
			continue;
		if (!named)
			printf("\n  %s:", fault_name(kind));
		named = true;
		printf(" %s%s", was ? "" : tally->full ? "NOT:" : "", table->rows[state].name);
	}
}

void
coverage_report(const struct coverage *seen, bool full)
{
	struct tally transitions = {.full = full}, pairs = {.full = full};

	printf("transitions %s:", full ? "of states" : "not seen");
	for (unsigned i = 0; i < coverage.table_count; i++)
		tally_transitions(seen, &coverage.tables[i], &transitions);
	printf("\nfaults %s:",
	    full ? "in each state of the tracker" : "not seen in a state of the tracker");
	for (unsigned kind = 0; kind < FAULT_KINDS; kind++)
		tally_pairs(seen, (enum fault_kind)kind, &pairs);
	printf("\nseen: %u of %u transitions, %u of %u pairs of a fault and a tracker's state\n",
	    transitions.seen, transitions.all, pairs.seen, pairs.all);
}
