/* config.c - from a YAML document, or from nothing, to a configuration. */
#include "config/config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yaml.h>

#include "auth/redis/url.h"
#include "config/schema.h"
#include "config/values.h"
#include "jobgate/paths.h"

#define KEY_MAX 64

/* Text and lists that a configuration owns, freed with it. */
struct owned {
	struct owned *next;
	_Alignas(16) char bytes[];
};

/* A configuration with what it owns behind it; the first member is what others see. */
struct loading {
	struct config config;
	struct owned *owned;
	struct config_error *error;
	yaml_document_t *document;
	bool jobs_given; /* the file has a section of jobs: no defaults for it */
	yaml_mark_t
	    seen[KEY_MAX]; /* where each setting stands in the file, for mistakes found later */
	bool is_seen[KEY_MAX];
};

/* ---- mistakes ---- */

__attribute__((format(printf, 3, 4))) static bool
mistake(struct loading *loading, const yaml_mark_t *mark, const char *format, ...)
{
	struct config_error *error = loading->error;
	va_list args;

	error->line = mark != NULL ? mark->line + 1 : 0;
	error->column = mark != NULL ? mark->column + 1 : 0;
	va_start(args, format);
	vsnprintf(error->message, sizeof(error->message), format, args);
	va_end(args);
	return false;
}

static bool
out_of_memory(struct loading *loading)
{
	return mistake(loading, NULL, "out of memory");
}

/* Memory that lives as long as the configuration; zeroed. NULL when there is none. */
static void *
own(struct loading *loading, size_t bytes)
{
	struct owned *owned = calloc(1, sizeof(*owned) + bytes);

	if (owned == NULL)
		return NULL;
	owned->next = loading->owned;
	loading->owned = owned;
	return owned->bytes;
}

static char *
own_text(struct loading *loading, const char *text)
{
	char *copy = own(loading, strlen(text) + 1);

	return copy != NULL ? strcpy(copy, text) : NULL;
}

/* ---- single values ---- */

