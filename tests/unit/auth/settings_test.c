/* settings_test.c - which settings of the control process count as changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "jobgate/settings.h"

#define TEXTS 15

struct sample {
	struct control_settings settings;
	char texts[TEXTS][8];
	struct ip_range range;
};

/* Texts and ranges that are equal lie at addresses of their own. */
static struct control_settings *
fill(struct sample *sample)
{
	struct control_settings *settings = &sample->settings;

	memset(sample, 0, sizeof(*sample));
	for (size_t i = 0; i < TEXTS; i++)
		memcpy(sample->texts[i], "textX", 6);
	settings->socket = sample->texts[0];
	settings->gateway_socket = sample->texts[1];
	settings->store_url = sample->texts[2];
	settings->key_prefix = sample->texts[3];
	settings->ca_file = sample->texts[4];
	settings->public_url = sample->texts[5];
	settings->realm = sample->texts[6];
	settings->fixed_job = sample->texts[7];
	settings->fixed_url = sample->texts[8];
	settings->fixed_labels = sample->texts[9];
	settings->taken_job = sample->texts[10];
	settings->workers_socket = sample->texts[11];
	settings->register_url = sample->texts[12];
	settings->taken_too = sample->texts[13];
	settings->password_file = sample->texts[14];
	sample->range = (struct ip_range){.address.s6_addr = {10}, .prefix = 104};
	settings->scoped_urls = (struct ip_ranges){1, &sample->range};
	settings->reach_allow = settings->reach_deny = settings->scoped_urls;
	settings->wait = (struct replica_wait){1, 2, 0};
	settings->scope = (struct scope_quota){{5, 6}};
	settings->register_ms = 7;
	settings->request_ms = 3;
	settings->idle_ms = 4;
	settings->log_level = LOG_LEVEL_INFO;
	return settings;
}

static void
equal_contents_are_equal(void **state)
{
	struct sample one, other;
	struct control_settings *a = fill(&one), *b = fill(&other);

	(void)state;
	assert_true(control_settings_equal(a, b));
	a->ca_file = b->ca_file = NULL;
	assert_true(control_settings_equal(a, b));
}

static void
each_text_counts(void **state)
{
	struct sample one, other;

	(void)state;
	for (size_t i = 0; i < TEXTS; i++) {
		fill(&one);
		fill(&other);
		other.texts[i][0] = 'x';
		if (control_settings_equal(&one.settings, &other.settings))
			fail_msg("text %zu does not count", i);
	}
}

#define DIFFERS(change)                                                               \
	do {                                                                          \
		fill(&one);                                                           \
		fill(&other)->change;                                                 \
		assert_false(control_settings_equal(&one.settings, &other.settings)); \
		assert_false(control_settings_equal(&other.settings, &one.settings)); \
	} while (0)

static void
all_else_counts(void **state)
{
	struct ip_range wider = {.address.s6_addr = {10}, .prefix = 96},
			elsewhere = {.address.s6_addr = {11}, .prefix = 104};
	struct sample one, other;

	(void)state;
	DIFFERS(fixed_url = NULL);
	DIFFERS(scoped_urls.count = 0);
	DIFFERS(scoped_urls.items = &wider);
	DIFFERS(scoped_urls.items = &elsewhere);
	DIFFERS(wait.count = 9);
	DIFFERS(wait.timeout_ms = 9);
	DIFFERS(wait.required = 1);
	DIFFERS(scope.most[RECORD_TOKEN] = 9);
	DIFFERS(scope.most[RECORD_JOB] = 9);
	DIFFERS(request_ms = 9);
	DIFFERS(idle_ms = 9);
	DIFFERS(log_level = LOG_LEVEL_DEBUG);
}

static void
expect_difference(const struct control_settings *a, const char *name)
{
	struct sample sample;
	const struct control_settings *b = fill(&sample);

	if (control_settings_equal(a, b) || control_settings_equal(b, a))
		fail_msg("%s does not count", name);
}

#define NO_TEXT(name)               \
	fill(&sample)->name = NULL; \
	expect_difference(settings, #name);
#define NO_RANGES(name)                \
	fill(&sample)->name.count = 0; \
	expect_difference(settings, #name);
#define OTHER_BYTE(type, name)                       \
	*(unsigned char *)&fill(&sample)->name ^= 1; \
	expect_difference(settings, #name);

/* Members that are added later are tested, too: this goes through the table. */
static void
each_member_of_the_table_counts(void **state)
{
	struct sample sample;
	const struct control_settings *settings = &sample.settings;

	(void)state;
	CONTROL_SETTINGS(NO_TEXT, NO_RANGES, OTHER_BYTE)
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(equal_contents_are_equal),
	    cmocka_unit_test(each_text_counts),
	    cmocka_unit_test(all_else_counts),
	    cmocka_unit_test(each_member_of_the_table_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
