/* route_test.c - which job a request is for, and that no request is for two. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "exchange/route.h"

static const char *const control_taken[] = {"control", NULL};

static const struct route_forms both = {.domain = "jobs.example.org", .prefix = "/jobs"};
static const struct route_forms host_only = {.domain = "jobs.example.org"};
static const struct route_forms path_only = {.prefix = "/jobs"};
static struct route route;

static void
find(const struct route_forms *forms, const char *authority, const char *path)
{
	route_find(forms, slice_of(authority), slice_of(path), &route);
}

static void
expect_job(const struct route_forms *forms, const char *authority, const char *path,
    const char *job, const char *prefix, const char *rest)
{
	find(forms, authority, path);
	if (!route.names_job || !slice_equal(route_job(&route), slice_of(job)))
		fail_msg("%s%s is not for %s", authority, path, job);
	assert_true(slice_equal(route_prefix(&route, slice_of(path)), slice_of(prefix)));
	assert_true(slice_equal(route_path(&route, slice_of(path)), slice_of(rest)));
}

static void
expect_none(const struct route_forms *forms, const char *authority, const char *path)
{
	find(forms, authority, path);
	if (route.names_job)
		fail_msg("%s%s is for %.*s", authority, path, route.job_len, route.job);
}

/* The control API's host, in any writing, and nothing else; it is never a job's. */
static void
control_host(void **state)
{
	static const char *const taken[] = {"control", NULL};
	static const struct route_forms forms = {.domain = "jobs.example.org",
	    .prefix = "/jobs",
	    .control = "control.jobs.example.org",
	    .taken = taken};
	static const struct route_forms sidecar = {
	    .fixed = "only", .control = "control.example.org"};
	static const char *const its[] = {"control.jobs.example.org", "CONTROL.Jobs.example.ORG",
	    "control.jobs.example.org.", "control.jobs.example.org:8080"};
	static const char *const others[] = {"control.jobs.example.orgx",
	    "x.control.jobs.example.org", "jobs.example.org", "control",
	    "control.jobs.example.org..", ""};

	(void)state;
	for (size_t i = 0; i < sizeof(its) / sizeof(its[0]); i++) {
		find(&forms, its[i], "/jobs/demo/");
		assert_true(route.names_control && !route.names_job);
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		find(&forms, others[i], "/v1/jobs");
		assert_false(route.names_control);
	}
	find(&sidecar, "control.example.org", "/");
	assert_true(route.names_control && !route.names_job);
	find(&sidecar, "elsewhere", "/");
	assert_true(route.names_job && !route.names_control);
	find(&both, "control.jobs.example.org", "/");
	assert_true(route.names_job && !route.names_control);
}

/* The sign-in host, in any writing; it and its id are never a job's. */
static void
sign_in_host(void **state)
{
	static const char *const taken[] = {"control", "auth", NULL};
	static const struct route_forms forms = {.domain = "jobs.example.org",
	    .prefix = "/jobs",
	    .control = "control.jobs.example.org",
	    .sign_in = "auth.jobs.example.org",
	    .taken = taken};
	static const char *const its[] = {"auth.jobs.example.org", "AUTH.jobs.example.org.:8443"};

	(void)state;
	for (size_t i = 0; i < sizeof(its) / sizeof(its[0]); i++) {
		find(&forms, its[i], "/jobs/demo/");
		assert_true(route.names_sign_in && !route.names_job && !route.names_control);
	}
	find(&forms, "demo.jobs.example.org", "/");
	assert_true(route.names_job && !route.names_sign_in);
	expect_none(&forms, "gateway", "/jobs/auth/");
	expect_none(&forms, "gateway", "/jobs/control/");
	expect_none(&forms, "a.auth.jobs.example.org", "/");
	assert_false(route.names_sign_in);
}

/* A host of its own: one under the domain, and a sidecar's if it is named. */
static void
own_host(void **state)
{
	static const struct route_forms unnamed = {.fixed = "only"};
	static const struct route_forms named = {.fixed = "only", .fixed_host = "only.example.org"};

	(void)state;
	find(&both, "demo.jobs.example.org", "/");
	assert_true(route.own_host);
	find(&both, "gateway", "/jobs/demo/");
	assert_false(route.own_host);
	find(&both, "de_mo.jobs.example.org", "/");
	assert_false(route.own_host);
	find(&unnamed, "only.example.org", "/");
	assert_true(route.names_job && !route.own_host);
	find(&named, "ONLY.example.org.:8443", "/");
	assert_true(route.names_job && route.own_host);
	find(&named, "other.example.org", "/");
	assert_true(route.names_job && !route.own_host);
}

