/* accept_test.c - who gets OpenMetrics. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "jobgate/accept.h"

static bool
takes(const char *first, const char *second)
{
	struct accepted accepted = {0};

	jg_accepted_add(&accepted, slice_of(first));
	jg_accepted_add(&accepted, slice_of(second));
	return jg_accepted_openmetrics(&accepted);
}

static void
scrapers(void **state)
{
	(void)state;
	/* Prometheus 2.42, and 3. */
	assert_true(takes("application/openmetrics-text;version=1.0.0,application/"
			  "openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/"
			  "*;q=0.1",
	    ""));
	assert_true(takes("application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
			  "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0."
			  "0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
	    ""));
	assert_true(takes("Application/OpenMetrics-Text ; Version=1.0.0 ; Q=1", ""));
	assert_true(takes("application/openmetrics-text", ""));
	assert_true(takes("text/html", "application/openmetrics-text"));
	assert_true(takes("application/openmetrics-text,*/*", ""));
	/* Browsers, curl, and older scrapers. */
	assert_false(takes("", ""));
	assert_false(takes("*/*", ""));
	assert_false(takes("text/html,application/xhtml+xml,*/*;q=0.8", ""));
	assert_false(takes("application/openmetrics-text;version=0.0.1,text/plain;q=0.5", ""));
	assert_false(takes("application/openmetrics-text;q=0.4,text/plain;q=0.5", ""));
	assert_false(takes("application/openmetrics-text;q=0.4", "text/*;q=0.5"));
	assert_false(takes("application/openmetrics-text;q=0", ""));
}

static void
what_is_not_well_formed(void **state)
{
	static const char *const wrong[] = {
	    "application/openmetrics-text;q=", "application/openmetrics-text;q=x",
	    "application/openmetrics-text;q=0.x", "application/openmetrics-text;q=1.001",
	    "application/openmetrics-text;q=2", "application/openmetrics-text;q=0.00001",
	    "application/openmetrics-text;q=1,5", "application/openmetrics-text;version",
	    ";;;,,,=", "application/openmetrics-textx", "openmetrics-text"};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		if (takes(wrong[i], "") && i != 6) /* its rest is another range */
			fail_msg("%s", wrong[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(scrapers),
	    cmocka_unit_test(what_is_not_well_formed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
