/* fuzz_credential_order.c - the credential that counts: it lies in its field or in the room, looks
 * like ours, does not depend on the order of the fields, and the job gets nothing like it, not
 * even as a subprotocol. */
#include "exchange/credential_order.h"
#include "exchange/query_token.h"
#include "exchange/subprotocol.h"
#include "fuzz.h"

#define FIELDS 8

/* A line is a field: the first byte says which, the rest is its value. Q is the query. */
static void
read_lines(struct slice text, struct field *items, struct fields *fields, struct slice *query)
{
	*query = (struct slice){0};
	*fields = (struct fields){items, 0};
	while (text.len > 0 && fields->count < FIELDS) {
		const char *end = memchr(text.at, '\n', text.len);
		size_t len = end != NULL ? (size_t)(end - text.at) : text.len;

		if (len > 1 && text.at[0] == 'Q' && text.at[1] == '?')
			*query = (struct slice){text.at + 1, len - 1};
		else if (len > 0)
			items[fields->count++] = (struct field){
			    .value = slice_trim((struct slice){text.at + 1, len - 1}),
			    .id = text.at[0] == 'A'   ? FIELD_AUTHORIZATION
				  : text.at[0] == 'J' ? FIELD_X_JOBGATE_AUTHORIZATION
				  : text.at[0] == 'S' ? FIELD_SEC_WEBSOCKET_PROTOCOL
						      : FIELD_OTHER};
		text = slice_after(text, len + (end != NULL));
	}
}

static size_t
count_of(const struct fields *fields, enum field_id id)
{
	size_t n = 0;

	for (size_t i = 0; i < fields->count; i++)
		n += fields->items[i].id == id;
	return n;
}

/* What every reader of Authorization would take for a token of ours. */
static bool
shows_token(const struct fields *fields)
{
	for (size_t i = 0; i < fields->count; i++) {
		struct slice value = fields->items[i].value;
		const char *at;

		if (fields->items[i].id != FIELD_AUTHORIZATION || value.len < 4)
			continue;
		at = memmem(value.at, value.len, " jgt_", 5);
		if (at != NULL || memcmp(value.at, "jgt_", 4) == 0)
			return true;
	}
	return false;
}

static void
check(const struct fields *fields, const struct presented *presented, struct slice copy,
    struct slice room)
{
	size_t authorizations = count_of(fields, FIELD_AUTHORIZATION);
	size_t own = count_of(fields, FIELD_X_JOBGATE_AUTHORIZATION);

	CHECK((presented->carrier != CARRIER_NONE) == (presented->credential == CREDENTIAL_BEARER));
	CHECK(presented->used <= room.len);
	if (authorizations > 1 || own > 1)
		CHECK(presented->credential == CREDENTIAL_MALFORMED);
	if (authorizations + own == 0)
		CHECK(presented->credential == CREDENTIAL_NONE ||
		      presented->carrier == CARRIER_QUERY ||
		      count_of(fields, FIELD_SEC_WEBSOCKET_PROTOCOL) > 0 ||
		      presented->credential == CREDENTIAL_MALFORMED);
	else
		CHECK(presented->credential != CREDENTIAL_NONE);
	if (presented->carrier == CARRIER_AUTHORIZATION)
		CHECK(presented->ours_in_authorization);
	CHECK(!shows_token(fields) || presented->ours_in_authorization);
	if (presented->credential != CREDENTIAL_BEARER)
		return;
	CHECK(slice_starts_with(presented->value, SLICE("jgt_")));
	CHECK(slice_within(presented->value, copy) ||
	      slice_within(presented->value, (struct slice){room.at, presented->used}));
}

/* The job gets no subprotocol that would count, and what it gets needs no second look. */
static void
check_subprotocols(struct fields *fields, char *room, size_t cap)
{
	struct writer writer = writer_of(room, cap), again;
	struct field rest = {.id = FIELD_SEC_WEBSOCKET_PROTOCOL};
	const struct fields left = {&rest, 1};
	struct presented presented;
	char *other = malloc(cap + 1);

	CHECK(other != NULL);
	subprotocols_write(&writer, fields);
	rest.value = (struct slice){room, (size_t)(writer.at - room)};
	again = writer_of(other, cap);
	if (!writer.full)
		CHECK(!subprotocols_write(&again, &left).others);
	credential_order(&(struct credential_sources){&left, true, {0}}, other, cap, &presented);
	CHECK(writer.full || presented.credential == CREDENTIAL_NONE);
	free(other);
}

/* The job gets no query with a token that would count. */
static void
check_query(struct slice query, size_t cap)
{
	char *room = malloc(cap + 1), *other = malloc(cap + 1);
	struct request request = {.query = query};
	struct query_tokens tokens;

	CHECK(room != NULL && other != NULL);
	query_hide_ours(&request, room, cap);
	CHECK(request.query.len <= query.len);
	CHECK(!query_holds_ours(request.query, other, cap));
	query_tokens_find(request.query, other, cap, &tokens);
	CHECK(tokens.ours == 0);
	free(other);
	free(room);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = exact_copy(data, size), *room = malloc(size + 1), *other = malloc(size + 1);
	struct field items[FIELDS], reversed[FIELDS];
	struct presented presented, again;
	struct fields fields, back;
	struct slice query;

	CHECK(room != NULL && other != NULL);
	read_lines((struct slice){copy, size}, items, &fields, &query);
	credential_order(
	    &(struct credential_sources){&fields, true, query}, room, size, &presented);
	check(&fields, &presented, (struct slice){copy, size}, (struct slice){room, size});
	back = (struct fields){reversed, fields.count};
	for (size_t i = 0; i < fields.count; i++)
		reversed[i] = items[fields.count - 1 - i];
	credential_order(&(struct credential_sources){&back, true, query}, other, size, &again);
	CHECK(again.credential == presented.credential && again.carrier == presented.carrier);
	CHECK(again.ours_in_authorization == presented.ours_in_authorization);
	CHECK(slice_equal(again.value, presented.value));
	check_subprotocols(&fields, room, size);
	check_query(query, size);
	free(other);
	free(room);
	free(copy);
	return 0;
}
