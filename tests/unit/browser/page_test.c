/* page_test.c - pages, where they lead back to, and the forms they send. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>

#include "browser/page.h"
#include "jobgate/settings.h"

static void
policy_has(const char *directive, const char *content)
{
	unsigned char hash[32], text[64];
	char wanted[96];

	assert_int_equal(EVP_Digest(content, strlen(content), hash, NULL, EVP_sha256(), NULL), 1);
	EVP_EncodeBlock(text, hash, sizeof(hash));
	snprintf(wanted, sizeof(wanted), "%s 'sha256-%s'; ", directive, text);
	assert_non_null(strstr(page_policy, wanted));
}

static void
the_policy_has_the_hashes_of_style_and_script(void **state)
{
	(void)state;
	policy_has("style-src", page_style);
	policy_has("script-src", page_script);
}

static void
only_pages_that_ask_for_a_token_have_the_script(void **state)
{
	char out[PAGE_MAX + 1];
	struct page page = {.title = SLICE("Sign out"), .action = "/x", .button = "Go"};

	(void)state;
	out[page_write(&page, out, PAGE_MAX)] = '\0';
	assert_null(strstr(out, "<script"));
	page.asks_token = true;
	out[page_write(&page, out, PAGE_MAX)] = '\0';
	assert_non_null(strstr(out, page_script));
}

static void
the_longest_page_fits(void **state)
{
	char to[PAGE_TO_MAX], help[BROWSER_HELP_MAX], job[63], out[PAGE_MAX + 1];
	struct page page = {.title = SLICE("Sign in"),
	    .message = SLICE("Paste a token for this job."),
	    .request_id = SLICE("r"),
	    .action = "/x",
	    .button = "Go",
	    .asks_token = true,
	    .job = {job, sizeof(job)},
	    .help = {help, sizeof(help)},
	    .to = {to, sizeof(to)}};

	(void)state;
	memset(to, '"', sizeof(to));
	memset(job, 'a', sizeof(job));
	memset(help, '"', sizeof(help));
	out[page_write(&page, out, PAGE_MAX)] = '\0';
	assert_non_null(strstr(out, "&quot;\">\n<button>Go</button>"));
	assert_string_equal(out + strlen(out) - strlen("</html>\n"), "</html>\n");
}

static void
paths_that_lead_away_are_not_local(void **state)
{
	static const char *const local[] = {"/", "/a", "/a//b?c=d", "/?//x", "/%0d", "/a?b\\c"};
	static const char *const away[] = {"", "a", "//x", "/\\x", "\\", "https://x", "/ a", "/\ta",
	    "/a\r\n", "/a\\b", "/a\\b?c", "/\xc3\xa4", "/\x7f"};

	(void)state;
	for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++)
		assert_true(page_to_is_local(slice_of(local[i])));
	for (size_t i = 0; i < sizeof(away) / sizeof(away[0]); i++)
		assert_false(page_to_is_local(slice_of(away[i])));
}

static void
fields_of_forms(void **state)
{
	char out[16];

	(void)state;
#define FIELD(form, name) form_field(SLICE(form), SLICE(name), out, sizeof(out))
	assert_true(slice_equal(FIELD("a=b&c=d", "c"), SLICE("d")));
	assert_true(slice_equal(FIELD("a=%2Fx+y%", "a"), SLICE("/x y%")));
	assert_true(slice_equal(FIELD("a=%zz%4", "a"), SLICE("%zz%4")));
	assert_true(slice_equal(FIELD("&&a=&", "a"), SLICE("")));
	assert_true(slice_equal(FIELD("ab=x&a=y", "a"), SLICE("y")));
	assert_null(FIELD("a=b&a=b", "a").at);
	assert_null(FIELD("a", "a").at);
	assert_null(FIELD("", "a").at);
	assert_null(FIELD("a=0123456789abcdefg", "a").at);
	assert_true(slice_equal(FIELD("a=%30123456789abcdef", "a"), SLICE("0123456789abcdef")));
}

/* A form that is sent to its page's own URL keeps the fragment without a script. */
static void
a_page_of_the_sign_in_host_leads_to_one_site(void **state)
{
	const struct page page = {.action = "", .button = "Sign in", .asks_token = true};
	char text[PAGE_MAX], policy[PAGE_POLICY_MAX];
	size_t len = page_write(&page, text, sizeof(text) - 1);

	(void)state;
	text[len] = '\0';
	assert_non_null(strstr(text, "<form method=\"post\">\n"));
	assert_null(strstr(text, "<script"));
	len = page_policy_to(SLICE("https://demo.x:8443"), policy);
	policy[len] = '\0';
	assert_non_null(strstr(policy, "form-action 'self' https://demo.x:8443;"));
	assert_non_null(strstr(policy, "frame-ancestors 'none'"));
	assert_null(strstr(policy, "script-src"));
	/* All but that is as on other pages. */
	assert_memory_equal(policy, page_policy, (size_t)(strchr(policy, ';') - policy));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_policy_has_the_hashes_of_style_and_script),
	    cmocka_unit_test(only_pages_that_ask_for_a_token_have_the_script),
	    cmocka_unit_test(the_longest_page_fits),
	    cmocka_unit_test(paths_that_lead_away_are_not_local),
	    cmocka_unit_test(fields_of_forms),
	    cmocka_unit_test(a_page_of_the_sign_in_host_leads_to_one_site),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
