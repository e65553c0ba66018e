/* assign.c - the value of one key: a text or a list, parsed and put into its place. */
#include <string.h>
#include <sys/un.h>

#include "auth/redis/url.h"
#include "config/builder.h"
#include "config/values.h"
#include "http/names.h"

/* ---- single values ---- */

static const char *
set_text(struct builder *builder, const char *text, const char **out)
{
	*out = builder_own_text(builder, text);
	return *out != NULL ? NULL : "out of memory";
}

static const char *
check_job_url(const char *text)
{
	struct job_url url;
	size_t bad;

	return text[0] != '\0' && jg_job_url_parse(slice_of(text), &url, &bad)
		   ? NULL
		   : "expected http://host[:port][/base], https://... or unix:/path";
}

static const char *
check_store_url(struct builder *builder, const char *text)
{
	struct redis_url url;
	char error[128];
	bool good = redis_url_parse(text, &url, error, sizeof(error));

	redis_url_wipe(&url);
	return good ? NULL : builder_own_text(builder, error);
}

static const char *
check_bounds(const struct config_key *key, uint64_t number)
{
	if (key->max != 0 && (number < key->min || number > key->max))
		return "out of range";
	return NULL;
}

static const char *
set_workers(const struct config_key *key, const char *text, unsigned *out)
{
	uint64_t number;
	const char *expected;

	if (strcmp(text, "auto") == 0) {
		*out = 0;
		return NULL;
	}
	if (value_number(text, &number) != NULL)
		return "expected a number of processes, or auto";
	expected = check_bounds(key, number);
	*out = (unsigned)number;
	return expected;
}

static const char *
check_address(const char *text)
{
	char host[64];
	const char *path;
	uint16_t port;
	const char *expected = value_address(text, host, &port, &path);

	return expected == NULL && path != NULL ? "expected address:port" : expected;
}

static const char *
set_number(const struct config_key *key, const char *text, uint64_t *number)
{
	const char *expected;

	if (key->form == FORM_TIME)
		expected = value_time(text, number);
	else if (key->form == FORM_COUNT || key->form == FORM_COUNT64)
		expected = value_number(text, number);
	else
		expected = value_size(text, number);
	return expected != NULL ? expected : check_bounds(key, *number);
}

