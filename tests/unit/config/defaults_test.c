/* defaults_test.c - settings that the file does not have are derived from those that it has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/config.h"

static struct config *
load(const char *text)
{
	char path[] = "/tmp/defaults_test.XXXXXX";
	struct config_error error;
	struct config *config;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	config = config_load(path, &error);
	unlink(path);
	if (config == NULL)
		fail_msg("line %zu: %s", error.line, error.message);
	return config;
}

/* Redirects lead to the port of the public URL; the colons of an IPv6 address are no port. */
static void
test_redirect_port(void **state)
{
	static const struct {
		const char *host;
		uint16_t port;
	} cases[] = {
	    {"{job}.example.org", 443},
	    {"{job}.example.org:8443", 8443},
	    {"[::1]", 443},
	    {"[::1]:8443", 8443},
	    {"[2001:db8::5443]", 443},
	};
	char text[256];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct config *config;

		snprintf(text, sizeof(text),
		    "listen: [\"127.0.0.1:80 redirect\"]\n"
		    "jobs:\n  prefix: /jobs\n  public_url: \"https://%s/{job}/\"\n",
		    cases[i].host);
		config = load(text);
		assert_int_equal(config->redirect_port, cases[i].port);
		config_free(config);
	}
}

/* The sign-in host takes an id, too. */
static void
test_taken_by_both(void **state)
{
	struct config *config =
	    load("jobs:\n  domain: jobs.test\nbrowser:\n  host: auth.jobs.test\n"
		 "control:\n  host: api.jobs.test\n");

	(void)state;
	assert_string_equal(config->jobs.taken[0], "api");
	assert_string_equal(config->jobs.taken[1], "auth");
	assert_null(config->jobs.taken[2]);
	assert_string_equal(config->control.process.taken_too, "auth");
	assert_non_null(config->control.process.gateway_socket);
	config_free(config);
	config = load("jobs:\n  domain: jobs.test\nbrowser:\n  host: auth.jobs.test\n");
	assert_string_equal(config->jobs.taken[0], "auth");
	assert_null(config->jobs.taken[1]);
	assert_non_null(config->control.process.gateway_socket);
	config_free(config);
}

/* People sign in at auth.<domain>, unless the file says otherwise, or no browser comes here. */
static void
test_sign_in_host(void **state)
{
	static const struct {
		const char *text, *host;
	} cases[] = {
	    {"jobs:\n  domain: jobs.test\n", "auth.jobs.test"},
	    {"log:\n  level: info\n", "auth.localhost"},
	    {"jobs:\n  domain: jobs.test\nbrowser:\n  host: in.test\n", "in.test"},
	    {"jobs:\n  domain: jobs.test\nbrowser:\n  same_host: true\n", NULL},
	    {"jobs:\n  domain: jobs.test\nbrowser:\n  sign_in: false\n", NULL},
	    {"jobs:\n  prefix: /jobs\n", NULL},
	    {"jobs:\n  fixed: a\n", NULL},
	    {"jobs:\n  fixed: a\nbrowser:\n  job_host: a.test\n  same_host: true\n", NULL},
	    {"listen: [\"unix:/tmp/a authorize\"]\njobs:\n  domain: jobs.test\n", NULL},
	    {"listen: [\":1\", \"unix:/tmp/a authorize\"]\njobs:\n  domain: jobs.test\n",
		"auth.jobs.test"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct config *config = load(cases[i].text);

		if (cases[i].host == NULL)
			assert_null(config->browser.host);
		else
			assert_string_equal(config->browser.host, cases[i].host);
		config_free(config);
	}
}

/* No job may have the id of control.host; a host that no job could have takes no id. */
static void
test_taken_job(void **state)
{
	static const struct {
		const char *jobs, *control, *taken;
	} cases[] = {
	    {"domain: jobs.test", "host: api.jobs.test", "api"},
	    {"domain: jobs.test", "host: api.other.test", NULL},
	    {"domain: jobs.test", "host: apijobs.test", NULL},
	    {"domain: jobs.test", "host: jobs.test", NULL},
	    {"domain: jobs.test", "host: a.api.jobs.test", NULL},
	    {"domain: jobs.test", "host: test", NULL},
	    {"domain: jobs.test", "metrics: 127.0.0.1:9180", NULL},
	    {"domain: jobs.test", "host: auth.other.test", NULL},
	    {"prefix: /jobs", "host: api.jobs.test", NULL},
	    {"fixed: api", "host: api.jobs.test", NULL},
	};
	char text[256];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *taken = cases[i].taken;
		struct config *config;

		snprintf(text, sizeof(text),
		    "jobs:\n  %s\ncontrol:\n  %s\nbrowser:\n  sign_in: false\n", cases[i].jobs,
		    cases[i].control);
		config = load(text);
		if (taken == NULL)
			assert_null(config->jobs.taken[0]);
		else
			assert_string_equal(config->jobs.taken[0], taken);
		assert_null(config->jobs.taken[1]);
		assert_ptr_equal(config->control.process.taken_job, config->jobs.taken[0]);
		config_free(config);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_redirect_port),
	    cmocka_unit_test(test_taken_job),
	    cmocka_unit_test(test_taken_by_both),
	    cmocka_unit_test(test_sign_in_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
