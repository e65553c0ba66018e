/* keys_test.c - each row of the table of keys: its place, its bounds, its texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/builder.h"

/* A configuration of defaults and this text, as it is before its keys are checked together. */
static struct builder *
built(const char *text, struct config_error *error)
{
	struct builder *builder = calloc(1, sizeof(*builder));

	assert_non_null(builder);
	*error = (struct config_error){0};
	builder->error = error;
	if (!defaults_load(builder))
		fail_msg("defaults: line %zu: %s", error->line, error->message);
	if (document_load_text(builder, text, strlen(text)))
		return builder;
	config_free(&builder->config);
	return NULL;
}

/* The text of a file that gives one key this value. */
static void
write_file(const struct config_key *key, const char *value, char out[256])
{
	const char *dot = strchr(key->name, '.');

	if (dot == NULL)
		snprintf(out, 256, "%s: %s\n", key->name, value);
	else
		snprintf(out, 256, "%.*s:\n  %s: %s\n", (int)(dot - key->name), key->name, dot + 1,
		    value);
}

/* A number as files have it. */
static const char *
number(const struct config_key *key, uint64_t value, char out[32])
{
	snprintf(out, 32, "%llu%s", (unsigned long long)value, key->form == FORM_TIME ? "ms" : "");
	return out;
}

/* A good value that is not the default. */
static const char *
other_value(const struct config_key *key, char out[32])
{
	switch (key->form) {
	case FORM_TIME:
	case FORM_SIZE:
	case FORM_SIZE64:
	case FORM_COUNT:
	case FORM_COUNT64:
	case FORM_WORKERS:
		return number(key, key->min + 3, out);
	case FORM_BOOL:
		return strcmp(key->default_value, "true") == 0 ? "false" : "true";
	case FORM_HOST:
		return "backend";
	case FORM_LEVEL:
		return "debug";
	case FORM_LOG:
		return "json";
	case FORM_TLS_VERSION:
		return "\"1.3\"";
	case FORM_CLIENTS:
		return "optional";
	case FORM_LISTEN:
		return "[\"127.0.0.1:8081 tls\"]";
	case FORM_CERTIFICATES:
		return "[{certificate: a, key: b}]";
	case FORM_RANGES:
		return "[10.0.0.0/8]";
	case FORM_UPGRADES:
		return "[other]";
	case FORM_ORIGINS:
		return "[\"*\"]";
	case FORM_FIELDS:
		return "[X-Other]";
	case FORM_PREFIX:
	case FORM_OPTIONAL_PATH:
		return "/other";
	case FORM_DOMAIN:
		return "other.test";
	case FORM_PUBLIC_URL:
		return "https://other.test/{job}/";
	case FORM_SECTION:
	case FORM_TEXT:
	case FORM_JOB_ID:
	case FORM_JOB_URL:
	case FORM_STORE_URL:
	case FORM_ADDRESS:
	case FORM_HSTS:
	case FORM_LABELS:
		return key->example != NULL ? key->example : "other";
	}
	return NULL;
}

/* A section of jobs takes away the default forms of job URLs. */
static bool
is_changed_with(const struct config_key *key, const struct config_key *given)
{
	return key == given || (strncmp(given->name, "jobs.", 5) == 0 &&
				   (strcmp(key->name, "jobs.domain") == 0 ||
				       strcmp(key->name, "jobs.prefix") == 0));
}

/* Two rows with the same place, or a place that is another row's, would show here. */
static void
each_key_has_a_place_of_its_own(void **state)
{
	struct config_error error;
	struct builder *defaults = built("", &error);

	(void)state;
	for (size_t i = 0; i < config_key_count; i++) {
		const struct config_key *key = &config_keys[i];
		struct builder *builder;
		char text[256], value[32];

		if (key->form == FORM_SECTION)
			continue;
		write_file(key, other_value(key, value), text);
		builder = built(text, &error);
		if (builder == NULL)
			fail_msg("%s", error.message);
		for (size_t j = 0; j < config_key_count; j++) {
			bool same =
			    config_key_equal(&config_keys[j], &builder->config, &defaults->config);

			if (same && i == j)
				fail_msg("%s: no value arrives", key->name);
			if (!same && !is_changed_with(&config_keys[j], key))
				fail_msg("%s: %s changes with it", key->name, config_keys[j].name);
		}
		config_free(&builder->config);
	}
	config_free(&defaults->config);
}

static void
expect(const struct config_key *key, uint64_t value, bool good)
{
	struct config_error error;
	struct builder *builder;
	char text[256], digits[32];

	write_file(key, number(key, value, digits), text);
	builder = built(text, &error);
	if ((builder != NULL) != good)
		fail_msg(
		    "%s: %s: %s", key->name, digits, builder != NULL ? "passes" : error.message);
	if (builder != NULL)
		config_free(&builder->config);
	else
		assert_non_null(strstr(error.message, "out of range"));
}

