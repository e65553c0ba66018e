/* fuzz_values.c - credentials, token values, selectors, ids and job URLs. */
#include "fuzz.h"
#include "jobgate/decision.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = exact_copy(data, size), formatted[8192];
	struct slice text = {copy, size}, value, id;
	struct label labels[SELECTOR_LABELS_MAX], again[SELECTOR_LABELS_MAX];
	const uint64_t key[2] = {1, 2};
	struct bearer_memo memo = {0};
	struct bearer bearer;
	struct job_url url;
	size_t count, count_again, bad, len;

	if (jg_credential_parse(text, &value) == CREDENTIAL_BEARER)
		CHECK(value.len > 0);
	jg_bearer_recall(&memo, key, text);
	if (jg_bearer_recall(&memo, key, text) == CREDENTIAL_BEARER) {
		jg_bearer_read(value, &bearer);
		CHECK(memcmp(bearer.hash, memo.bearer.hash, sizeof(bearer.hash)) == 0);
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
	free(copy);
	return 0;
}