/* The id in the control API's host is no job's, not even for forward auth or in a path. */
static void
taken_id(void **state)
{
	static const struct route_forms forms = {.domain = "jobs.example.org",
	    .prefix = "/jobs",
	    .control = "control.jobs.example.org",
	    .taken = control_taken};
	static const struct route_forms forward_auth = {
	    .domain = "jobs.example.org", .prefix = "/jobs", .taken = control_taken};

	(void)state;
	expect_none(&forms, "gateway", "/jobs/control/");
	expect_none(&forms, "gateway", "/jobs/control");
	expect_none(&forward_auth, "gateway", "/jobs/control/a");
	expect_none(&forward_auth, "Control.jobs.example.org.:80", "/");
	assert_false(route.names_control);
	expect_job(&forms, "gateway", "/jobs/control2/", "control2", "/jobs/control2", "/");
	expect_job(&forms, "contro.jobs.example.org", "/", "contro", "", "/");
}

static void
host_form(void **state)
{
	(void)state;
	expect_job(&both, "demo.jobs.example.org", "/", "demo", "", "/");
	expect_job(&both, "demo.jobs.example.org:8080", "/a/b", "demo", "", "/a/b");
	expect_job(&both, "DEMO-1.Jobs.Example.ORG", "/A", "demo-1", "", "/A");
	expect_job(&both, "demo.jobs.example.org.", "/", "demo", "", "/");
	expect_job(&both, "demo.jobs.example.org.:80", "/", "demo", "", "/");
	expect_job(&host_only, "demo.jobs.example.org", "*", "demo", "", "*");
	expect_none(&host_only, "jobs.example.org", "/jobs/demo/");
	expect_none(&host_only, ".jobs.example.org", "/");
	expect_none(&host_only, "demojobs.example.org", "/");
	expect_none(&host_only, "demo.jobs.example.org.evil.example", "/");
	expect_none(&host_only, "demo.jobs.example.org..", "/");
	expect_none(&host_only, "a.demo.jobs.example.org", "/");
	expect_none(&host_only, "de_mo.jobs.example.org", "/");
	expect_none(&host_only, "-demo.jobs.example.org", "/");
	expect_none(&host_only, "demo-.jobs.example.org", "/");
	expect_none(&host_only, "example.org", "/");
	expect_none(&host_only, "[::1]:80", "/");
	expect_none(&host_only, "", "/");
	expect_none(&host_only, ":80", "/");
}

static void
path_form(void **state)
{
	(void)state;
	expect_job(&both, "gateway", "/jobs/demo/", "demo", "/jobs/demo", "/");
	expect_job(&both, "gateway", "/jobs/demo", "demo", "/jobs/demo", "/");
	expect_job(&both, "gateway:80", "/jobs/demo/a/b", "demo", "/jobs/demo", "/a/b");
	expect_job(&both, "[::1]:80", "/jobs/demo//a", "demo", "/jobs/demo", "//a");
	expect_job(&path_only, "", "/jobs/demo/jobs/x", "demo", "/jobs/demo", "/jobs/x");
	expect_job(&path_only, "demo.jobs.example.org", "/jobs/x/", "x", "/jobs/x", "/");
	expect_none(&both, "gateway", "/");
	expect_none(&both, "gateway", "/jobs");
	expect_none(&both, "gateway", "/jobs/");
	expect_none(&both, "gateway", "/jobs//demo/");
	expect_none(&both, "gateway", "/jobsdemo/");
	expect_none(&both, "gateway", "/Jobs/demo/");
	expect_none(&both, "gateway", "/x/jobs/demo/");
	expect_none(&both, "gateway", "//jobs/demo/");
	expect_none(&both, "gateway", "*");
}

/* In a path letters count, and nothing is decoded: one spelling names a job, no other does. */
static void
ids_in_paths_have_one_spelling(void **state)
{
	static const char *const others[] = {"Demo", "de%6do", "demo%2fx", "demo%00", "demo;a=b",
	    "demo.", "-demo", "demo-", "de_mo", "demo%20", "d\xc3\xa9mo", "%2e%2e", "~demo"};
	char path[64];

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		snprintf(path, sizeof(path), "/jobs/%s/", others[i]);
		expect_none(&both, "gateway", path);
		snprintf(path, sizeof(path), "/jobs/%s", others[i]);
		expect_none(&both, "gateway", path);
	}
}

