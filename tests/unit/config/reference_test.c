/* reference_test.c - deploy/jobgate.yaml says of each key what holds without it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "config/config.h"
#include "config/schema.h"

static bool
same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool
same_words(const char *const *a, const char *const *b)
{
	static const char *const none[] = {NULL};

	a = a != NULL ? a : none;
	b = b != NULL ? b : none;
	for (; *a != NULL && *b != NULL; a++, b++)
		if (strcmp(*a, *b) != 0)
			return false;
	return *a == *b;
}

static bool
same_listeners(const struct config *a, const struct config *b)
{
	if (a->listener_count != b->listener_count)
		return false;
	for (size_t i = 0; i < a->listener_count; i++)
		if (strcmp(a->listeners[i].address, b->listeners[i].address) != 0 ||
		    a->listeners[i].tls != b->listeners[i].tls)
			return false;
	return true;
}

static bool
same_ranges(const struct cidr_list *a, const struct cidr_list *b)
{
	return a->count == b->count &&
	       (a->count == 0 || memcmp(a->items, b->items, a->count * sizeof(*a->items)) == 0);
}

static bool
same(const struct setting *setting, const struct config *one, const struct config *other)
{
	const void *a = (const char *)one + setting->offset;
	const void *b = (const char *)other + setting->offset;

	switch (setting->form) {
	case FORM_BOOL:
	case FORM_HOST:
	case FORM_TLS_VERSION:
	case FORM_CLIENTS:
		return memcmp(a, b, sizeof(bool)) == 0;
	case FORM_TIME:
	case FORM_SIZE64:
		return memcmp(a, b, sizeof(uint64_t)) == 0;
	case FORM_SIZE:
	case FORM_COUNT:
		return memcmp(a, b, sizeof(size_t)) == 0;
	case FORM_WORKERS:
		return memcmp(a, b, sizeof(unsigned)) == 0;
	case FORM_LEVEL:
		return memcmp(a, b, sizeof(enum log_level)) == 0;
	case FORM_LISTEN:
		return same_listeners(one, other);
	case FORM_CERTIFICATES:
		return one->tls.certificate_count == other->tls.certificate_count;
	case FORM_RANGES:
		return same_ranges(a, b);
	case FORM_UPGRADES:
	case FORM_FIELDS:
		return same_words(*(const char **const *)a, *(const char **const *)b);
	case FORM_TEXT:
	case FORM_JOB_ID:
	case FORM_JOB_URL:
	case FORM_PUBLIC_URL:
	case FORM_STORE_URL:
	case FORM_DOMAIN:
	case FORM_PREFIX:
	case FORM_ADDRESS:
	case FORM_OPTIONAL_PATH:
	case FORM_HSTS:
		return same_text(*(const char *const *)a, *(const char *const *)b);
	}
	return false;
}

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
the_reference_has_the_defaults(void **state)
{
	struct config *reference = load(SOURCE_DIR "/deploy/jobgate.yaml");
	struct config *defaults = load("/dev/null");

	(void)state;
	for (size_t i = 0; i < config_setting_count; i++)
		if (!same(&config_settings[i], reference, defaults))
			fail_msg("%s: another default than the code's", config_settings[i].key);
	config_free(reference);
	config_free(defaults);
}

/* Were all settings the same to it, the test above would say nothing. */
static void
a_difference_is_seen(void **state)
{
	struct config *one = load("/dev/null"), *other = load("/dev/null");
	const struct setting *setting = &config_settings[config_setting_find("timeouts.linger")];

	(void)state;
	assert_true(same(setting, one, other));
	other->timeouts.linger++;
	assert_false(same(setting, one, other));
	config_free(one);
	config_free(other);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_reference_has_the_defaults),
	    cmocka_unit_test(a_difference_is_seen),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