static const char *
set_text(struct loading *loading, const char *text, const char **out)
{
	*out = own_text(loading, text);
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
check_store_url(struct loading *loading, const char *text)
{
	struct redis_url url;
	char error[128];
	bool good = redis_url_parse(text, &url, error, sizeof(error));

	redis_url_wipe(&url);
	return good ? NULL : own_text(loading, error);
}

static const char *
check_bounds(const struct setting *setting, uint64_t number)
{
	if (setting->max != 0 && (number < setting->min || number > setting->max))
		return "out of range";
	return NULL;
}

static const char *
set_workers(const struct setting *setting, const char *text, unsigned *out)
{
	uint64_t number;
	const char *expected;

	if (strcmp(text, "auto") == 0) {
		*out = 0;
		return NULL;
	}
	if (value_number(text, &number) != NULL)
		return "expected a number of processes, or auto";
	expected = check_bounds(setting, number);
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
set_number(const struct setting *setting, const char *text, uint64_t *number)
{
	const char *expected;

	if (setting->form == FORM_TIME)
		expected = value_time(text, number);
	else if (setting->form == FORM_COUNT)
		expected = value_number(text, number);
	else
		expected = value_size(text, number);
	return expected != NULL ? expected : check_bounds(setting, *number);
}

/* Put one text where it belongs. Returns what was expected instead, or NULL. */
static const char *
set_scalar(struct loading *loading, const struct setting *setting, const char *text)
{
	void *at = (char *)&loading->config + setting->offset;
	const char *expected = NULL;
	uint64_t number = 0;

	switch (setting->form) {
	case FORM_BOOL:
		return value_bool(text, at);
	case FORM_TIME:
	case FORM_SIZE64:
		expected = set_number(setting, text, &number);
		*(uint64_t *)at = number;
		return expected;
	case FORM_SIZE:
	case FORM_COUNT:
		expected = set_number(setting, text, &number);
		*(size_t *)at = (size_t)number;
		return expected;
	case FORM_WORKERS:
		return set_workers(setting, text, at);
	case FORM_HOST:
		*(bool *)at = strcmp(text, "preserve") == 0;
		return *(bool *)at || strcmp(text, "backend") == 0 ? NULL
								   : "expected preserve or backend";
	case FORM_LEVEL:
		return value_level(text, at);
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
		expected = check_store_url(loading, text);
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
		if (strcmp(text, "-") != 0 && strcmp(text, "off") != 0 && text[0] != '/')
			expected = "expected -, off, or an absolute path";
		break;
	case FORM_TEXT:
		if (text[0] == '\0' && setting->offset != offsetof(struct config, store.prefix))
			expected = "expected some text";
		break;
	case FORM_LISTEN:
	case FORM_RANGES:
	case FORM_UPGRADES:
		return "expected a list";
	}
	return expected != NULL ? expected : set_text(loading, text, at);
}

/* ---- lists ---- */

static const char *
add_listener(struct loading *loading, const char *text, struct listener_config *out)
{
	char host[64] = "";
	const char *path;
	const char *expected = value_address(text, host, &out->port, &path);

	if (expected != NULL)
		return expected;
	out->address = own_text(loading, text);
	if (path != NULL)
		out->path = own_text(loading, path);
	else
		out->host = own_text(loading, host);
	return out->address == NULL || (out->path == NULL && out->host == NULL) ? "out of memory"
										: NULL;
}

/* A word that can stand in Upgrade; kept in lower case. h2c would carry requests past us. */
static const char *
add_upgrade(struct loading *loading, const char *text, const char **out)
{
	char *word = own_text(loading, text);

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
add_item(
    struct loading *loading, const struct setting *setting, const char *text, void *items, size_t i)
{
	switch (setting->form) {
	case FORM_LISTEN:
		return add_listener(loading, text, (struct listener_config *)items + i);
	case FORM_RANGES:
		return value_range(text, (struct cidr *)items + i);
	case FORM_UPGRADES:
		return add_upgrade(loading, text, (const char **)items + i);
	default:
		return "expected no list";
	}
}

static void
set_list(struct loading *loading, const struct setting *setting, void *items, size_t count)
{
	struct config *config = &loading->config;
	void *at = (char *)config + setting->offset;

	if (setting->form == FORM_LISTEN) {
		config->listeners = items;
		config->listener_count = count;
	} else if (setting->form == FORM_RANGES) {
		*(struct cidr_list *)at = (struct cidr_list){count, items};
	} else {
		*(const char ***)at = items;
	}
}

static bool
load_list(struct loading *loading, const struct setting *setting, const yaml_node_t *node)
{
	size_t count = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
	size_t size = setting->form == FORM_LISTEN   ? sizeof(struct listener_config)
		      : setting->form == FORM_RANGES ? sizeof(struct cidr)
						     : sizeof(const char *);
	void *items = own(loading, (count + 1) * size); /* the list of upgrades ends with NULL */

	if (items == NULL)
		return out_of_memory(loading);
	if (setting->form == FORM_LISTEN && count == 0)
		return mistake(
		    loading, &node->start_mark, "%s: expected at least one address", setting->key);
	for (size_t i = 0; i < count; i++) {
		const yaml_node_t *item =
		    yaml_document_get_node(loading->document, node->data.sequence.items.start[i]);
		const char *expected = "expected a list of plain values";

		if (item->type == YAML_SCALAR_NODE)
			expected = add_item(
			    loading, setting, (const char *)item->data.scalar.value, items, i);
		if (expected != NULL)
			return mistake(
			    loading, &item->start_mark, "%s: %s", setting->key, expected);
	}
	set_list(loading, setting, items, count);
	return true;
}

/* ---- the document ---- */

static bool
is_list(enum setting_form form)
{
	return form == FORM_LISTEN || form == FORM_RANGES || form == FORM_UPGRADES;
}

static bool
load_setting(struct loading *loading, size_t index, const yaml_node_t *key, const yaml_node_t *node)
{
	const struct setting *setting = &config_settings[index];
	const char *expected;

	loading->seen[index] = node->start_mark;
	loading->is_seen[index] = true;
	if (is_list(setting->form)) {
		if (node->type == YAML_SEQUENCE_NODE)
			return load_list(loading, setting, node);
		return mistake(
		    loading, &key->start_mark, "%s: expected a list, such as [a, b]", setting->key);
	}
	if (node->type != YAML_SCALAR_NODE)
		return mistake(
		    loading, &key->start_mark, "%s: expected a single value", setting->key);
	expected = set_scalar(loading, setting, (const char *)node->data.scalar.value);
	if (expected == NULL)
		return true;
	if (strcmp(expected, "out of range") == 0)
		return mistake(loading, &node->start_mark,
		    "%s: out of range: expected %llu to %llu%s", setting->key,
		    (unsigned long long)setting->min, (unsigned long long)setting->max,
		    setting->form == FORM_TIME ? " milliseconds" : "");
	return mistake(loading, &node->start_mark, "%s: %s", setting->key, expected);
}

/* How many letters must change for one word to become the other (Levenshtein). */
static size_t
distance(const char *a, const char *b)
{
	size_t row[KEY_MAX + 1], len = strlen(b);

	if (strlen(a) >= KEY_MAX || len >= KEY_MAX)
		return KEY_MAX;
	for (size_t j = 0; j <= len; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1] != '\0'; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= len; j++) {
			size_t best = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[len];
}

static bool
unknown_key(struct loading *loading, const yaml_node_t *node, const char *key)
{
	const char *nearest = NULL;
	size_t best = 3;

	for (size_t i = 0; i < config_setting_count; i++) {
		size_t d = distance(key, config_settings[i].key);

		if (d < best) {
			best = d;
			nearest = config_settings[i].key;
		}
	}
	if (nearest != NULL)
		return mistake(
		    loading, &node->start_mark, "%s: unknown key; did you mean %s?", key, nearest);
	return mistake(loading, &node->start_mark,
	    "%s: unknown key; deploy/jobgate.yaml lists all there are", key);
}

/* The index of a key; config_setting_count when there is none. */
static size_t
find_setting(const char *key)
{
	size_t i = 0;

	while (i < config_setting_count && strcmp(config_settings[i].key, key) != 0)
		i++;
	return i;
}

/* Is the key the name of a section ("store")? */
static bool
is_section(const char *key)
{
	size_t len = strlen(key);

	for (size_t i = 0; i < config_setting_count; i++)
		if (strncmp(config_settings[i].key, key, len) == 0 &&
		    config_settings[i].key[len] == '.')
			return true;
	return false;
}

static bool load_mapping(struct loading *loading, const char *section, const yaml_node_t *node);

static bool
load_pair(struct loading *loading, const char *section, const yaml_node_t *key_node,
    const yaml_node_t *value)
{
	const char *name = (const char *)key_node->data.scalar.value;
	char key[KEY_MAX];
	size_t index;

	if (key_node->type != YAML_SCALAR_NODE)
		return mistake(loading, &key_node->start_mark, "expected a key");
	snprintf(key, sizeof(key), "%s%s%.40s", section, section[0] != '\0' ? "." : "", name);
	if (section[0] == '\0' && is_section(name)) {
		if (strcmp(name, "jobs") == 0)
			loading->jobs_given = true;
		if (value->type == YAML_MAPPING_NODE)
			return load_mapping(loading, name, value);
		if (value->type == YAML_SCALAR_NODE && value->data.scalar.length == 0)
			return true; /* a section of comments alone */
		return mistake(
		    loading, &value->start_mark, "%s: expected keys of its own below it", key);
	}
	index = find_setting(key);
	if (index == config_setting_count)
		return unknown_key(loading, key_node, key);
	return load_setting(loading, index, key_node, value);
}

static bool
load_mapping(struct loading *loading, const char *section, const yaml_node_t *node)
{
	const yaml_node_pair_t *first = node->data.mapping.pairs.start,
			       *end = node->data.mapping.pairs.top;

	for (const yaml_node_pair_t *pair = first; pair < end; pair++) {
		const yaml_node_t *key = yaml_document_get_node(loading->document, pair->key);

		for (const yaml_node_pair_t *other = first; other < pair; other++) {
			const yaml_node_t *earlier =
			    yaml_document_get_node(loading->document, other->key);

			if (key->type == YAML_SCALAR_NODE && earlier->type == YAML_SCALAR_NODE &&
			    strcmp((char *)key->data.scalar.value,
				(char *)earlier->data.scalar.value) == 0)
				return mistake(loading, &key->start_mark,
				    "%s: given twice, first on line %zu",
				    (char *)key->data.scalar.value, earlier->start_mark.line + 1);
		}
		if (!load_pair(loading, section, key,
			yaml_document_get_node(loading->document, pair->value)))
			return false;
	}
	return true;
}

static bool
parser_mistake(struct loading *loading, const yaml_parser_t *parser)
{
	return mistake(loading, &parser->problem_mark, "not valid YAML: %s%s%s",
	    parser->problem != NULL ? parser->problem : "it cannot be read",
	    parser->context != NULL ? ", " : "", parser->context != NULL ? parser->context : "");
}

/* There must be one document and no other. */
static bool
check_end(struct loading *loading, yaml_parser_t *parser)
{
	yaml_document_t second;
	const yaml_node_t *root;
	bool good = true;

	if (!yaml_parser_load(parser, &second))
		return parser_mistake(loading, parser);
	root = yaml_document_get_root_node(&second);
	if (root != NULL)
		good = mistake(
		    loading, &root->start_mark, "a second document: a configuration is one alone");
	yaml_document_delete(&second);
	return good;
}

static bool
load_document(struct loading *loading, yaml_parser_t *parser)
{
	yaml_document_t document;
	const yaml_node_t *root;
	bool good = true;

	if (!yaml_parser_load(parser, &document))
		return parser_mistake(loading, parser);
	loading->document = &document;
	root = yaml_document_get_root_node(&document);
	if (root != NULL && root->type != YAML_MAPPING_NODE)
		good = mistake(
		    loading, &root->start_mark, "expected keys and values, such as workers: 2");
	else if (root != NULL)
		good = load_mapping(loading, "", root) && check_end(loading, parser);
	loading->document = NULL;
	yaml_document_delete(&document);
	return good;
}

static bool
load_file(struct loading *loading, const char *path)
{
	yaml_parser_t parser;
	FILE *file = fopen(path, "re");
	bool good;

	if (file == NULL)
		return mistake(loading, NULL, "cannot be read: %s", strerror(errno));
	if (!yaml_parser_initialize(&parser)) {
		fclose(file);
		return out_of_memory(loading);
	}
	yaml_parser_set_input_file(&parser, file);
	good = load_document(loading, &parser);
	yaml_parser_delete(&parser);
	fclose(file);
	return good;
}

/* ---- defaults and contradictions ---- */

static const struct config defaults = {
    .jobs = {.domain = "localhost", .prefix = "/jobs"},
    .store = {.prefix = "jobgate:",
	.redis_server = "redis-server",
	.max_staleness = 5000,
	.ping_interval = 1000,
	.ping_deadline = 1000,
	.connect_timeout = 2000,
	.lookup_timeout = 2000,
	.cache_entries = 1000000},
    .backends = {.realm = "jobgate", .preserve_host = true},
    .timeouts = {.head = 10000,
	.keep_alive = 75000,
	.body = 60000,
	.connect = 5000,
	.first_byte = 300000,
	.answer = 300000,
	.tunnel = 3600000,
	.linger = 2000,
	.drain = 30000,
	.backend_idle = 30000},
    .limits = {.head_bytes = 32 * 1024,
	.target_bytes = 16 * 1024,
	.fields = 100,
	.connections = 8192,
	.idle_backend_connections = 64,
	.drain_bytes = 64 * 1024},
    .log = {.level = LOG_LEVEL_INFO, .access = "off"},
};

/* Where a setting stands in the file; NULL when it does not. */
static const yaml_mark_t *
mark_of(const struct loading *loading, const char *key)
{
	size_t index = find_setting(key);

	return index < config_setting_count && loading->is_seen[index] ? &loading->seen[index]
								       : NULL;
}

/* What settings say together. */
static bool
check_together(struct loading *loading)
{
	const struct config *config = &loading->config;
	const yaml_mark_t *mark;

	if (config->jobs.fixed != NULL &&
	    (config->jobs.domain != NULL || config->jobs.prefix != NULL))
		return mistake(loading, mark_of(loading, "jobs.fixed"),
		    "jobs.fixed: a gateway for one fixed job has neither jobs.domain nor "
		    "jobs.prefix");
	if (config->jobs.fixed_url != NULL && config->jobs.fixed == NULL)
		return mistake(loading, mark_of(loading, "jobs.fixed_url"),
		    "jobs.fixed_url: needs jobs.fixed, the job that it is the URL of");
	if (config->jobs.fixed == NULL && config->jobs.domain == NULL &&
	    config->jobs.prefix == NULL)
		return mistake(loading, mark_of(loading, "jobs.public_url"),
		    "jobs: needs at least one of domain, prefix and fixed");
	if (config->store.max_staleness > config->store.ping_interval + config->store.ping_deadline)
		return true;
	mark = mark_of(loading, "store.max_staleness");
	if (mark == NULL)
		mark = mark_of(loading, "store.ping_interval");
	if (mark == NULL)
		mark = mark_of(loading, "store.ping_deadline");
	return mistake(loading, mark,
	    "store.max_staleness: must be longer than ping_interval and ping_deadline together, "
	    "or a healthy store would count as stale");
}

/* The public URL of jobs, as the first listener and the forms in use make it. */
static bool
derive_public_url(struct loading *loading)
{
	struct config *config = &loading->config;
	uint16_t port = config->listeners[0].port;
	char text[512], port_text[8] = "";

	if (config->jobs.public_url != NULL)
		return true;
	if (port != 0 && port != 80)
		snprintf(port_text, sizeof(port_text), ":%u", port);
	if (config->jobs.domain != NULL)
		snprintf(text, sizeof(text), "http://{job}.%s%s/", config->jobs.domain, port_text);
	else
		snprintf(text, sizeof(text), "http://localhost%s%s", port_text,
		    config->jobs.prefix != NULL ? "" : "/");
	if (config->jobs.domain == NULL && config->jobs.prefix != NULL) {
		size_t len = strlen(text);

		snprintf(text + len, sizeof(text) - len, "%s/{job}/", config->jobs.prefix);
	}
	config->jobs.public_url = own_text(loading, text);
	return config->jobs.public_url != NULL || out_of_memory(loading);
}

static bool
complete_paths(struct loading *loading)
{
	struct config *config = &loading->config;
	char text[512];

	if (config->control.socket == NULL) {
		if (!jg_control_socket_default(text, sizeof(text)))
			return mistake(loading, NULL,
			    "the default path of the control socket is too long: set "
			    "control.socket");
		config->control.socket = own_text(loading, text);
	}
	if (strlen(config->control.socket) > 107)
		return mistake(loading, mark_of(loading, "control.socket"),
		    "control.socket: a socket's path has at most 107 bytes");
	if (config->store.state_dir == NULL) {
		if (!jg_state_dir_default(text, sizeof(text)))
			return mistake(loading, NULL,
			    "the default state directory's path is too long: set store.state_dir");
		config->store.state_dir = own_text(loading, text);
	}
	return (config->control.socket != NULL && config->store.state_dir != NULL) ||
	       out_of_memory(loading);
}

/* Fill in what the file leaves open. */
static bool
complete(struct loading *loading)
{
	struct config *config = &loading->config;
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	size_t bad;

	if (config->listeners == NULL) {
		config->listeners = own(loading, sizeof(*config->listeners));
		if (config->listeners == NULL ||
		    add_listener(loading, "127.0.0.1:8080", config->listeners) != NULL)
			return out_of_memory(loading);
		config->listener_count = 1;
	}
	if (config->workers == 0)
		config->workers = cores > 0 ? (unsigned)cores : 1;
	if (config->backends.upgrades == NULL) {
		config->backends.upgrades = own(loading, 2 * sizeof(*config->backends.upgrades));
		if (config->backends.upgrades == NULL)
			return out_of_memory(loading);
		config->backends.upgrades[0] = "websocket";
	}
	if (config->jobs.fixed_url != NULL)
		jg_job_url_parse(
		    slice_of(config->jobs.fixed_url), &config->jobs.fixed_target, &bad);
	return complete_paths(loading) && derive_public_url(loading);
}

/* A file that speaks of jobs says all there is to say of them. */
static void
apply_job_defaults(struct loading *loading)
{
	if (loading->jobs_given)
		return;
	loading->config.jobs.domain = defaults.jobs.domain;
	loading->config.jobs.prefix = defaults.jobs.prefix;
}

struct config *
config_load(const char *path, struct config_error *error)
{
	struct loading *loading = calloc(1, sizeof(*loading));

	*error = (struct config_error){0};
	if (loading == NULL) {
		snprintf(error->message, sizeof(error->message), "out of memory");
		return NULL;
	}
	loading->error = error;
	loading->config = defaults;
	loading->config.jobs.domain = loading->config.jobs.prefix = NULL;
	loading->config.embedded_defaults = path == NULL;
	loading->config.backends.allow_loopback = path == NULL;
	if (path != NULL) {
		loading->config.file = own_text(loading, path);
		if (!load_file(loading, path))
			goto fail;
	}
	apply_job_defaults(loading);
	if (!check_together(loading) || !complete(loading))
		goto fail;
	return &loading->config;
fail:
	config_free(&loading->config);
	return NULL;
}

void
config_free(struct config *config)
{
	struct loading *loading = (struct loading *)config;

	while (loading != NULL && loading->owned != NULL) {
		struct owned *owned = loading->owned;

		loading->owned = owned->next;
		free(owned);
	}
	free(loading);
}
