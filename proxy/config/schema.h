/* schema.h - every key of a configuration: its form, its bounds, its place in struct config. */
#ifndef JOBGATE_CONFIG_SCHEMA_H
#define JOBGATE_CONFIG_SCHEMA_H

#include "config/config.h"

enum setting_form {
	FORM_TEXT,
	FORM_BOOL,
	FORM_TIME,   /* uint64_t, milliseconds */
	FORM_SIZE,   /* size_t, bytes */
	FORM_SIZE64, /* uint64_t, bytes */
	FORM_COUNT,  /* size_t */
	FORM_WORKERS,
	FORM_HOST, /* preserve or backend */
	FORM_LEVEL,
	FORM_JOB_ID,
	FORM_JOB_URL,
	FORM_PUBLIC_URL,
	FORM_STORE_URL,
	FORM_DOMAIN,
	FORM_PREFIX,
	FORM_ADDRESS,	    /* text, checked to be host:port */
	FORM_OPTIONAL_PATH, /* text: where the access log goes */
	FORM_TLS_VERSION,   /* 1.2 or 1.3 */
	FORM_CLIENTS,	    /* required or optional */
	FORM_HSTS,	    /* text that begins with max-age= */
	FORM_LISTEN,	    /* list of addresses */
	FORM_CERTIFICATES,  /* list of mappings */
	FORM_RANGES,	    /* list of ranges of addresses */
	FORM_UPGRADES,	    /* list of words */
	FORM_FIELDS,	    /* list of names of fields */
};

/* One key, such as "store.url". min and max bound numbers; both 0: any. */
struct setting {
	const char *key;
	enum setting_form form;
	size_t offset; /* in struct config */
	uint64_t min, max;
};

#define SETTINGS_MAX 128

extern const struct setting config_settings[];
extern const size_t config_setting_count;

/* The index of a key; config_setting_count when there is none. */
size_t config_setting_find(const char *key);

#endif
