/* keys.h - the table of all configuration keys: one row holds everything that is known of a key. */
#ifndef JOBGATE_CONFIG_KEYS_H
#define JOBGATE_CONFIG_KEYS_H

#include "config/config.h"

enum key_form {
	FORM_SECTION, /* no key, but the section that the keys below it are in */
	FORM_TEXT,
	FORM_BOOL,
	FORM_TIME,    /* uint64_t, milliseconds */
	FORM_SIZE,    /* size_t, bytes */
	FORM_SIZE64,  /* uint64_t, bytes */
	FORM_COUNT,   /* size_t */
	FORM_COUNT64, /* uint64_t */
	FORM_WORKERS,
	FORM_HOST, /* preserve or backend */
	FORM_LEVEL,
	FORM_LOG, /* text or json */
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
	FORM_LABELS,	    /* mapping, kept as the text of a selector */
	FORM_RANGES,	    /* list of ranges of addresses */
	FORM_UPGRADES,	    /* list of words */
	FORM_FIELDS,	    /* list of names of fields */
	FORM_ORIGINS,	    /* list of origins */
};

/* What brings a changed value into force. */
enum key_reload {
	RELOAD_ALWAYS,	      /* a reload brings it into force */
	RELOAD_EXTERNAL_ONLY, /* a restart, if the store is a private one */
	RELOAD_NEVER,	      /* a restart */
};

/*
 * One key. The rows are in the order of the reference (reference.h), a section before its keys.
 * All text is static.
 */
struct config_key {
	const char *name; /* "store.url"; of a section: "store" */
	enum key_form form;
	size_t offset;		   /* of its value in struct config */
	const char *default_value; /* as a file would have it: "5s"; NULL: none */
	const char *example;	   /* of a key without a default */
	uint64_t min, max;	   /* of a number, in the unit of its form; both 0: any */
	enum key_reload reload;
	const char *help; /* for the reference and jobgate.yaml(5); a line that begins with two
			     spaces explains one word: "  word   what it means" */
};

#define KEYS_MAX 160

extern const struct config_key config_keys[];
extern const size_t config_key_count;

/* The index of a key; config_key_count when there is none. Sections are not found. */
size_t config_key_find(const char *name);

/* True when both configurations have the same value of a key. A section has none: true. */
bool config_key_equal(
    const struct config_key *key, const struct config *one, const struct config *other);

#endif
