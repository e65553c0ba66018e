/* names.c - finds the field that a name means. */
#include "http/names.h"

#include "http/bytes.h"
#include "http/head.h"

const struct field_rule field_rules[FIELD_COUNT] = {
#define KIND(id, to_backend, to_client, flags) \
	[FIELD_##id] = {TO_BACKEND_##to_backend, TO_CLIENT_##to_client, flags},
#include "jobgate/fields.def"
};

_Static_assert(FIELD_OTHER == 0, "a zeroed field is any other one");

#define NAME_LEN_MAX 28 /* the most bytes of a name in the table */
#define NAME_ROOM 32	/* the most bytes of the beginning of a name */

#define NAME(id, name) \
	_Static_assert(sizeof(name) - 1 <= NAME_LEN_MAX, name " needs a case in find_name");
#define PREFIX(id, begin) _Static_assert(sizeof(begin) - 1 <= NAME_ROOM, begin " is too long");
#include "jobgate/fields.def"

/* The beginning of a name, in lower case. It is filled with spaces, which no name has. */
union lower {
	uint64_t words[NAME_ROOM / sizeof(uint64_t)];
	char text[NAME_ROOM];
};

/*
 * For a name of only letters, digits and '-': bit 5 is set in lower case letters, digits and '-',
 * and clear in upper case letters.
 */
static void
lower_begin(struct slice name, union lower *out)
{
	*out = (union lower){{0}};
	memcpy(out->text, name.at, name.len < NAME_ROOM ? name.len : NAME_ROOM);
	for (size_t i = 0; i < NAME_ROOM / sizeof(uint64_t); i++)
		out->words[i] |= 0x2020202020202020;
}

/*
 * The id of a name of this length, or FIELD_COUNT. len is a constant wherever this is inlined, so
 * only the comparisons with names of this length remain, each with constants.
 */
static inline __attribute__((always_inline)) enum field_id
/* A branch for each row. NOLINTNEXTLINE(readability-function-cognitive-complexity) */
find_name_of(const char *lower, size_t len)
{
#define NAME(id, name)                                                             \
	if (len == sizeof(name) - 1 && memcmp(lower, name, sizeof(name) - 1) == 0) \
		return FIELD_##id;
#include "jobgate/fields.def"
	return FIELD_COUNT;
}

#define FOUR_CASES(first) CASE(first) CASE((first) + 1) CASE((first) + 2) CASE((first) + 3)

/* The id of a name, or FIELD_COUNT. */
static enum field_id
find_name(const char *lower, size_t len)
{
	switch (len) {
#define CASE(len) \
	case len: \
		return find_name_of(lower, len);
		/* clang-format off */
		FOUR_CASES(1) FOUR_CASES(5) FOUR_CASES(9) FOUR_CASES(13)
		FOUR_CASES(17) FOUR_CASES(21) FOUR_CASES(25)
	default:
		return FIELD_COUNT;
		/* clang-format on */
#undef CASE
	}
}

/*
 * The id of a name by its beginning, among the beginnings with this first letter; see find_name_of.
 */
static inline __attribute__((always_inline)) enum field_id
/* A branch for each row. NOLINTNEXTLINE(readability-function-cognitive-complexity) */
find_prefix_of(const char *lower, char first)
{
#define PREFIX(id, begin)                                                        \
	if (first == (begin)[0] && memcmp(lower, begin, sizeof(begin) - 1) == 0) \
		return FIELD_##id;
#include "jobgate/fields.def"
	return FIELD_OTHER;
}

static enum field_id
find_prefix(const char *lower)
{
	switch (lower[0]) {
#define CASE(first) \
	case first: \
		return find_prefix_of(lower, first);
		/* clang-format off */
		FOUR_CASES('a') FOUR_CASES('e') FOUR_CASES('i') FOUR_CASES('m')
		FOUR_CASES('q') FOUR_CASES('u') CASE('y') CASE('z')
	default:
		return FIELD_OTHER;
		/* clang-format on */
#undef CASE
	}
}

enum field_id
name_identify_plain(struct slice name)
{
	union lower lower;
	enum field_id id;

	lower_begin(name, &lower);
	id = find_name(lower.text, name.len);
	return id != FIELD_COUNT ? id : find_prefix(lower.text);
}

/* The byte that a CGI-like interface makes of a byte of a name. */
static char
plain(char c)
{
	return (char)(byte_is((unsigned char)c, BYTE_NAME) ? c : '-');
}

/*
 * CGI-like interfaces do not distinguish '-' and '_' in a name, and some of them no marks at all
 * (X_Forwarded_For and X.Forwarded.For become HTTP_X_FORWARDED_FOR, too). So a backend could take a
 * name that differs only there for one that the gateway sets itself.
 */
enum field_id
name_identify_disguised(struct slice name)
{
	char text[NAME_ROOM];
	size_t len = name.len < sizeof(text) ? name.len : sizeof(text);
	enum field_id id;

	for (size_t i = 0; i < len; i++)
		text[i] = plain(name.at[i]);
	id = name_identify_plain((struct slice){text, len});
	return field_has(id, LOOKALIKES_PASS) ? FIELD_OTHER : FIELD_DISGUISED;
}

enum field_id
field_identify(struct slice name)
{
	for (size_t i = 0; i < name.len; i++)
		if (!byte_is((unsigned char)name.at[i], BYTE_NAME))
			return name_identify_disguised(name);
	return name_identify_plain(name);
}

/* RFC 9113 sections 8.3.1 and 8.3.2, RFC 8441 section 4. */
static bool
identify_pseudo(struct slice name, enum field_id *id)
{
	static const struct {
		struct slice name;
		enum field_id id;
	} known[] = {
	    {SLICE(":authority"), FIELD_PSEUDO_AUTHORITY},
	    {SLICE(":method"), FIELD_PSEUDO_METHOD},
	    {SLICE(":path"), FIELD_PSEUDO_PATH},
	    {SLICE(":protocol"), FIELD_PSEUDO_PROTOCOL},
	    {SLICE(":scheme"), FIELD_PSEUDO_SCHEME},
	    {SLICE(":status"), FIELD_PSEUDO_STATUS},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (slice_equal(name, known[i].name)) {
			*id = known[i].id;
			return true;
		}
	return false;
}

bool
h2_name_identify(struct slice name, enum field_id *id)
{
	unsigned char classes = BYTE_LOWER | BYTE_NAME; /* the classes to which all bytes belong */

	*id = FIELD_OTHER;
	if (name.len == 0)
		return false;
	if (name.at[0] == ':')
		return identify_pseudo(name, id);
	for (size_t i = 0; i < name.len; i++)
		classes &= byte_classes[(unsigned char)name.at[i]];
	if ((classes & BYTE_LOWER) == 0)
		return false;
	*id = classes & BYTE_NAME ? name_identify_plain(name) : name_identify_disguised(name);
	return true;
}

/* The same as plain, in lower case. */
static char
plain_lower(char c)
{
	c = plain(c);
	return (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
}

bool
name_pattern_make(char *text)
{
	size_t len = strlen(text);

	if (len > 1 && text[len - 1] == '*')
		len--;
	if (!is_token((struct slice){text, len}) || memchr(text, '*', len) != NULL)
		return false;
	for (size_t i = 0; i < len; i++)
		text[i] = plain_lower(text[i]);
	return true;
}

static bool
matches(const char *pattern, struct slice name)
{
	size_t i = 0;

	while (i < name.len && pattern[i] == plain_lower(name.at[i]))
		i++;
	return pattern[i] == '*' || (pattern[i] == '\0' && i == name.len);
}

bool
name_is_listed(struct slice name, const char *const *patterns)
{
	for (const char *const *at = patterns; at != NULL && *at != NULL; at++)
		if (matches(*at, name))
			return true;
	return false;
}
