/* Tests of setup.c: what makes two control processes different. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "auth/control/control.h"
#include "fake_resolver.h"

static char *
metrics(void *ctx)
{
	return ctx;
}

static const struct ip_range range = {.address.s6_addr = {10}, .prefix = 104};

/* Texts that are equal lie at addresses of their own. */
static struct control_setup
full(char texts[16][8])
{
	for (size_t i = 0; i < 16; i++)
		memcpy(texts[i], "textX", 6);
	return (struct control_setup){texts[0], texts[1], texts[2], texts[3], {1, 2, 0}, texts[4],
	    texts[5], texts[6], texts[7], texts[8], texts[9], texts[10], &range, 1, {{5, 6}}, 3, 4,
	    NULL, {2, LOG_LEVEL_INFO, "control", false}, NULL, NULL, metrics};
}

static void
test_equal(void **state)
{
	char texts[16][8], others[16][8];
	struct control_setup a = full(texts), b = full(others);
	struct ip_range same = range;

	(void)state;
	b.scoped_urls = &same;
	assert_true(control_setup_equal(&a, &b));
	a.ca_file = b.ca_file = NULL;
	assert_true(control_setup_equal(&a, &b));
}

static void
test_each_text_counts(void **state)
{
	char texts[16][8], others[16][8];

	(void)state;
	for (size_t i = 0; i < 11; i++) {
		struct control_setup a = full(texts), b = full(others);

		others[i][0] = 'x';
		assert_false(control_setup_equal(&a, &b));
	}
}

#define DIFFERS(change)                                                 \
	do {                                                            \
		struct control_setup a = full(texts), b = full(others); \
		b.change;                                               \
		assert_false(control_setup_equal(&a, &b));              \
		assert_false(control_setup_equal(&b, &a));              \
	} while (0)

static void
test_all_else_counts(void **state)
{
	char texts[16][8], others[16][8];
	struct ip_range wider = range, elsewhere = range;

	(void)state;
	wider.prefix = 96;
	elsewhere.address.s6_addr[0] = 11;
	DIFFERS(fixed_url = NULL);
	DIFFERS(wait.count = 9);
	DIFFERS(wait.timeout_ms = 9);
	DIFFERS(wait.required = 1);
	DIFFERS(scoped_url_count = 0);
	DIFFERS(scoped_urls = &wider);
	DIFFERS(scoped_urls = &elsewhere);
	DIFFERS(request_ms = 9);
	DIFFERS(idle_ms = 9);
	DIFFERS(tuning = &jg_tuning);
	DIFFERS(log.fd = 1);
	DIFFERS(log.level = LOG_LEVEL_DEBUG);
	DIFFERS(log.process = "another");
	DIFFERS(log.journal = true);
	DIFFERS(observe_ctx = &wider);
	DIFFERS(metrics = NULL);
	DIFFERS(resolver_open = fake_resolver_open);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_equal),
	    cmocka_unit_test(test_each_text_counts),
	    cmocka_unit_test(test_all_else_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
