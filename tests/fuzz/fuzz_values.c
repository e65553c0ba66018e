/* fuzz_values.c - credentials, token values, selectors, ids, job and store URLs, addresses. */
#include "auth/redis/url.h"
#include "fuzz.h"
#include "jobgate/decision.h"
#include "net/address.h"

/* What is taken for an address reads the same once it is written out. */
static void
try_address(struct slice text)
{
	struct address address, again;
	char host[ADDRESS_TEXT_MAX];

	if (!address_parse(text, 80, &address))
		return;
	address_format_host((struct sockaddr *)&address.storage, host);
	CHECK(address_parse(slice_of(host), 80, &again));
	address_format((struct sockaddr *)&again.storage, host);
	CHECK(strlen(host) < sizeof(host));
}

static void
try_store_url(struct slice text)
{
	struct redis_url url;
	char error[128] = "", *name = malloc(text.len + 1);

	CHECK(name != NULL);
	memcpy(name, text.at, text.len);
	name[text.len] = '\0';
	if (redis_url_parse(name, &url, error, sizeof(error)))
		/* Exactly one of these says where the store is. */
		CHECK((url.path[0] != '\0') + (url.host[0] != '\0') + (url.place_count > 0) == 1);
	else
		CHECK(error[0] != '\0');
	redis_url_wipe(&url);
	free(name);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = exact_copy(data, size), formatted[8192];
	struct slice text = {copy, size}, value, id;
	struct label labels[SELECTOR_LABELS_MAX], again[SELECTOR_LABELS_MAX];
	const struct mint mint = {.state = MINT_ENFORCED, .edition = 1};
	unsigned char key[MINT_KEY_LEN];
	char name[MINT_KEY_TEXT_LEN + 1];
	static struct digest_cache cache;
	struct cached_digest *digest;
	struct bearer bearer;
	struct job_url url, urls[JOB_URLS_MAX];
	size_t count, count_again, bad, len;

	if (jg_credential_parse(text, &value) == CREDENTIAL_BEARER)
		CHECK(value.len > 0);
	jg_bearer_recall(&cache, &mint, text);
	digest = jg_bearer_recall(&cache, &mint, text);
	jg_bearer_read(&mint, text, &bearer);
	CHECK(memcmp(bearer.hash, digest->bearer.hash, sizeof(bearer.hash)) == 0);
	CHECK(bearer.formed == digest->bearer.formed);
	CHECK(!bearer.formed || jg_mint_accepts(&mint, text));
	if (jg_mint_key_parse(text, key)) {
		jg_mint_key_format(key, name);
		CHECK(slice_equal_nocase(text, slice_of(name)));
	}
	if (jg_token_value_parse(text, &id))
		CHECK(size == TOKEN_VALUE_LEN && jg_token_id_valid(id));
	if (jg_selector_parse(text, labels, &count, &bad) == LABEL_OK) {
		struct label_set set = {count, labels};

		CHECK(jg_selector_match(&set, &set));
		len = jg_selector_format(&set, formatted, sizeof(formatted));
		CHECK(len < sizeof(formatted));
		CHECK(jg_selector_parse(
			  (struct slice){formatted, len}, again, &count_again, &bad) == LABEL_OK);
		CHECK(count_again == count);
	} else {
		CHECK(bad <= size);
	}
	jg_token_name_valid(text);
	jg_job_id_valid(text);
	if (!jg_job_url_parse(text, &url, &bad))
		CHECK(bad <= size);
	if (!jg_job_urls_parse(text, urls, &count, &bad))
		CHECK(bad <= size);
	try_address(text);
	try_store_url(text);
	free(copy);
	return 0;
}