/* A page of one job must not reach another one through its own origin. */
static void
a_host_under_the_domain_decides_alone(void **state)
{
	(void)state;
	expect_job(&both, "demo.jobs.example.org", "/jobs/other/", "demo", "", "/jobs/other/");
	expect_none(&both, "a.b.jobs.example.org", "/jobs/other/");
	expect_none(&both, "de_mo.jobs.example.org", "/jobs/other/");
	expect_none(&both, "-.jobs.example.org", "/jobs/other/");
	/* The domain itself is no job's host. */
	expect_job(&both, "jobs.example.org", "/jobs/other/", "other", "/jobs/other", "/");
}

static void
one_fixed_job(void **state)
{
	static const struct route_forms fixed = {.fixed = "mine"};

	(void)state;
	expect_job(&fixed, "anything", "/jobs/other/", "mine", "", "/jobs/other/");
	expect_job(&fixed, "", "*", "mine", "", "*");
	expect_job(&fixed, "other.jobs.example.org:1", "/", "mine", "", "/");
}

static void
no_form_no_job(void **state)
{
	static const struct route_forms none = {0};

	(void)state;
	expect_none(&none, "demo.jobs.example.org", "/jobs/demo/");
	assert_true(slice_equal(route_path(&route, SLICE("/jobs/demo/")), SLICE("/jobs/demo/")));
}

static void
ids_of_the_greatest_length(void **state)
{
	char host[128], path[128], id[JOB_ID_MAX + 2];

	(void)state;
	for (size_t len = JOB_ID_MAX; len <= JOB_ID_MAX + 1; len++) {
		memset(id, 'A', len);
		id[len] = '\0';
		snprintf(host, sizeof(host), "%s.jobs.example.org", id);
		find(&both, host, "/");
		assert_int_equal(route.names_job, len == JOB_ID_MAX);
		memset(id, 'a', len);
		if (route.names_job)
			assert_true(slice_equal(route_job(&route), slice_of(id)));
		snprintf(path, sizeof(path), "/jobs/%s/", id);
		find(&both, "gateway", path);
		assert_int_equal(route.names_job, len == JOB_ID_MAX);
	}
}

/* What an earlier request left in the struct must not shine through. */
static void
the_answer_is_made_anew(void **state)
{
	(void)state;
	expect_job(&both, "gateway", "/jobs/demo/x", "demo", "/jobs/demo", "/x");
	expect_none(&both, "gateway", "/x");
	assert_int_equal(route.job_len, 0);
	assert_int_equal(route.prefix_len, 0);
	assert_true(slice_equal(route_path(&route, SLICE("/x")), SLICE("/x")));
	expect_job(&both, "gateway", "/jobs/demo/x", "demo", "/jobs/demo", "/x");
	expect_job(&both, "next.jobs.example.org", "/y", "next", "", "/y");
}

static void
expect_authority(const char *url, const char *authority)
{
	char out[ROUTE_AUTHORITY_MAX];
	struct job_url target;
	size_t bad;

	assert_true(jg_job_url_parse(slice_of(url), &target, &bad));
	if (!slice_equal(route_authority(&target, out), slice_of(authority)))
		fail_msg("%s has not the authority %s", url, authority);
}

static void
authorities_of_backends(void **state)
{
	char longest[ROUTE_AUTHORITY_MAX], url[sizeof(longest) + 8];

	(void)state;
	expect_authority("http://job", "job");
	expect_authority("http://job:80/base", "job");
	expect_authority("http://job:443", "job:443");
	expect_authority("https://job", "job");
	expect_authority("https://job:443", "job");
	expect_authority("https://job:80", "job:80");
	expect_authority("http://192.0.2.1:8888", "192.0.2.1:8888");
	expect_authority("http://[2001:db8::1]", "[2001:db8::1]");
	expect_authority("http://[2001:db8::1]:65535", "[2001:db8::1]:65535");
	expect_authority("unix:/run/job.sock", "localhost");
	memset(longest, 'a', 253);
	for (size_t i = 63; i < 253; i += 64)
		longest[i] = '.';
	memcpy(longest + 253, ":65535", 7);
	snprintf(url, sizeof(url), "http://%s", longest);
	expect_authority(url, longest);
}