/* The value of a field that goes to clients unchanged (RFC 6797 section 6.1). */
static const char *
check_hsts(const char *text)
{
	static const char good[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789=-; ";

	return strncmp(text, "max-age=", 8) == 0 && text[8] >= '0' && text[8] <= '9' &&
		       strspn(text, good) == strlen(text)
		   ? NULL
		   : "expected max-age=SECONDS, optionally followed by ; includeSubDomains";
}

/* Take one of two words; `expected` names both. */
static const char *
set_choice(const char *text, const char *yes, const char *no, const char *expected, bool *out)
{
	*out = strcmp(text, yes) == 0;
	return *out || strcmp(text, no) == 0 ? NULL : expected;
}

/* Where a log goes. */
static const char *
check_log_target(const char *text)
{
	bool to_socket = strncmp(text, "syslog:/", 8) == 0 &&
			 strlen(text + 7) < sizeof(((struct sockaddr_un *)0)->sun_path);

	return text[0] == '/' || to_socket || strcmp(text, "-") == 0 || strcmp(text, "off") == 0 ||
		       strcmp(text, "syslog") == 0
		   ? NULL
		   : "expected -, off, syslog, syslog:/path, or an absolute path";
}

/* Put one text into its place. Returns what was expected instead, or NULL. */
static const char *
set_scalar(struct builder *builder, const struct config_key *key, const char *text)
{
	void *at = (char *)&builder->config + key->offset;
	const char *expected = NULL;
	uint64_t number = 0;

	switch (key->form) {
	case FORM_BOOL:
		return value_bool(text, at);
	case FORM_TIME:
	case FORM_SIZE64:
	case FORM_COUNT64:
		expected = set_number(key, text, &number);
		*(uint64_t *)at = number;
		return expected;
	case FORM_SIZE:
	case FORM_COUNT:
		expected = set_number(key, text, &number);
		*(size_t *)at = (size_t)number;
		return expected;
	case FORM_WORKERS:
		return set_workers(key, text, at);
	case FORM_HOST:
		return set_choice(text, "preserve", "backend", "expected preserve or backend", at);
	case FORM_LEVEL:
		return value_level(text, at);
	case FORM_LOG:
		return set_choice(text, "json", "text", "expected text or json", at);
	case FORM_TLS_VERSION:
		return set_choice(text, "1.3", "1.2", "expected 1.2 or 1.3", at);
	case FORM_CLIENTS:
		return set_choice(
		    text, "optional", "required", "expected required or optional", at);
	case FORM_HSTS:
		expected = check_hsts(text);
		break;
	case FORM_JOB_ID:
		if (!jg_job_id_valid(slice_of(text)))
			expected = "expected a job's id: 1 to 63 characters a-z 0-9 -, "
				   "alphanumeric at both ends";
		break;
	case FORM_JOB_URL:
		expected = check_job_url(text);
		break;
	case FORM_PUBLIC_URL:
		if (strncmp(text, "http://", 7) != 0 && strncmp(text, "https://", 8) != 0)
			expected = "expected a URL such as https://{job}.jobs.example.org/";
		break;
	case FORM_STORE_URL:
		expected = check_store_url(builder, text);
		break;
	case FORM_DOMAIN:
		expected = value_domain(text);
		break;
	case FORM_PREFIX:
		expected = value_prefix(text);
		break;
	case FORM_ADDRESS:
		expected = check_address(text);
		break;
	case FORM_OPTIONAL_PATH:
		expected = check_log_target(text);
		break;
	case FORM_TEXT:
		if (text[0] == '\0' && key->offset != offsetof(struct config, store.prefix))
			expected = "expected some text";
		break;
	case FORM_SECTION:
	case FORM_LISTEN:
	case FORM_CERTIFICATES:
	case FORM_LABELS:
	case FORM_RANGES:
	case FORM_UPGRADES:
	case FORM_FIELDS:
	case FORM_ORIGINS:
		return "expected a list";
	}
	return expected != NULL ? expected : set_text(builder, text, at);
}

/* ---- lists ---- */

/* What may follow the address of a listener. */
static bool
set_listener_word(struct listener_config *listener, const char *word)
{
	static const struct {
		const char *word;
		size_t offset;
	} words[] = {{"tls", offsetof(struct listener_config, tls)},
	    {"redirect", offsetof(struct listener_config, redirect)},
	    {"proxied", offsetof(struct listener_config, proxied)},
	    {"authorize", offsetof(struct listener_config, authorize)}};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		bool *flag = (bool *)((char *)listener + words[i].offset);

		if (strcmp(word, words[i].word) != 0 || *flag)
			continue;
		*flag = true;
		return true;
	}
	return false;
}

const char *
assign_listener(struct builder *builder, const char *text, struct listener_config *out)
{
	char host[64] = "", *words = builder_own_text(builder, text), *word;
	const char *path, *expected;

	if (words == NULL)
		return "out of memory";
	out->address = strsep(&words, " ");
	while ((word = strsep(&words, " ")) != NULL)
		if (word[0] != '\0' && !set_listener_word(out, word))
			return "expected an address, followed only by tls, redirect, proxied and "
			       "authorize";
	expected = value_address(out->address, host, &out->port, &path);
	if (expected != NULL)
		return expected;
	if (path != NULL)
		out->path = builder_own_text(builder, path);
	else
		out->host = builder_own_text(builder, host);
	return out->path == NULL && out->host == NULL ? "out of memory" : NULL;
}

