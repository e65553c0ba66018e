/* frame.c - frames around jobs: who asks for one, and who may show one. */
#include "browser/frame.h"

#include "http/head.h"
#include "http/write.h"

size_t
frame_ancestors(const char *const *origins, char out[FRAME_ANCESTORS_MAX])
{
	struct writer writer = writer_of(out, FRAME_ANCESTORS_MAX);

	write_literal(&writer, "frame-ancestors 'self'");
	for (; origins != NULL && *origins != NULL; origins++) {
		write_literal(&writer, " ");
		write_slice(&writer, slice_of(*origins));
	}
	return (size_t)(writer.at - out);
}

bool
frame_is_asked(const struct request *request)
{
	const struct fields *fields = &request->fields;

	return slice_equal(field_value(fields, FIELD_SEC_FETCH_DEST), SLICE("iframe")) &&
	       slice_equal(field_value(fields, FIELD_SEC_FETCH_MODE), SLICE("navigate"));
}

/* The only Referer; an empty slice without one, or with two. */
static struct slice
referer_of(const struct fields *fields)
{
	struct slice found = {0};

	for (size_t i = 0; i < fields->count; i++) {
		if (fields->items[i].id != FIELD_REFERER)
			continue;
		if (found.at != NULL)
			return (struct slice){0};
		found = fields->items[i].value;
	}
	return found;
}

bool
frame_is_from(const char *const *origins, const struct request *request)
{
	struct slice referer = referer_of(&request->fields), origin;

	if (!frame_is_asked(request))
		return false;
	for (; origins != NULL && *origins != NULL; origins++) {
		origin = slice_of(*origins);
		/* Browsers always write the slash behind the origin. */
		if (referer.len > origin.len && slice_starts_with(referer, origin) &&
		    referer.at[origin.len] == '/')
			return true;
	}
	return false;
}
