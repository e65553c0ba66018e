/* hpack_table_test.c - the dynamic table against a plain list of fields. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http/hpack_table.h"
#include "tests/plain_memory.h"

#define ADDED_MAX 20000

/* All fields that were added, the oldest first, and how many of them are left in the table. */
struct model {
	struct {
		unsigned char seed, name_len, static_name;
		uint16_t value_len;
	} added[ADDED_MAX];
	size_t count, left, size;
};

static char
byte_of(unsigned seed, size_t i)
{
	return (char)(seed + i * 7);
}

static size_t
size_of(const struct model *model, size_t i)
{
	return model->added[i].name_len + (size_t)model->added[i].value_len + 32;
}

static void
model_shrink(struct model *model, size_t size)
{
	while (model->size > size)
		model->size -= size_of(model, model->count - model->left--);
}

static void
add(struct hpack_table *table, struct model *model, unsigned name_len, unsigned value_len,
    unsigned static_name)
{
	char name[256], value[HPACK_TABLE_MAX];
	size_t i = model->count;

	model->added[i].seed = (unsigned char)(i * 31);
	model->added[i].static_name = (unsigned char)static_name;
	model->added[i].name_len =
	    (unsigned char)(static_name ? hpack_static[static_name].name.len : name_len);
	model->added[i].value_len = (uint16_t)value_len;
	for (size_t j = 0; j < name_len; j++)
		name[j] = byte_of(model->added[i].seed, j);
	for (size_t j = 0; j < value_len; j++)
		value[j] = byte_of(model->added[i].seed + 1u, j);
	assert_true(hpack_table_add(table,
	    (struct hpack_entry){.id = (unsigned char)(i % FIELD_COUNT),
		.static_name = static_name & 0x3f,
		.bad_name = i % 3 == 0,
		.bad_value = i % 5 == 0},
	    static_name ? hpack_static[static_name].name : (struct slice){name, name_len},
	    (struct slice){value, value_len}));
	if (size_of(model, i) > table->max) {
		model_shrink(model, 0);
		return;
	}
	model_shrink(model, table->max - size_of(model, i));
	model->size += size_of(model, i);
	model->count++;
	model->left++;
}

static void
expect_entry(const struct hpack_table *table, const struct model *model, size_t age)
{
	size_t i = model->count - 1 - age;
	const struct hpack_entry *entry =
	    hpack_table_get(table, HPACK_STATIC_COUNT + (unsigned)age);
	size_t name_len = model->added[i].static_name ? 0 : model->added[i].name_len;
	char stored[HPACK_TABLE_MAX];

	assert_non_null(entry);
	assert_int_equal(entry->name_len, model->added[i].name_len);
	assert_int_equal(entry->value_len, model->added[i].value_len);
	assert_int_equal(entry->id, i % FIELD_COUNT);
	assert_int_equal(entry->static_name, model->added[i].static_name);
	assert_int_equal(entry->bad_name, i % 3 == 0);
	assert_int_equal(entry->bad_value, i % 5 == 0);
	assert_int_equal(hpack_entry_stored(entry), name_len + entry->value_len);
	hpack_table_copy(table, entry, stored, hpack_entry_stored(entry));
	for (size_t j = 0; j < name_len; j++)
		assert_int_equal(stored[j], byte_of(model->added[i].seed, j));
	for (size_t j = 0; j < entry->value_len; j++)
		assert_int_equal(stored[name_len + j], byte_of(model->added[i].seed + 1u, j));
}

static void
expect_model(const struct hpack_table *table, const struct model *model)
{
	assert_int_equal(table->size, model->size);
	assert_int_equal(table->count, model->left);
	for (size_t age = 0; age < model->left; age++)
		expect_entry(table, model, age);
	assert_null(hpack_table_get(table, HPACK_STATIC_COUNT + (unsigned)model->left));
	assert_null(hpack_table_get(table, HPACK_STATIC_COUNT + 5000));
	assert_null(hpack_table_get(table, 0));
}