/* A word that Upgrade may have; kept in lower case. Not h2c, which would carry requests past us. */
static const char *
add_upgrade(struct builder *builder, const char *text, const char **out)
{
	char *word = builder_own_text(builder, text);

	*out = word;
	if (word == NULL)
		return "out of memory";
	if (word[0] == '\0' ||
	    strlen(word) !=
		strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._/"))
		return "expected the name of a protocol, such as websocket";
	for (char *c = word; *c != '\0'; c++)
		*c = (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c);
	if (strcmp(word, "h2c") == 0 || strncmp(word, "http/", 5) == 0)
		return "HTTP must not be tunnelled: its requests would not be checked";
	return NULL;
}

static const char *
add_field(struct builder *builder, const char *text, const char **out)
{
	char *name = builder_own_text(builder, text);

	*out = name;
	if (name == NULL)
		return "out of memory";
	return name_pattern_make(name) ? NULL
				       : "expected the name of a field, such as X-User or X-User-*";
}

static const char *
add_item(
    struct builder *builder, const struct config_key *key, const char *text, void *items, size_t i)
{
	switch (key->form) {
	case FORM_LISTEN:
		return assign_listener(builder, text, (struct listener_config *)items + i);
	case FORM_RANGES:
		return value_range(text, (struct ip_range *)items + i);
	case FORM_UPGRADES:
		return add_upgrade(builder, text, (const char **)items + i);
	case FORM_ORIGINS:
		*((const char **)items + i) = builder_own_text(builder, text);
		return value_origin(text);
	case FORM_FIELDS:
		return add_field(builder, text, (const char **)items + i);
	default:
		return "expected no list";
	}
}

static void
set_list(struct builder *builder, const struct config_key *key, void *items, size_t count)
{
	struct config *config = &builder->config;
	void *at = (char *)config + key->offset;

	if (key->form == FORM_LISTEN) {
		config->listeners = items;
		config->listener_count = count;
	} else if (key->form == FORM_RANGES) {
		*(struct ip_ranges *)at = (struct ip_ranges){count, items};
	} else {
		*(const char ***)at = items;
	}
}

static bool
load_list(struct builder *builder, const struct config_key *key, const yaml_node_t *node)
{
	size_t count = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
	size_t size = key->form == FORM_LISTEN	 ? sizeof(struct listener_config)
		      : key->form == FORM_RANGES ? sizeof(struct ip_range)
						 : sizeof(const char *);
	void *items = builder_own(builder, (count + 1) * size); /* lists of words end with NULL */

	if (items == NULL)
		return builder_out_of_memory(builder);
	if (key->form == FORM_LISTEN && count == 0)
		return builder_error(
		    builder, &node->start_mark, "%s: expected at least one address", key->name);
	for (size_t i = 0; i < count; i++) {
		const yaml_node_t *item =
		    yaml_document_get_node(builder->document, node->data.sequence.items.start[i]);
		const char *expected = "expected a list of plain values";

		if (item->type == YAML_SCALAR_NODE)
			expected =
			    add_item(builder, key, (const char *)item->data.scalar.value, items, i);
		if (expected != NULL)
			return builder_error(
			    builder, &item->start_mark, "%s: %s", key->name, expected);
	}
	set_list(builder, key, items, count);
	return true;
}

static bool
is_list(enum key_form form)
{
	return form == FORM_LISTEN || form == FORM_RANGES || form == FORM_UPGRADES ||
	       form == FORM_FIELDS || form == FORM_ORIGINS;
}

bool
assign_key(struct builder *builder, size_t index, const yaml_node_t *name, const yaml_node_t *value)
{
	const struct config_key *key = &config_keys[index];
	const char *expected;

	builder->given_at[index] = value->start_mark;
	builder->is_given[index] = true;
	if (key->form == FORM_CERTIFICATES)
		return assign_certificates(builder, name, value);
	if (key->form == FORM_LABELS)
		return assign_labels(builder, name, value);
	if (is_list(key->form)) {
		if (value->type == YAML_SEQUENCE_NODE)
			return load_list(builder, key, value);
		return builder_error(builder, &name->start_mark,
		    "%s: expected a list: put the value in brackets, [...]", key->name);
	}
	if (value->type != YAML_SCALAR_NODE)
		return builder_error(
		    builder, &name->start_mark, "%s: expected a single value", key->name);
	expected = set_scalar(builder, key, (const char *)value->data.scalar.value);
	if (expected == NULL)
		return true;
	if (strcmp(expected, "out of range") == 0)
		return builder_error(builder, &value->start_mark,
		    "%s: out of range: expected %llu to %llu%s", key->name,
		    (unsigned long long)key->min, (unsigned long long)key->max,
		    key->form == FORM_TIME ? " milliseconds" : "");
	return builder_error(builder, &value->start_mark, "%s: %s", key->name, expected);
}
