/* table_test.c - the hash against OpenSSL's SipHash, and the table while it grows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "auth/table.h"

static const unsigned char key[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

/* SipHash-1-3 by OpenSSL, as the number its eight bytes spell. */
static uint64_t
siphash(const unsigned char *with, const unsigned char *text, size_t len)
{
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "SIPHASH", NULL);
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac);
	unsigned int size = 8, word_rounds = 1, end_rounds = 3;
	OSSL_PARAM params[] = {OSSL_PARAM_construct_uint(OSSL_MAC_PARAM_SIZE, &size),
	    OSSL_PARAM_construct_uint(OSSL_MAC_PARAM_C_ROUNDS, &word_rounds),
	    OSSL_PARAM_construct_uint(OSSL_MAC_PARAM_D_ROUNDS, &end_rounds),
	    OSSL_PARAM_construct_end()};
	unsigned char out[8];
	uint64_t number = 0;

	assert_int_equal(EVP_MAC_init(ctx, with, 16, params), 1);
	assert_int_equal(EVP_MAC_update(ctx, text, len), 1);
	assert_int_equal(EVP_MAC_final(ctx, out, NULL, sizeof(out)), 1);
	EVP_MAC_CTX_free(ctx);
	EVP_MAC_free(mac);
	for (int i = 7; i >= 0; i--)
		number = number << 8 | out[i];
	return number;
}

static void
the_hash_is_siphash(void **state)
{
	unsigned char text[256], other[16];
	struct table table;

	(void)state;
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (unsigned char)i;
	assert_true(table_init(&table, key));
	/* The paper's test vectors are of SipHash-2-4. This one is of SipHash-1-3, as others have
	 * it. */
	assert_true(table_hash(&table, 0, (struct slice){(char *)text, 0}) == 0xabac0158050fc4dc);
	for (size_t len = 0; len < sizeof(text); len++)
		assert_true(table_hash(&table, 0, (struct slice){(char *)text, len}) ==
			    siphash(key, text, len));
	table_free(&table);
	memset(other, 0xa5, sizeof(other));
	assert_true(table_init(&table, other));
	assert_true(
	    table_hash(&table, 0, (struct slice){(char *)text, 9}) == siphash(other, text, 9));
	table_free(&table);
}

static void
a_kind_has_hashes_of_its_own(void **state)
{
	struct table table;

	(void)state;
	assert_true(table_init(&table, key));
	assert_true(table_hash(&table, 0, SLICE("demo")) != table_hash(&table, 1, SLICE("demo")));
	assert_true(table_hash(&table, 1, SLICE("demo")) == table_hash(&table, 1, SLICE("demo")));
	table_free(&table);
}

#define NODES 5000

static bool
has(const struct table *table, const struct table_node *wanted)
{
	struct table_search search;
	const struct table_node *node = table_first(table, wanted->hash, &search);

	while (node != NULL && node != wanted) {
		assert_true(node->hash >> 48 == wanted->hash >> 48);
		node = table_next(&search);
	}
	return node == wanted;
}

static struct table_node *
make_nodes(const struct table *table)
{
	struct table_node *nodes = calloc(NODES, sizeof(*nodes));

	for (size_t i = 0; i < NODES; i++)
		nodes[i].hash = table_hash(table, 0, (struct slice){(char *)&i, sizeof(i)});
	return nodes;
}

/* At each step all that was put in is found and nothing else is, also half-way through a doubling.
 */
