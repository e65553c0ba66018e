/* frame_answer.c - limits the frames around a job's answer, without a loss of the job's limits. */
#include "exchange/frame_answer.h"

#include "http/head.h"

#define POLICY SLICE("Content-Security-Policy")
#define OPTIONS SLICE("X-Frame-Options")

/* What the job's X-Frame-Options say (the HTML standard, "check X-Frame-Options"). */
enum options {
	OPTIONS_NONE,	/* there is no such field */
	OPTIONS_OTHER,	/* browsers take no notice of what it says */
	OPTIONS_SELF,	/* only pages of its own origin */
	OPTIONS_NOBODY, /* no page, also if it says several things */
};

static bool
is(const struct field *field, struct slice name)
{
	return !field->dropped && slice_equal_nocase(field->name, name);
}

static enum options
option_of(struct slice member)
{
	if (slice_equal_nocase(member, SLICE("deny")))
		return OPTIONS_NOBODY;
	return slice_equal_nocase(member, SLICE("sameorigin")) ? OPTIONS_SELF : OPTIONS_OTHER;
}

static enum options
options_of(const struct fields *fields)
{
	enum options found = OPTIONS_NONE;
	struct slice list, member;

	for (size_t i = 0; i < fields->count; i++) {
		if (!is(&fields->items[i], OPTIONS))
			continue;
		list = fields->items[i].value;
		while (list_next(&list, &member)) {
			enum options option = option_of(member);

			/* Different words together: no page may, to be safe. */
			if (found != OPTIONS_NONE && found != option)
				return OPTIONS_NOBODY;
			found = option;
		}
		if (found == OPTIONS_NONE)
			found = OPTIONS_OTHER;
	}
	return found;
}

/* Take the next part, up to this character, off a text, trimmed. */
static bool
next_part(struct slice *rest, char end, struct slice *part)
{
	const char *at;

	if (rest->len == 0)
		return false;
	at = memchr(rest->at, end, rest->len);
	*part = (struct slice){rest->at, at != NULL ? (size_t)(at - rest->at) : rest->len};
	*rest = slice_after(*rest, part->len + (at != NULL));
	*part = slice_trim(*part);
	return true;
}

/* True when a policy of the job says who may frame the answer. */
static bool
says_ancestors(const struct fields *fields)
{
	struct slice policies, policy, directive, name = SLICE("frame-ancestors");

	for (size_t i = 0; i < fields->count; i++) {
		if (!is(&fields->items[i], POLICY))
			continue;
		policies = fields->items[i].value;
		while (next_part(&policies, ',', &policy))
			while (next_part(&policy, ';', &directive))
				if (slice_starts_with_nocase(directive, name) &&
				    (directive.len == name.len || directive.at[name.len] == ' ' ||
					directive.at[name.len] == '\t'))
					return true;
	}
	return false;
}

/* The configured limit on fields leaves room for these in an answer's head. */
static void
append(struct fields *fields, struct slice name, struct slice value)
{
	if (fields->count < HEAD_FIELDS_MAX)
		fields->items[fields->count++] = (struct field){.name = name, .value = value};
}

void
frame_answer(struct fields *fields, struct slice ancestors, bool with_options)
{
	enum options options = options_of(fields);

	if (!says_ancestors(fields) && options == OPTIONS_NOBODY)
		ancestors = SLICE("frame-ancestors 'none'");
	else if (!says_ancestors(fields) && options == OPTIONS_SELF)
		ancestors = SLICE("frame-ancestors 'self'");
	append(fields, POLICY, ancestors);
	if (with_options && options == OPTIONS_NONE)
		append(fields, OPTIONS, SLICE("SAMEORIGIN"));
}
