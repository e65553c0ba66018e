/* head.c - reads the header fields, one after another. */
#define _GNU_SOURCE 1 /* memrchr */
#include "auth/control/head.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/crypto.h>

static void
wrong(struct head *head, const char *error)
{
	if (head->error == NULL)
		head->error = error;
}

static bool
is_plain(struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		if (((unsigned char)text.at[i] < ' ' && text.at[i] != '\t') || text.at[i] == 0x7f)
			return false;
	return true;
}

/* RFC 9112 section 6: one length of digits, or one coding, which is chunked. */
static void
take_framing(struct head *head, struct slice name, struct slice value)
{
	uint64_t length;

	if (slice_equal_nocase(name, SLICE("Content-Length"))) {
		if (head->has_length || value.len > 18 ||
		    !slice_to_number(value, UINT64_MAX, &length))
			wrong(head, "Content-Length must be one number");
		head->has_length = true;
	} else if (slice_equal_nocase(name, SLICE("Transfer-Encoding"))) {
		if (head->has_coding || !slice_equal_nocase(value, SLICE("chunked")))
			wrong(head, "the only Transfer-Encoding that is accepted is chunked");
		head->has_coding = true;
	}
	if (head->has_length && head->has_coding)
		wrong(head, "Content-Length and Transfer-Encoding exclude each other");
}

static bool
is_address(struct slice text)
{
	char copy[INET6_ADDRSTRLEN];
	struct in6_addr address;

	if (text.len >= sizeof(copy))
		return false;
	memcpy(copy, text.at, text.len);
	copy[text.len] = '\0';
	return inet_pton(AF_INET, copy, &address) == 1 || inet_pton(AF_INET6, copy, &address) == 1;
}

static void
take_client(struct head *head, struct slice list)
{
	struct slice rest = list, kept = slice_after(list, list.len);
	const char *comma;

	do {
		struct slice item;

		comma = memrchr(rest.at, ',', rest.len);
		item = slice_trim(
		    slice_after(rest, comma != NULL ? (size_t)(comma + 1 - rest.at) : 0));
		/* Our own worker writes "unix" for a client at a Unix socket. */
		if (!is_address(item) && !(kept.len == 0 && slice_equal(item, SLICE("unix"))))
			break;
		item.len = (size_t)(list.at + list.len - item.at);
		if (item.len > HEAD_CLIENT_MAX)
			break;
		kept = item;
		if (comma != NULL)
			rest.len = (size_t)(comma - rest.at);
	} while (comma != NULL);
	snprintf(head->client, sizeof(head->client), "%.*s", (int)kept.len, kept.at);
}

/* Copy a value that may come only once and has a limited length. */
static void
take_text(struct head *head, struct slice value, char *to, size_t cap)
{
	if (to[0] != '\0' || value.len == 0 || value.len >= cap)
		wrong(head, "a worker names its caller exactly once, in the agreed form");
	else
		memcpy(to, value.at, value.len);
}

static void
take_vouched(struct head *head, struct slice name, struct slice value)
{
	struct vouched *vouched = &head->vouched;

	if (slice_equal_nocase(name, SLICE(CONTROL_FIELD_SECRET)))
		take_text(head, value, vouched->secret, sizeof(vouched->secret));
	else if (slice_equal_nocase(name, SLICE(CONTROL_FIELD_TOKEN)))
		take_text(head, value, vouched->token, sizeof(vouched->token));
	else if (slice_equal_nocase(name, SLICE(CONTROL_FIELD_VERSION)))
		take_text(head, value, vouched->version, sizeof(vouched->version));
	else if (slice_equal_nocase(name, SLICE(CONTROL_FIELD_MARK)))
		take_text(head, value, vouched->mark, sizeof(vouched->mark));
	else if (slice_equal_nocase(name, SLICE(CONTROL_FIELD_ADDRESS)))
		take_text(head, value, vouched->address, sizeof(vouched->address));
}

static bool
take_authorization(struct head *head, struct slice value)
{
	if (head->authorizations++ > 0)
		return true;
	head->authorization = malloc(value.len + 1);
	if (head->authorization == NULL)
		return false;
	memcpy(head->authorization, value.at, value.len);
	head->authorization[value.len] = '\0';
	return true;
}

bool
head_field(struct head *head, struct slice name, struct slice value)
{
	head->fields++;
	head->len += name.len + value.len + 4; /* ": " and CR LF */
	if (head->fields > CONTROL_FIELDS_MAX || head->len > CONTROL_HEAD_MAX) {
		head->too_large = true;
		return true;
	}
	value = slice_trim(value);
	if (!slice_is_token(name))
		wrong(head, "a field's name is not a token (RFC 9110 section 5.6.2)");
	if (!is_plain(value))
		wrong(head, "a field's value has control characters");
	take_framing(head, name, value);
	if (slice_equal_nocase(name, SLICE("X-Request-Id")) && value.len <= HEAD_REQUEST_ID_MAX)
		snprintf(
		    head->request_id, sizeof(head->request_id), "%.*s", (int)value.len, value.at);
	if (slice_equal_nocase(name, SLICE("X-Forwarded-For")))
		take_client(head, value);
	if (slice_equal_nocase(name, SLICE("Accept")))
		jg_accepted_add(&head->accepted, value);
	take_vouched(head, name, value);
	if (slice_equal_nocase(name, SLICE("Authorization")))
		return take_authorization(head, value);
	return true;
}

void
head_clear(struct head *head)
{
	if (head->authorization != NULL)
		OPENSSL_cleanse(head->authorization, strlen(head->authorization));
	free(head->authorization);
	OPENSSL_cleanse(head->vouched.secret, sizeof(head->vouched.secret));
	*head = (struct head){0};
}