static void
all_are_found_while_it_grows(void **state)
{
	struct table table;
	struct table_node *nodes;
	size_t moving = 0;

	(void)state;
	assert_true(table_init(&table, key));
	nodes = make_nodes(&table);
	for (size_t i = 0; i < NODES; i++) {
		assert_false(has(&table, &nodes[i]));
		assert_true(table_insert(&table, &nodes[i]));
		moving += table.old.at != NULL;
		assert_int_equal(table.count, i + 1);
		assert_true(has(&table, &nodes[i]));
		assert_true(has(&table, &nodes[0]));
		assert_true(has(&table, &nodes[i / 2]));
		if (i % 61 == 0)
			for (size_t j = 0; j < NODES; j++)
				assert_int_equal(has(&table, &nodes[j]), j <= i);
	}
	/* It was caught in the middle often enough for this to mean something. */
	assert_true(moving > 150);
	assert_true((table.lines.mask + 1) * 5 >= NODES);
	table_free(&table);
	free(nodes);
}

static void
removing_leaves_the_others(void **state)
{
	struct table table;
	struct table_node *nodes;
	struct table_search search;
	size_t count = 0;

	(void)state;
	assert_true(table_init(&table, key));
	nodes = make_nodes(&table);
	/* Stop in the middle of a doubling. */
	while (count < 2000 || table.old.at == NULL)
		assert_true(table_insert(&table, &nodes[count++]));
	for (size_t i = 0; i < 10; i++)
		assert_true(table_insert(&table, &nodes[count++]));
	assert_non_null(table.old.at);
	for (size_t i = 0; i < count; i += 2)
		table_remove(&table, &nodes[i]);
	assert_int_equal(table.count, count / 2);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(has(&table, &nodes[i]), i % 2 == 1);
	for (size_t i = 1; i < count; i += 2)
		table_remove(&table, &nodes[i]);
	assert_int_equal(table.count, 0);
	for (size_t i = 0; i < count; i++)
		assert_null(table_first(&table, nodes[i].hash, &search));
	table_free(&table);
	free(nodes);
}

static void
equal_hashes_live_side_by_side(void **state)
{
	struct table_node same[3] = {{.hash = 77}, {.hash = 77}, {.hash = 77}};
	struct table_node neighbour = {.hash = 77 | 1ull << 48}; /* the same line, another hash */
	struct table table;
	struct table_search search;

	(void)state;
	assert_true(table_init(&table, key));
	assert_true(table_insert(&table, &same[0]) && table_insert(&table, &neighbour) &&
		    table_insert(&table, &same[1]) && table_insert(&table, &same[2]));
	for (size_t i = 0; i < 3; i++)
		assert_true(has(&table, &same[i]));
	table_remove(&table, &same[1]);
	assert_false(has(&table, &same[1]));
	assert_true(has(&table, &same[0]) && has(&table, &same[2]) && has(&table, &neighbour));
	table_remove(&table, &same[0]);
	table_remove(&table, &same[2]);
	assert_null(table_first(&table, 77, &search));
	assert_ptr_equal(table_first(&table, neighbour.hash, &search), &neighbour);
	assert_null(table_next(&search));
	table_free(&table);
}

/* Nodes for which their line has no room lie behind it, and from the last line in the first ones.
 */
static void
a_full_line_passes_nodes_on(void **state)
{
	struct table_node nodes[40];
	struct table table;

	(void)state;
	assert_true(table_init(&table, key));
	for (uint64_t i = 0; i < 40; i++) {
		nodes[i].hash = table.lines.mask | i << 48;
		assert_true(table_insert(&table, &nodes[i]));
	}
	assert_null(table.old.at);
	assert_int_equal(table.lines.at[table.lines.mask].passed, 33);
	for (size_t i = 0; i < 40; i++)
		assert_true(has(&table, &nodes[i]));
	/* Those that stay are found where they lie, though there is room before them now. */
	for (size_t i = 0; i < 40; i += 3)
		table_remove(&table, &nodes[i]);
	for (size_t i = 0; i < 40; i++)
		assert_int_equal(has(&table, &nodes[i]), i % 3 != 0);
	for (size_t i = 0; i < 40; i++)
		if (i % 3 != 0)
			table_remove(&table, &nodes[i]);
	for (size_t i = 0; i <= table.lines.mask; i++)
		assert_int_equal(table.lines.at[i].passed, 0);
	table_free(&table);
}

