/* settings.c - compares settings. */
#include "jobgate/settings.h"

#include <string.h>

/* Members before scoped_urls are texts, and those after it are numbers. */
#define TEXTS (offsetof(struct control_settings, scoped_urls) / sizeof(const char *))
#define NUMBERS (offsetof(struct control_settings, scoped_urls) + sizeof(struct ip_ranges))

static bool
same_texts(const struct control_settings *a, const struct control_settings *b)
{
	const char *of_a[TEXTS], *of_b[TEXTS];
	bool same = true;

	memcpy(of_a, a, sizeof(of_a));
	memcpy(of_b, b, sizeof(of_b));
	for (size_t i = 0; i < TEXTS; i++)
		same = same && text_equal(of_a[i], of_b[i]);
	return same;
}

bool
control_settings_equal(const struct control_settings *a, const struct control_settings *b)
{
	return same_texts(a, b) && jg_ip_ranges_equal(&a->scoped_urls, &b->scoped_urls) &&
	       memcmp((const char *)a + NUMBERS, (const char *)b + NUMBERS, sizeof(*a) - NUMBERS) ==
		   0;
}
