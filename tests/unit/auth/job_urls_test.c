/* job_urls_test.c - several URLs of one job. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "jobgate/job.h"

static void
expect(struct slice text, size_t count, const char *first)
{
	struct job_url urls[JOB_URLS_MAX];
	size_t found, bad;

	if (!jg_job_urls_parse(text, urls, &found, &bad))
		fail_msg("'%.*s' is refused at %zu", (int)text.len, text.at, bad);
	assert_int_equal(found, count);
	assert_true(slice_equal(urls[0].host, slice_of(first)));
}

static void
expect_bad(struct slice text, size_t at)
{
	struct job_url urls[JOB_URLS_MAX];
	size_t count, bad;

	if (jg_job_urls_parse(text, urls, &count, &bad))
		fail_msg("'%.*s' is accepted", (int)text.len, text.at);
	assert_int_equal(bad, at);
}

static void
one_or_several(void **state)
{
	(void)state;
	expect(SLICE("http://a"), 1, "a");
	expect(SLICE("http://a https://b:1/base h2c://[::1]:3 unix:/s"), 4, "a");
	expect(SLICE("unix:/s http://a"), 2, "");
	expect(SLICE("http://a http://a"), 2, "a");
}

static void
none(void **state)
{
	struct job_url urls[JOB_URLS_MAX];
	size_t count, bad;

	(void)state;
	assert_true(jg_job_urls_parse((struct slice){0}, urls, &count, &bad));
	assert_int_equal(count, 0);
}

static void
refused(void **state)
{
	(void)state;
	expect_bad(SLICE(" "), 0);
	expect_bad(SLICE(" http://a"), 0);
	expect_bad(SLICE("http://a "), 9);
	expect_bad(SLICE("http://a  http://b"), 9);
	expect_bad(SLICE("http://a\thttp://b"), 8);
	expect_bad(SLICE("http://a,http://b"), 8);
	expect_bad(SLICE("http://a ftp://b"), 9);
	expect_bad(SLICE("http://a http://b/../c"), 18);
}

static void
limits(void **state)
{
	char text[JOB_URL_MAX + 2] = "";
	size_t len = 0;

	(void)state;
	for (size_t i = 0; i < JOB_URLS_MAX; i++)
		len += (size_t)snprintf(
		    text + len, sizeof(text) - len, "%shttp://h%zu", i > 0 ? " " : "", i);
	expect((struct slice){text, len}, JOB_URLS_MAX, "h0");
	snprintf(text + len, sizeof(text) - len, " http://one.more");
	expect_bad(slice_of(text), len + 1);
	snprintf(text, sizeof(text), "http://a http://b/%0*d", JOB_URL_MAX - 18, 0);
	expect(slice_of(text), 2, "a");
	snprintf(text, sizeof(text), "http://a http://b/%0*d", JOB_URL_MAX - 17, 0);
	expect_bad(slice_of(text), JOB_URL_MAX);
}

static void
each_by_its_index(void **state)
{
	struct job_url urls[JOB_URLS_MAX];
	size_t count, bad;

	(void)state;
	assert_true(
	    jg_job_urls_parse(SLICE("http://a:1 unix:/s https://c/base"), urls, &count, &bad));
	assert_int_equal(count, 3);
	assert_int_equal(urls[0].port, 1);
	assert_true(slice_equal(urls[1].path, SLICE("/s")));
	assert_true(slice_equal(urls[2].host, SLICE("c")));
	assert_true(slice_equal(urls[2].base, SLICE("/base")));
	assert_int_equal(urls[2].scheme, JOB_URL_HTTPS);
}

static void
set_in_a_job(void **state)
{
	const struct job_url urls[] = {
	    {.scheme = JOB_URL_HTTP, .port = 1}, {.scheme = JOB_URL_HTTP, .port = 2}};
	struct job job = {0};

	(void)state;
	jg_job_set_urls(&job, urls, 0);
	assert_int_equal(job.url.scheme, JOB_URL_NONE);
	jg_job_set_urls(&job, urls, 1);
	assert_int_equal(job.url.port, 1);
	assert_int_equal(job.replicas.count, 0);
	jg_job_set_urls(&job, urls, 2);
	assert_int_equal(job.url.port, 1);
	assert_int_equal(job.replicas.count, 2);
	assert_int_equal(job.replicas.items[1].port, 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(one_or_several),
	    cmocka_unit_test(none),
	    cmocka_unit_test(refused),
	    cmocka_unit_test(limits),
	    cmocka_unit_test(each_by_its_index),
	    cmocka_unit_test(set_in_a_job),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
