/*
 * rewrite_answer.c - which fields of a job's answer reach clients and the caches on the way to
 * them.
 */
#include "browser/session.h"
#include "exchange/rewrite.h"
#include "exchange/route.h"
#include "http/head.h"
#include "http/names.h"

/*
 * The name of a cookie. A cookie with an empty name whose value looks like a pair is sent back as
 * that pair (RFC 6265bis section 5.7), so leading "=" and white space are skipped.
 */
static bool
sets_session(struct slice cookie)
{
	const char *end = memchr(cookie.at, ';', cookie.len);

	if (end != NULL)
		cookie.len = (size_t)(end - cookie.at);
	while (
	    cookie.len > 0 && (cookie.at[0] == '=' || cookie.at[0] == ' ' || cookie.at[0] == '\t'))
		cookie = slice_after(cookie, 1);
	return cookie_is_ours(cookie);
}

/* True when `name` is the domain or one of its parent domains. */
static bool
spans(struct slice name, struct slice domain)
{
	struct slice label;

	if (name.len > 0 && name.at[0] == '.') /* ignored (RFC 6265 section 5.2.3) */
		name = slice_after(name, 1);
	if (name.len > 0 && name.at[name.len - 1] == '.')
		name.len--;
	return slice_equal_nocase(name, domain) ||
	       (name.len > 0 && route_under_domain(domain, name, &label));
}

/* True when browsers would send this cookie to the hosts of other jobs. */
static bool
is_for_others(struct slice cookie, struct slice domain)
{
	struct slice pair, name = SLICE("domain");

	if (domain.len == 0 || !cookie_next(&cookie, &pair))
		return false;
	while (cookie_next(&cookie, &pair)) {
		const char *equals = memchr(pair.at, '=', pair.len);
		size_t len = equals != NULL ? (size_t)(equals - pair.at) : pair.len;

		if (equals != NULL &&
		    slice_equal_nocase(slice_trim((struct slice){pair.at, len}), name) &&
		    spans(slice_trim(slice_after(pair, len + 1)), domain))
			return true;
	}
	return false;
}

static bool
must_drop(const struct field *field, const struct answer_rules *rules)
{
	switch ((enum field_to_client)field_rules[field->id].to_client) {
	case TO_CLIENT_PASS:
		break;
	case TO_CLIENT_DROP:
		return true;
	case TO_CLIENT_SITE:
		return field->dropped || rules->shares_site;
	case TO_CLIENT_COOKIES:
		return field->dropped || sets_session(field->value) ||
		       is_for_others(field->value, rules->domain);
	}
	return field->dropped;
}

void
rewrite_answer(struct fields *fields, const struct answer_rules *rules)
{
	for (size_t i = 0; i < fields->count; i++)
		fields->items[i].dropped = must_drop(&fields->items[i], rules);
}

/* ---- shared caches ---- */

/* The first field with this id that is not dropped; NULL when there is none. */
static struct field *
find(const struct fields *fields, enum field_id id)
{
	for (size_t i = 0; i < fields->count; i++)
		if (fields->items[i].id == id && !fields->items[i].dropped)
			return &fields->items[i];
	return NULL;
}

static void
drop(struct fields *fields, enum field_id id)
{
	for (size_t i = 0; i < fields->count; i++)
		if (fields->items[i].id == id)
			fields->items[i].dropped = true;
}

/* True when a list in fields of this id has this member. */
static bool
lists(const struct fields *fields, enum field_id id, struct slice wanted)
{
	struct slice list, member;

	for (size_t i = 0; i < fields->count; i++) {
		if (fields->items[i].id != id || fields->items[i].dropped)
			continue;
		list = fields->items[i].value;
		while (list_next(&list, &member))
			if (slice_equal_nocase(member, wanted))
				return true;
	}
	return false;
}

/* Directives that say, or mean, that shared caches may keep the answer; and private itself. */
static bool
is_for_shared_caches(struct slice directive)
{
	const char *equals = memchr(directive.at, '=', directive.len);
	struct slice name = {
	    directive.at, equals != NULL ? (size_t)(equals - directive.at) : directive.len};

	name = slice_trim(name);
	return slice_equal_nocase(name, SLICE("public")) ||
	       slice_equal_nocase(name, SLICE("private")) ||
	       slice_equal_nocase(name, SLICE("s-maxage")) ||
	       slice_equal_nocase(name, SLICE("must-understand"));
}

/* All other directives of a backend stay: they are for the browser's own cache. */
static void
write_private(struct writer *writer, const struct fields *fields)
{
	struct slice list, directive;

	write_literal(writer, "private");
	for (size_t i = 0; i < fields->count; i++) {
		if (fields->items[i].id != FIELD_CACHE_CONTROL || fields->items[i].dropped)
			continue;
		list = fields->items[i].value;
		while (list_next(&list, &directive)) {
			if (is_for_shared_caches(directive))
				continue;
			write_literal(writer, ", ");
			write_slice(writer, directive);
		}
	}
}

/* The text written since begin; if there was no room for it, `otherwise`, which is as safe. */
static struct slice
written(const struct writer *writer, const char *begin, struct slice otherwise)
{
	return writer->full ? otherwise : (struct slice){begin, (size_t)(writer->at - begin)};
}

/* The configured limit on fields leaves room for these in an answer's head. */
static void
append(struct fields *fields, enum field_id id, struct slice name, struct slice value)
{
	if (fields->count < HEAD_FIELDS_MAX)
		fields->items[fields->count++] =
		    (struct field){.name = name, .value = value, .id = id};
}

static void
make_private(struct fields *fields, struct writer *room)
{
	const char *begin = room->at;

	/* With must-understand some caches ignore no-store (RFC 9111 section 5.2.2.3). */
	if (lists(fields, FIELD_CACHE_CONTROL, SLICE("no-store")) &&
	    !lists(fields, FIELD_CACHE_CONTROL, SLICE("must-understand")))
		return;
	write_private(room, fields);
	drop(fields, FIELD_CACHE_CONTROL);
	append(fields, FIELD_CACHE_CONTROL, SLICE("Cache-Control"),
	    written(room, begin, SLICE("no-store")));
}

void
rewrite_vary(struct fields *fields, struct slice name, struct writer *room)
{
	const char *begin = room->at;
	struct field *first = find(fields, FIELD_VARY);

	if (lists(fields, FIELD_VARY, SLICE("*")) || lists(fields, FIELD_VARY, name))
		return;
	if (first == NULL || first->value.len == 0) {
		append(fields, FIELD_VARY, SLICE("Vary"), name);
		return;
	}
	write_slice(room, first->value);
	write_literal(room, ", ");
	write_slice(room, name);
	first->value = written(room, begin, SLICE("*"));
}

void
rewrite_private(struct fields *fields, struct slice carrier, struct writer *room)
{
	make_private(fields, room);
	drop(fields, FIELD_CDN_CACHE_CONTROL);
	if (carrier.len > 0)
		rewrite_vary(fields, carrier, room);
}
