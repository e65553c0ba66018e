/*
 * reference_test.c - deploy/jobgate.yaml is what the table of keys says, and what it says is true.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/config.h"
#include "config/keys.h"
#include "config/reference.h"

#define REFERENCE SOURCE_DIR "/deploy/jobgate.yaml"

static struct config *
load(const char *path)
{
	struct config_error error;
	struct config *config = config_load(path, &error);

	if (config == NULL)
		fail_msg("%s:%zu: %s", path, error.line, error.message);
	return config;
}

static void
the_reference_is_what_the_table_says(void **state)
{
	char *wanted = NULL, *is = NULL;
	size_t wanted_len = 0, is_room = 0;
	FILE *out = open_memstream(&wanted, &wanted_len), *file = fopen(REFERENCE, "re");
	bool same;

	(void)state;
	assert_non_null(out);
	assert_non_null(file);
	reference_write(out);
	assert_int_equal(fclose(out), 0);
	assert_true(getdelim(&is, &is_room, '\0', file) > 0);
	fclose(file);
	same = strcmp(is, wanted) == 0;
	free(wanted);
	free(is);
	if (!same)
		fail_msg("deploy/jobgate.yaml is not what proxy/config/keys.c says: "
			 "run cmake --build --preset dev --target reference");
}

static void
the_reference_has_the_defaults(void **state)
{
	struct config *reference = load(REFERENCE);
	struct config *defaults = load("/dev/null");

	(void)state;
	for (size_t i = 0; i < config_key_count; i++)
		if (!config_key_equal(&config_keys[i], reference, defaults))
			fail_msg("%s: another default than the code's", config_keys[i].name);
	config_free(reference);
	config_free(defaults);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_reference_is_what_the_table_says),
	    cmocka_unit_test(the_reference_has_the_defaults),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
