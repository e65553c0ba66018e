/* h2_fields.c - the rules that the fields of each head must follow. */
#include "http/h2_fields.h"

/* The ids of pseudo-fields are consecutive, in the order of enum h2_pseudo. */
#define PSEUDO(id) _Static_assert(FIELD_PSEUDO_##id - FIELD_PSEUDO_AUTHORITY == H2_##id, #id);
PSEUDO(METHOD)
PSEUDO(PATH)
PSEUDO(PROTOCOL)
PSEUDO(SCHEME)
PSEUDO(STATUS)
#undef PSEUDO

static bool
is_pseudo(enum field_id id)
{
	return id >= FIELD_PSEUDO_AUTHORITY && id <= FIELD_PSEUDO_STATUS;
}

/* Move the pseudo-fields from the beginning of the list to `pseudo`. */
static bool
read_pseudo_fields(struct fields *fields, unsigned allowed, struct h2_list *out)
{
	for (; fields->count > 0 && is_pseudo(fields->items[0].id);
	     fields->items++, fields->count--) {
		const struct field *field = &fields->items[0];
		unsigned id = field->id - FIELD_PSEUDO_AUTHORITY;

		if ((allowed >> id & 1) == 0 || (out->present >> id & 1) != 0)
			return false;
		out->present |= 1U << id;
		out->pseudo[id] = field->value;
		out->bytes += field->name.len + field->value.len + 4;
	}
	return true;
}

bool
h2_list_read(const struct hpack_block *block, unsigned allowed, struct h2_list *out)
{
	struct fields fields = {block->fields, block->count};

	*out = (struct h2_list){0};
	if (block->malformed || !read_pseudo_fields(&fields, allowed, out))
		return false;
	for (size_t i = 0; i < fields.count; i++) {
		const struct field *field = &fields.items[i];

		out->bytes += field->name.len + field->value.len + 4;
		switch (field->id) {
		case FIELD_CONNECTION:
		case FIELD_KEEP_ALIVE:
		case FIELD_PROXY_CONNECTION:
		case FIELD_TRANSFER_ENCODING:
		case FIELD_UPGRADE:
		case FIELD_PSEUDO_AUTHORITY:
		case FIELD_PSEUDO_METHOD:
		case FIELD_PSEUDO_PATH:
		case FIELD_PSEUDO_PROTOCOL:
		case FIELD_PSEUDO_SCHEME:
		case FIELD_PSEUDO_STATUS:
			return false;
		case FIELD_TE:
			if (!slice_equal_nocase(field->value, SLICE("trailers")))
				return false;
			break;
		case FIELD_COOKIE:
			out->cookies++;
			break;
		default:
			break; /* it may stand in any list */
		}
	}
	out->fields = fields;
	return true;
}

bool
h2_trailers_read(const struct hpack_block *block, const char *const *listed, struct fields *out)
{
	struct h2_list list;

	if (block->too_large || !h2_list_read(block, 0, &list))
		return false;
	*out = list.fields;
	trailers_mark(out, listed);
	return true;
}
