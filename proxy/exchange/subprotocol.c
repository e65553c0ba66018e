/* subprotocol.c - tokens among the subprotocols of a WebSocket. */
#include "exchange/subprotocol.h"

#include <openssl/crypto.h>

#include "exchange/ours.h"
#include "http/base64.h"

#define OUR_FORM SLICE("base64url.bearer.authorization.jobgate.")
#define JUPYTER_FORM SLICE("v1.token.websocket.jupyter.org.")

/* The part after the last dot: other servers have forms like ours, with a name of their own. */
static struct slice
last_part(struct slice member)
{
	const char *dot = memrchr(member.at, '.', member.len);

	return dot != NULL ? slice_after(member, (size_t)(dot - member.at) + 1) : member;
}

enum subprotocol
subprotocol_read(struct slice member, char *room, size_t cap, struct slice *value, size_t *used)
{
	*used = 0;
	if (slice_equal(member, SUBPROTOCOL_OF_GATEWAY))
		return SUBPROTOCOL_GATEWAY;
	if (slice_starts_with(member, OUR_FORM)) {
		if (!base64url_decode(slice_after(member, OUR_FORM.len), room, cap, value))
			return SUBPROTOCOL_MALFORMED;
		*used = value->len;
		return is_ours(*value) ? SUBPROTOCOL_TOKEN : SUBPROTOCOL_FOREIGN;
	}
	if (slice_starts_with(member, JUPYTER_FORM)) {
		*value = slice_after(member, JUPYTER_FORM.len);
		if (is_ours(*value))
			return SUBPROTOCOL_TOKEN;
	}
	*value = base64_decode_leniently(last_part(member), BASE64_PADDING_IS_SKIPPED, room, cap);
	*used = value->len;
	return holds_ours(member) || holds_ours(*value) ? SUBPROTOCOL_HIDDEN : SUBPROTOCOL_JOB;
}

/* The same, when the value does not matter. */
static enum subprotocol
kind_of(struct slice member, char *room, size_t cap)
{
	struct slice value;
	size_t used;
	enum subprotocol kind = subprotocol_read(member, room, cap, &value, &used);

	OPENSSL_cleanse(room, used);
	return kind;
}

bool
subprotocol_next(struct slice *rest, struct slice *member)
{
	while (rest->len > 0) {
		const char *comma = memchr(rest->at, ',', rest->len);
		size_t len = comma != NULL ? (size_t)(comma - rest->at) : rest->len;

		*member = slice_trim((struct slice){rest->at, len});
		*rest = slice_after(*rest, len + (comma != NULL));
		if (member->len > 0)
			return true;
	}
	return false;
}

struct subprotocols_found
subprotocols_write(struct writer *writer, const struct fields *fields)
{
	struct subprotocols_found found = {0};
	const char *begin = writer->at;

	for (size_t i = 0; i < fields->count; i++) {
		struct slice list = fields->items[i].value, member;

		if (fields->items[i].id != FIELD_SEC_WEBSOCKET_PROTOCOL || fields->items[i].dropped)
			continue;
		while (subprotocol_next(&list, &member)) {
			enum subprotocol kind =
			    kind_of(member, writer->at, (size_t)(writer->end - writer->at));

			found.for_gateway = found.for_gateway || kind == SUBPROTOCOL_GATEWAY;
			found.others = found.others || kind != SUBPROTOCOL_JOB;
			if (kind != SUBPROTOCOL_JOB)
				continue;
			found.for_job = true;
			if (writer->at > begin)
				write_literal(writer, ", ");
			write_slice(writer, member);
		}
	}
	return found;
}