/* The rings wrap at every place, grow at every fill and lose entries by new ones and by new
 * maxima. */
static void
as_the_model(void **state)
{
	static const uint16_t lens[] = {0, 1, 5, 20, 60, 100, 300, 900, 2000, 4031, 4064};
	static struct model model;

	(void)state;
	for (unsigned most = 1; most <= sizeof(lens) / sizeof(lens[0]); most++) {
		struct hpack_table table = {.max = HPACK_TABLE_MAX, .memory = plain_memory(NULL)};

		model = (struct model){.count = 0};
		for (unsigned i = 0; i < 1500; i++) {
			unsigned pick = i * 2654435761u >> 8;

			add(&table, &model, pick % 40, lens[pick % most],
			    i % 3 == 0 ? 1 + pick % 61 : 0);
			if (i % 400 == 399) {
				hpack_table_resize(&table, pick % 4097);
				model_shrink(&model, table.max);
			}
			if (i % 10 == 0 || i < 40)
				expect_model(&table, &model);
		}
		hpack_table_free(&table);
	}
}

/* 128 fields without a byte fill the table. */
static void
empty_fields(void **state)
{
	static struct model model;
	struct hpack_table table = {.max = HPACK_TABLE_MAX, .memory = plain_memory(NULL)};

	(void)state;
	model = (struct model){.count = 0};
	for (unsigned i = 0; i < 300; i++)
		add(&table, &model, 0, 0, 0);
	assert_int_equal(table.count, 128);
	expect_model(&table, &model);
	hpack_table_free(&table);
}

/* What an idle connection keeps. */
static void
memory(void **state)
{
	static struct model model;
	struct hpack_table table = {.max = HPACK_TABLE_MAX, .memory = plain_memory(NULL)};

	(void)state;
	model = (struct model){.count = 0};
	assert_null(table.entries);
	for (unsigned i = 0; i < 8; i++)
		add(&table, &model, 0, 30, HPACK_AUTHORITY);
	assert_int_equal(table.capacity, 256);
	hpack_table_evict_all(&table);
	model_shrink(&model, 0);
	expect_model(&table, &model);
	for (unsigned i = 0; i < 1000; i++)
		add(&table, &model, 10, 10 + i, 0);
	assert_int_equal(table.capacity, 4096);
	hpack_table_free(&table);
	assert_int_equal(table.capacity, 0);
	assert_int_equal(table.max, HPACK_TABLE_MAX);
	hpack_table_free(&table);
	hpack_table_resize(&table, 10);
	assert_true(hpack_table_add(&table, (struct hpack_entry){.id = 0}, SLICE("a"), SLICE("b")));
	assert_null(table.entries); /* larger than the table */
}

/* How many bytes of the ring are not 0. */
static unsigned
bytes_left(const struct hpack_table *table)
{
	const char *ring = (const char *)(table->entries + table->capacity / 16);
	unsigned left = 0;

	for (unsigned i = 0; i < table->capacity; i++)
		left += ring[i] != '\0';
	return left;
}

/* Only the fields of the table are in its memory, wherever they lie in the ring. */
static void
evicted_fields_are_wiped(void **state)
{
	struct hpack_table table = {.max = HPACK_TABLE_MAX, .memory = plain_memory(NULL)};

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		assert_true(hpack_table_add(&table, (struct hpack_entry){.id = 0}, SLICE("name"),
		    SLICE("a secret of 24 letters..")));
		hpack_table_resize(&table, 60 + i); /* one or two fit */
		assert_int_equal(table.count, 1 + (i >= 60));
		assert_int_equal(bytes_left(&table), table.count * 28);
		hpack_table_resize(&table, HPACK_TABLE_MAX);
	}
	hpack_table_evict_all(&table);
	assert_int_equal(bytes_left(&table), 0);
	hpack_table_free(&table);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(as_the_model),
	    cmocka_unit_test(empty_fields),
	    cmocka_unit_test(memory),
	    cmocka_unit_test(evicted_fields_are_wiped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
