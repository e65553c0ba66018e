/* redis_keys.c - keys in lists, and in short ones by the hash of their names. */
#include "redis_keys.h"

#include <stdlib.h>
#include <string.h>

static size_t
line_of(const char *name)
{
	uint32_t hash = 2166136261u; /* FNV-1a */

	for (; *name != '\0'; name++)
		hash = (hash ^ (unsigned char)*name) * 16777619u;
	return (hash ^ hash >> 16) % REDIS_KEY_LINES;
}

static void *
new_lines(size_t size)
{
	void *lines = calloc(REDIS_KEY_LINES, size);

	if (lines == NULL)
		abort();
	return lines;
}

static struct redis_key_list *
keys_line(struct redis_keys *keys, const char *name)
{
	if (keys->lines == NULL)
		keys->lines = new_lines(sizeof(keys->lines[0]));
	return &keys->lines[line_of(name)];
}

struct redis_trackers *
redis_keys_trackers(struct redis_keys *keys, const char *name)
{
	if (keys->tracker_lines == NULL)
		keys->tracker_lines = new_lines(sizeof(keys->tracker_lines[0]));
	return &keys->tracker_lines[line_of(name)];
}

struct redis_key *
redis_keys_find(struct redis_keys *keys, const char *name)
{
	struct redis_key *key;

	LIST_FOREACH(key, keys_line(keys, name), same)
	if (strcmp(key->name, name) == 0)
		break;
	return key;
}

struct redis_key *
redis_keys_add(struct redis_keys *keys, const char *name, enum redis_type type)
{
	struct redis_key *key = calloc(1, sizeof(*key));

	if (key == NULL)
		abort();
	key->name = strdup(name);
	key->type = type;
	TAILQ_INIT(&key->fields);
	LIST_INSERT_HEAD(&keys->all, key, link);
	LIST_INSERT_HEAD(keys_line(keys, name), key, same);
	return key;
}

static void
free_field(struct redis_key *key, struct redis_field *field)
{
	TAILQ_REMOVE(&key->fields, field, link);
	key->field_count--;
	free(field->name);
	free(field->value);
	free(field);
}

void
redis_keys_remove(struct redis_key *key)
{
	struct redis_field *field;

	LIST_REMOVE(key, link);
	LIST_REMOVE(key, same);
	while ((field = TAILQ_FIRST(&key->fields)) != NULL)
		free_field(key, field);
	free(key->text);
	free(key->name);
	free(key);
}

struct redis_field *
redis_field_find(struct redis_key *key, const char *name)
{
	struct redis_field *field;

	TAILQ_FOREACH(field, &key->fields, link)
	if (strcmp(field->name, name) == 0)
		break;
	return field;
}

bool
redis_field_set(struct redis_key *key, const char *name, const char *value)
{
	struct redis_field *field = redis_field_find(key, name);
	bool new = field == NULL;

	if (new) {
		field = calloc(1, sizeof(*field));
		if (field == NULL)
			abort();
		field->name = strdup(name);
		TAILQ_INSERT_TAIL(&key->fields, field, link);
		key->field_count++;
	}
	free(field->value);
	field->value = strdup(value);
	return new;
}

bool
redis_field_remove(struct redis_key *key, const char *name)
{
	struct redis_field *field = redis_field_find(key, name);

	if (field == NULL)
		return false;
	free_field(key, field);
	return true;
}

void
redis_key_set_text(struct redis_key *key, const char *text)
{
	free(key->text);
	key->text = strdup(text);
}
