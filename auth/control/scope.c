/* scope.c - compares labels with an operator's own selector. */
#include "auth/control/scope.h"
#include "auth/record.h"

#include "jobgate/ip.h"

bool
scope_has(const struct label_set *scope, const struct record *record)
{
	return jg_selector_match(scope, record_labels(record));
}

bool
scope_shares(const struct label_set *a, const struct label_set *b)
{
	for (size_t i = 0; i < a->count; i++)
		for (size_t j = 0; j < b->count; j++)
			if (slice_equal(a->items[i].name, b->items[j].name) &&
			    slice_equal(a->items[i].value, b->items[j].value))
				return true;
	return false;
}

enum scope_merge
scope_add(const struct label_set *scope, struct label *labels, size_t *count, size_t max,
    struct slice *culprit)
{
	for (size_t i = 0; i < scope->count; i++) {
		const struct label *wanted = &scope->items[i];
		size_t at = 0;

		while (at < *count && !slice_equal(labels[at].name, wanted->name))
			at++;
		if (at < *count) {
			*culprit = wanted->name;
			if (!slice_equal(labels[at].value, wanted->value))
				return SCOPE_CONTRADICTED;
			continue;
		}
		if (*count == max)
			return SCOPE_TOO_MANY;
		labels[(*count)++] = *wanted;
	}
	return SCOPE_OK;
}

/* True when the patch removes or changes this label. */
static bool
touches(const struct record_input *patch, const struct label *label)
{
	if ((patch->removed & FIELD_BIT(JOB_FIELD_LABELS)) != 0)
		return true;
	for (size_t i = 0; i < patch->removed_label_count; i++)
		if (slice_equal(patch->removed_labels[i], label->name))
			return true;
	for (size_t i = 0; i < patch->label_count; i++)
		if (slice_equal(patch->labels[i].name, label->name))
			return !slice_equal(patch->labels[i].value, label->value);
	return false;
}

bool
scope_left_by(const struct label_set *scope, const struct record_input *patch)
{
	for (size_t i = 0; i < scope->count; i++)
		if (touches(patch, &scope->items[i]))
			return true;
	return false;
}

static bool
leads_into(const struct job_url *url, const struct ip_range *ranges, size_t count)
{
	struct in6_addr address;
	bool is_address;

	if (url->host.len == 0)
		return false;
	is_address = jg_ip_parse(url->host, &address);
	for (size_t i = 0; i < count; i++)
		if (ranges[i].prefix == 0 ||
		    (is_address && jg_ip_range_contains(&ranges[i], &address)))
			return true;
	return false;
}

bool
scope_may_lead_to(struct slice text, const struct ip_range *ranges, size_t range_count)
{
	struct job_url urls[JOB_URLS_MAX];
	size_t count, bad;

	if (!jg_job_urls_parse(text, urls, &count, &bad) || count == 0)
		return false;
	for (size_t i = 0; i < count; i++)
		if (!leads_into(&urls[i], ranges, range_count))
			return false;
	return true;
}
