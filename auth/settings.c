/* settings.c - compares settings. */
#include "jobgate/settings.h"

#include <string.h>

/* All members before scoped_urls are in the list of texts, so each of them is compared. */
#define SIZE(name) +sizeof(const char *)
_Static_assert(offsetof(struct control_settings, scoped_urls) == 0 CONTROL_TEXTS(SIZE),
    "a text belongs into CONTROL_TEXTS, a number after scoped_urls");
#define NUMBERS (offsetof(struct control_settings, scoped_urls) + sizeof(struct ip_ranges))

static bool
same_texts(const struct control_settings *a, const struct control_settings *b)
{
#define SAME(name) &&text_equal(a->name, b->name)
	return true CONTROL_TEXTS(SAME);
}

bool
control_settings_equal(const struct control_settings *a, const struct control_settings *b)
{
	return same_texts(a, b) && jg_ip_ranges_equal(&a->scoped_urls, &b->scoped_urls) &&
	       memcmp((const char *)a + NUMBERS, (const char *)b + NUMBERS, sizeof(*a) - NUMBERS) ==
		   0;
}
