/* compare.c - keys by their names, and their values in two configurations. */
#include <string.h>

#include "config/keys.h"

size_t
config_key_find(const char *name)
{
	size_t i = 0;

	while (i < config_key_count &&
	       (config_keys[i].form == FORM_SECTION || strcmp(config_keys[i].name, name) != 0))
		i++;
	return i;
}

/* Lists that end with NULL. */
static bool
same_words(const char *const *a, const char *const *b)
{
	if (a == NULL || b == NULL)
		return a == b;
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
	for (size_t i = 0; i < a->listener_count; i++) {
		const struct listener_config *of_a = &a->listeners[i], *of_b = &b->listeners[i];

		if (strcmp(of_a->address, of_b->address) != 0 || of_a->tls != of_b->tls ||
		    of_a->redirect != of_b->redirect || of_a->proxied != of_b->proxied ||
		    of_a->authorize != of_b->authorize || of_a->purpose != of_b->purpose)
			return false;
	}
	return true;
}

static bool
same_certificates(const struct config *a, const struct config *b)
{
	if (a->tls.certificate_count != b->tls.certificate_count)
		return false;
	for (size_t i = 0; i < a->tls.certificate_count; i++) {
		const struct certificate_config *of_a = &a->tls.certificates[i],
						*of_b = &b->tls.certificates[i];

		if (!text_equal(of_a->certificate, of_b->certificate) ||
		    !text_equal(of_a->key, of_b->key) || !text_equal(of_a->ocsp, of_b->ocsp))
			return false;
	}
	return true;
}

bool
config_key_equal(const struct config_key *key, const struct config *one, const struct config *other)
{
	const void *a = (const char *)one + key->offset;
	const void *b = (const char *)other + key->offset;

	switch (key->form) {
	case FORM_SECTION:
		return true;
	case FORM_BOOL:
	case FORM_HOST:
	case FORM_LOG:
	case FORM_TLS_VERSION:
	case FORM_CLIENTS:
		return *(const bool *)a == *(const bool *)b;
	case FORM_TIME:
	case FORM_SIZE64:
	case FORM_COUNT64:
		return *(const uint64_t *)a == *(const uint64_t *)b;
	case FORM_SIZE:
	case FORM_COUNT:
		return *(const size_t *)a == *(const size_t *)b;
	case FORM_WORKERS:
		return *(const unsigned *)a == *(const unsigned *)b;
	case FORM_LEVEL:
		return *(const enum log_level *)a == *(const enum log_level *)b;
	case FORM_LISTEN:
		return same_listeners(one, other);
	case FORM_CERTIFICATES:
		return same_certificates(one, other);
	case FORM_RANGES:
		return jg_ip_ranges_equal(a, b);
	case FORM_UPGRADES:
	case FORM_FIELDS:
	case FORM_ORIGINS:
		return same_words(*(const char *const *const *)a, *(const char *const *const *)b);
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
	case FORM_LABELS:
		return text_equal(*(const char *const *)a, *(const char *const *)b);
	}
	return false;
}

const char *
config_fixed_key(const struct config *old, const struct config *new)
{
	for (size_t i = 0; i < config_key_count; i++) {
		const struct config_key *key = &config_keys[i];
		bool fixed = key->reload == RELOAD_NEVER ||
			     (key->reload == RELOAD_EXTERNAL_ONLY && new->store.url == NULL);

		if (fixed && !config_key_equal(key, old, new))
			return key->name;
	}
	return NULL;
}
