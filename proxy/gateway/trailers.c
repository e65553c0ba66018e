/* trailers.c - which fields behind a message's content travel on. */
#include "gateway/trailers.h"

#include "gateway/state.h"
#include "http/names.h"

const struct fields *
trailers_take(
    struct gateway *gateway, struct slice section, const char *const *listed, struct fields *out)
{
	*out = (struct fields){gateway->scratch.trailers, 0};
	if (fields_parse(section, out->items, gateway->options.limits.head.fields, &out->count) !=
	    HEAD_COMPLETE)
		return NULL;
	for (size_t i = 0; i < out->count; i++)
		out->items[i].dropped = !field_has(out->items[i].id, TRAILERS_TOO) ||
					name_is_listed(out->items[i].name, listed);
	return out;
}
