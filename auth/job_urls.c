/* job_urls.c - several URLs of one job, which lead to its replicas. */
#include "jobgate/job.h"

#include <string.h>

bool
jg_job_affinity_valid(struct slice text)
{
	return text.at == NULL || slice_equal(text, SLICE("cookie"));
}

/* What comes before the next blank, or all. */
static struct slice
first_of(struct slice text)
{
	const char *blank = text.len > 0 ? memchr(text.at, ' ', text.len) : NULL;

	return (struct slice){text.at, blank != NULL ? (size_t)(blank - text.at) : text.len};
}

bool
jg_job_urls_parse(struct slice text, struct job_url urls[JOB_URLS_MAX], size_t *count, size_t *bad)
{
	struct slice one;

	*count = *bad = 0;
	if (text.len == 0)
		return true;
	if (text.len > JOB_URL_MAX) {
		*bad = JOB_URL_MAX;
		return false;
	}
	for (size_t at = 0;; at += one.len + 1) {
		*bad = 0;
		one = first_of(slice_after(text, at));
		if (one.len == 0 || *count == JOB_URLS_MAX ||
		    !jg_job_url_parse(one, &urls[*count], bad)) {
			*bad += at;
			return false;
		}
		++*count;
		if (at + one.len == text.len)
			return true;
	}
}