/* The host may be a port's or that of a job of its own; the path is a port's alone. */
static void
ports(void **state)
{
	static const struct {
		const char *authority, *path, *owner, *label;
		unsigned port;
	} good[] = {
	    {"demo-9000.jobs.example.org", "/", "demo", "demo-9000", 9000},
	    {"DEMO-1.jobs.example.org.", "/", "demo", "demo-1", 1},
	    {"a-1-65535.jobs.example.org:80", "/", "a-1", "a-1-65535", 65535},
	    {"x", "/jobs/demo:9000/rest", "demo", "demo-9000", 9000},
	    {"x", "/jobs/a-1:2", "a-1", "a-1-2", 2},
	};
	static const char *const no_ports[] = {"demo", "demo-0", "demo-09", "demo-65536",
	    "demo-18446744073709551617", "demo--1", "1", "demo-1x", "demo-x1"};
	static const char *const no_jobs[] = {"demo:", "demo:0", "demo:09", "demo:65536", ":1",
	    "demo::1", "demo:1:1", "-:1", "DEMO:1", "demo%3a1", "demo%3A1", "demo:1%20"};
	char text[128];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		find(&both, good[i].authority, good[i].path);
		assert_true(route.names_job);
		assert_int_equal(route.port, good[i].port);
		assert_true(slice_equal(route_owner(&route), slice_of(good[i].owner)));
		assert_true(slice_equal(route_label(&route), slice_of(good[i].label)));
		assert_int_equal(route_may_be_label(&route), good[i].path[1] == '\0');
		assert_true(slice_equal(route_job(&route),
		    slice_of(route_may_be_label(&route) ? good[i].label : good[i].owner)));
		route_choose(&route, true);
		assert_true(slice_equal(route_job(&route), slice_of(good[i].owner)));
	}
	for (size_t i = 0; i < sizeof(no_ports) / sizeof(no_ports[0]); i++) {
		snprintf(text, sizeof(text), "%s.jobs.example.org", no_ports[i]);
		expect_job(&both, text, "/", no_ports[i], "", "/");
		assert_int_equal(route.port, 0);
	}
	for (size_t i = 0; i < sizeof(no_jobs) / sizeof(no_jobs[0]); i++) {
		snprintf(text, sizeof(text), "/jobs/%s/", no_jobs[i]);
		expect_none(&both, "x", text);
		assert_int_equal(route.port, 0);
	}
}

/* The id that no job may have has no ports, and is no port's host. */
static void
ports_of_the_taken_id(void **state)
{
	const struct route_forms owner = {.domain = "jobs.example.org",
	    .prefix = "/jobs",
	    .taken = (const char *const[]){"control", NULL}};
	const struct route_forms label = {.domain = "jobs.example.org",
	    .prefix = "/jobs",
	    .taken = (const char *const[]){"a-1", NULL}};
	static const struct route_forms sidecar = {.fixed = "a-1"};

	(void)state;
	find(&owner, "control-1.jobs.example.org", "/");
	assert_true(route.names_job && route.port == 0);
	expect_none(&owner, "x", "/jobs/control:1/");
	expect_none(&label, "a-1.jobs.example.org", "/");
	expect_none(&label, "x", "/jobs/a:1/");
	find(&sidecar, "x", "/");
	assert_true(route.names_job && route.port == 0);
}

/* A label of over 63 characters is no host's: the path alone leads to such a port. */
static void
ports_of_long_ids(void **state)
{
	char id[JOB_ID_MAX + 1] = "", path[128];

	(void)state;
	memset(id, 'a', JOB_ID_MAX);
	snprintf(path, sizeof(path), "/jobs/%s:65535/", id);
	find(&both, "x", path);
	assert_true(route.names_job && route.port == 65535 && route.label_len == 0);
	assert_true(slice_equal(route_owner(&route), slice_of(id)));
	snprintf(path, sizeof(path), "/jobs/%.57s:65535/", id);
	find(&both, "x", path);
	assert_int_equal(route.label_len, JOB_ID_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(control_host),
	    cmocka_unit_test(taken_id),
	    cmocka_unit_test(sign_in_host),
	    cmocka_unit_test(own_host),
	    cmocka_unit_test(host_form),
	    cmocka_unit_test(path_form),
	    cmocka_unit_test(ids_in_paths_have_one_spelling),
	    cmocka_unit_test(a_host_under_the_domain_decides_alone),
	    cmocka_unit_test(one_fixed_job),
	    cmocka_unit_test(no_form_no_job),
	    cmocka_unit_test(ids_of_the_greatest_length),
	    cmocka_unit_test(ports),
	    cmocka_unit_test(ports_of_the_taken_id),
	    cmocka_unit_test(ports_of_long_ids),
	    cmocka_unit_test(the_answer_is_made_anew),
	    cmocka_unit_test(authorities_of_backends),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
