/* view_test.c - records as JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "auth/control/view.h"

static void
is_json(json_t *value, const char *expected)
{
	char *text = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS);

	assert_string_equal(text, expected);
	free(text);
	json_decref(value);
}

static void
tokens(void **state)
{
	const struct label labels[] = {{SLICE("model"), SLICE("base")}, {SLICE("x/y"), SLICE("")}};
	struct record record = {.kind = RECORD_TOKEN,
	    .token = {.id = SLICE("abcdefgh12345678"),
		.name = SLICE("basetoken"),
		.role = ROLE_OPERATOR,
		.selector = {2, labels},
		.hash = {0xab},
		.version = 3,
		.minted = 2,
		.created_at = SLICE("2024-01-31T12:00:00Z")}};
	struct ip_range range;

	(void)state;
	assert_true(jg_ip_range_parse(SLICE("192.0.2.0/24"), &range));
	/* Neither the hash nor a value is ever among it. */
	is_json(view_record(&record, NULL),
	    "{\"burst\":null,\"concurrency\":null,\"created_at\":\"2024-01-31T12:00:00Z\","
	    "\"created_by\":null,"
	    "\"expires_at\":null,\"from\":null,"
	    "\"id\":\"abcdefgh12345678\",\"label_selector\":\"model=base,x/"
	    "y=\",\"last_used_at\":null,"
	    "\"name\":\"basetoken\",\"previous_until\":null,\"rate\":null,\"role\":\"operator\","
	    "\"updated_at\":null,\"version\":3}");
	/* An export has the hash, too, but not the last use, which is not in the record. */
	record.token.last_used_ms = 1769860800000;
	is_json(view_export(&record),
	    "{\"burst\":null,\"concurrency\":null,\"created_at\":\"2024-01-31T12:00:00Z\","
	    "\"created_by\":null,"
	    "\"expires_at\":null,\"from\":null,"
	    "\"hash\":\"ab00000000000000000000000000000000000000000000000000000000000000\","
	    "\"id\":\"abcdefgh12345678\",\"label_selector\":\"model=base,x/y=\",\"minted\":2,"
	    "\"name\":\"basetoken\",\"previous_until\":null,\"rate\":null,\"role\":\"operator\","
	    "\"updated_at\":null,\"version\":3}");
	/* After a renewal with grace, it also has the hash before. */
	record.token.expires_ms = 1769860800000;
	record.token.from = (struct ip_ranges){1, &range};
	record.token.limits = (struct token_limits){10, 20, 4};
	record.token.previous_until_ms = 1769860800500;
	record.token.previous_hash[0] = 0xcd;
	record.token.previous_version = 2;
	record.token.created_by = SLICE("0123456789abcdef");
	is_json(view_export(&record),
	    "{\"burst\":20,\"concurrency\":4,\"created_at\":\"2024-01-31T12:00:00Z\","
	    "\"created_by\":\"0123456789abcdef\",\"expires_at\":\"2026-01-31T12:00:00Z\","
	    "\"from\":\"192.0.2.0/"
	    "24\",\"hash\":\"ab00000000000000000000000000000000000000000000000000000000000000\","
	    "\"id\":\"abcdefgh12345678\",\"label_selector\":\"model=base,x/y=\",\"minted\":2,"
	    "\"name\":\"basetoken\","
	    "\"previous_hash\":"
	    "\"cd00000000000000000000000000000000000000000000000000000000000000\","
	    "\"previous_until\":\"2026-01-31T12:00:00.500Z\",\"previous_version\":2,\"rate\":10,"
	    "\"role\":\"operator\","
	    "\"updated_at\":null,\"version\":3}");
}

static void
jobs(void **state)
{
	const struct label labels[] = {{SLICE("model"), SLICE("base")}};
	struct record record = {
	    .kind = RECORD_JOB, .job = {.id = SLICE("j"), .labels = {1, labels}}};
	struct job *job = &record.job;

	(void)state;
	is_json(view_record(&record, "http://{job}.x/"),
	    "{\"access\":null,\"affinity\":null,\"created_at\":null,"
	    "\"health\":null,\"id\":\"j\",\"job_url\":\"http://j.x/"
	    "\",\"labels\":{\"model\":\"base\"},"
	    "\"last_request_at\":null,\"lease\":null,\"port_urls\":{},\"ports\":{},\"sessions\":"
	    "null,"
	    "\"updated_at\":null,\"url\":null}");
	job->url_text = SLICE("unix:/run/j.sock");
	job->labels.count = 0;
	job->lease = 30;
	job->sessions = 1; /* none run */
	is_json(view_record(&record, ""),
	    "{\"access\":null,\"affinity\":null,\"created_at\":null,"
	    "\"health\":null,\"id\":\"j\",\"job_"
	    "url\":\"\",\"labels\":{},\"last_request_at\":null,\"lease\":30,"
	    "\"port_urls\":{},\"ports\":{},\"sessions\":0,"
	    "\"updated_at\":null,\"url\":\"unix:/run/j.sock\"}");
	/* The URL at which the gateway serves it is not the store's to keep. */
	is_json(view_export(&record), "{\"access\":null,\"affinity\":null,\"created_at\":null,"
				      "\"health\":null,\"id\":\"j\","
				      "\"labels\":{},\"lease\":30,\"ports\":{},"
				      "\"updated_at\":null,\"url\":\"unix:/run/j.sock\"}");
}

/* A port's host has a label of at most 63 characters; its path has no such bound. */
static void
ports(void **state)
{
	const struct job_port items[] = {{.number = 80, .url_text = SLICE("http://h")},
	    {.number = 65535, .url_text = SLICE("unix:/s")}};
	char id[JOB_ID_MAX + 1] = "";
	struct record record = {.kind = RECORD_JOB, .job = {.id = SLICE("j"), .ports = {2, items}}};
	json_t *view = view_record(&record, "https://{job}.x:8443/");

	(void)state;
	is_json(json_incref(json_object_get(view, "ports")),
	    "{\"65535\":\"unix:/s\",\"80\":\"http://h\"}");
	is_json(json_incref(json_object_get(view, "port_urls")),
	    "{\"65535\":\"https://j-65535.x:8443/\",\"80\":\"https://j-80.x:8443/\"}");
	json_decref(view);
	view = view_record(&record, "https://x/jobs/{job}/");
	is_json(json_incref(json_object_get(view, "port_urls")),
	    "{\"65535\":\"https://x/jobs/j:65535/\",\"80\":\"https://x/jobs/j:80/\"}");
	json_decref(view);
	memset(id, 'a', JOB_ID_MAX - 3);
	record.job.id = slice_of(id);
	view = view_record(&record, "https://{job}.x/");
	assert_int_equal(json_object_size(json_object_get(view, "port_urls")), 1);
	assert_non_null(json_object_get(json_object_get(view, "port_urls"), "80"));
	json_decref(view);
}

static void
times(void **state)
{
	char text[VIEW_TIME_MAX];

	(void)state;
	view_time(0, text);
	assert_string_equal(text, "1970-01-01T00:00:00Z");
	view_time(1706702400999u, text);
	assert_string_equal(text, "2024-01-31T12:00:00Z");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(tokens),
	    cmocka_unit_test(jobs),
	    cmocka_unit_test(ports),
	    cmocka_unit_test(times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