/* A search ends also if nodes have passed each line. */
static void
a_search_goes_round_once(void **state)
{
	struct table table;
	struct table_search search;

	(void)state;
	assert_true(table_init(&table, key));
	for (size_t i = 0; i <= table.lines.mask; i++)
		table.lines.at[i].passed = 1;
	assert_null(table_first(&table, 5, &search));
	table_free(&table);
}

/* Nodes come and go at random, with few different lines, so that these overflow. */
static void
it_has_what_a_plain_set_has(void **state)
{
	struct table table;
	struct table_node *nodes;
	bool in[NODES] = {false};
	uint64_t random = 1;

	(void)state;
	assert_true(table_init(&table, key));
	nodes = make_nodes(&table);
	for (size_t i = 0; i < NODES; i++)
		nodes[i].hash &= ~0x4dull; /* some lines are never the first */
	for (unsigned step = 0; step < 60000; step++) {
		size_t i;

		random = random * 6364136223846793005 + 1442695040888963407;
		i = (random >> 33) % (step < 30000 ? 400 : NODES);
		assert_int_equal(has(&table, &nodes[i]), in[i]);
		if (in[i])
			table_remove(&table, &nodes[i]);
		else
			assert_true(table_insert(&table, &nodes[i]));
		in[i] = !in[i];
	}
	for (size_t i = 0; i < NODES; i++)
		assert_int_equal(has(&table, &nodes[i]), in[i]);
	table_free(&table);
	free(nodes);
}

/* What was inserted during a doubling went to the new lines and stays findable after it. */
static void
a_doubling_ends(void **state)
{
	struct table table;
	struct table_node *nodes;
	size_t i = 0, lines;

	(void)state;
	assert_true(table_init(&table, key));
	nodes = make_nodes(&table);
	lines = table.lines.mask + 1;
	while (table.lines.mask + 1 == lines)
		assert_true(table_insert(&table, &nodes[i++]));
	assert_int_equal(i, 5 * lines + 1);
	assert_non_null(table.old.at);
	while (table.old.at != NULL)
		assert_true(table_insert(&table, &nodes[i++]));
	/* Four old lines at a time, beginning with the insertion that doubled. */
	assert_int_equal(i, 5 * lines + lines / 4);
	for (size_t j = 0; j < NODES; j++)
		assert_int_equal(has(&table, &nodes[j]), j < i);
	table_free(&table);
	free(nodes);
}

/* A walk by lines comes to each node once, also in the middle of a doubling. */
static void
a_walk_comes_to_each(void **state)
{
	struct table table;
	struct table_node *nodes, *found[TABLE_LINE_SLOTS];
	size_t count = 0, seen = 0;

	(void)state;
	assert_true(table_init(&table, key));
	nodes = make_nodes(&table);
	while (count < 500 || table.old.at == NULL)
		assert_true(table_insert(&table, &nodes[count++]));
	for (size_t i = 0; i < table_line_count(&table); i++)
		for (size_t n = table_line_nodes(&table, i, found); n > 0; n--, seen++) {
			assert_true(found[n - 1]->hash != 0);
			found[n - 1]->hash = 0;
		}
	assert_int_equal(seen, count);
	table_free(&table);
	free(nodes);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_hash_is_siphash),
	    cmocka_unit_test(a_kind_has_hashes_of_its_own),
	    cmocka_unit_test(all_are_found_while_it_grows),
	    cmocka_unit_test(removing_leaves_the_others),
	    cmocka_unit_test(equal_hashes_live_side_by_side),
	    cmocka_unit_test(a_full_line_passes_nodes_on),
	    cmocka_unit_test(a_search_goes_round_once),
	    cmocka_unit_test(it_has_what_a_plain_set_has),
	    cmocka_unit_test(a_doubling_ends),
	    cmocka_unit_test(a_walk_comes_to_each),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