static void
bounds_hold(void **state)
{
	size_t bounded = 0;

	(void)state;
	for (size_t i = 0; i < config_key_count; i++) {
		const struct config_key *key = &config_keys[i];

		if (key->max == 0)
			continue;
		bounded++;
		assert_true(key->min < key->max);
		expect(key, key->min, true);
		expect(key, key->max, true);
		if (key->min > 0)
			expect(key, key->min - 1, false);
		if (key->max < INT64_MAX)
			expect(key, key->max + 1, false);
	}
	assert_true(bounded > 30);
}

static void
each_row_is_whole(void **state)
{
	(void)state;
	for (size_t i = 0; i < config_key_count; i++) {
		const struct config_key *key = &config_keys[i];
		size_t length = strlen(key->name);

		if (key->form == FORM_SECTION) {
			/* Its keys follow. */
			assert_true(i + 1 < config_key_count);
			assert_int_equal(strncmp(config_keys[i + 1].name, key->name, length), 0);
			continue;
		}
		if (key->help == NULL || key->help[0] == '\0')
			fail_msg("%s: no help", key->name);
		if ((key->default_value == NULL) == (key->example == NULL))
			fail_msg("%s: a default or else an example", key->name);
		assert_int_equal(config_key_find(key->name), i);
	}
}

static const char *
fixed(const char *old_text, const char *new_text)
{
	struct config_error error;
	struct builder *old = built(old_text, &error), *new = built(new_text, &error);
	const char *name;

	assert_non_null(old);
	assert_non_null(new);
	name = config_fixed_key(&old->config, &new->config);
	config_free(&old->config);
	config_free(&new->config);
	return name;
}

static void
some_keys_take_a_restart(void **state)
{
	static const char elsewhere[] = "store:\n  url: redis://127.0.0.1\n  state_dir: /a\n";

	(void)state;
	assert_null(fixed("", ""));
	assert_null(fixed("workers: 1\n", "workers: 2\nlog:\n  level: debug\n"));
	assert_string_equal(fixed("", "user: other\n"), "user");
	assert_string_equal(fixed("user: one\n", "user: other\n"), "user");
	assert_string_equal(fixed("", "store:\n  state_dir: /a\n"), "store.state_dir");
	assert_string_equal(fixed("", "control:\n  socket: /a\n"), "control.socket");
	assert_null(fixed("store:\n  url: redis://127.0.0.1\n", elsewhere));
}

/* With what follows from the values. */
static struct builder *
derived(const char *text)
{
	struct config_error error;
	struct builder *builder = built(text, &error);

	if (builder == NULL)
		fail_msg("%s", error.message);
	builder->error = &error;
	defaults_derive_store(builder);
	if (!defaults_derive(builder))
		fail_msg("%s", error.message);
	return builder;
}

/* Keys that others share: a change of them changes the control process, too. All keys of struct
 * control_settings do so by themselves. */
static const char *const of_the_control_process[] = {"listen", "jobs.domain", "jobs.prefix",
    "jobs.fixed", "jobs.fixed_url", "jobs.labels", "jobs.labels_file", "store.url",
    "store.write_url", "store.prefix", "store.ca_file", "store.password_file", "backends.realm",
    "timeouts.head", "timeouts.keep_alive", "browser.sign_in", "browser.host", "browser.same_host",
    "log.level", "log.format"};

static bool
changes_control_process(const struct config_key *key)
{
	const size_t at = offsetof(struct config, control.process);

	for (size_t i = 0; i < sizeof(of_the_control_process) / sizeof(char *); i++)
		if (strcmp(key->name, of_the_control_process[i]) == 0)
			return true;
	return key->offset >= at && key->offset < at + sizeof(struct control_settings);
}

static void
the_control_process_gets_its_keys(void **state)
{
	struct builder *defaults = derived("");

	(void)state;
	for (size_t i = 0; i < config_key_count; i++) {
		const struct config_key *key = &config_keys[i];
		struct builder *builder;
		char text[256], value[32];
		bool same;

		if (key->form == FORM_SECTION)
			continue;
		write_file(key, other_value(key, value), text);
		/* Its example is the default of root. */
		if (strcmp(key->name, "control.socket") == 0)
			write_file(key, "/other", text);
		builder = derived(text);
		same = control_settings_equal(
		    &defaults->config.control.process, &builder->config.control.process);
		if (same == changes_control_process(key))
			fail_msg("%s: %s", key->name, same ? "does not reach it" : "restarts it");
		config_free(&builder->config);
	}
	config_free(&defaults->config);
}

static void
a_revocation_waits_for_all_replicas_or_none(void **state)
{
	struct builder *some = derived("store:\n  wait_replicas: 2\n");
	struct builder *all = derived("store:\n  wait_replicas: 2\n  wait_required: true\n");

	(void)state;
	assert_int_equal(some->config.control.process.wait.required, 0);
	assert_int_equal(all->config.control.process.wait.required, 2);
	config_free(&some->config);
	config_free(&all->config);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_key_has_a_place_of_its_own),
	    cmocka_unit_test(bounds_hold),
	    cmocka_unit_test(each_row_is_whole),
	    cmocka_unit_test(some_keys_take_a_restart),
	    cmocka_unit_test(the_control_process_gets_its_keys),
	    cmocka_unit_test(a_revocation_waits_for_all_replicas_or_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
