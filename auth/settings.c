/* settings.c - compares settings. */
#include "jobgate/settings.h"

#include <string.h>

/* Two equal texts may lie at different addresses, so a text must not be compared by its bytes. */
#define NONE(name)
#define IS_NO_TEXT(type, name)                                                              \
	_Static_assert(_Generic((type *)NULL, char ** : 0, const char ** : 0, default : 1), \
	    #name " belongs into a TEXT row");
CONTROL_SETTINGS(NONE, NONE, IS_NO_TEXT)

bool
control_settings_equal(const struct control_settings *a, const struct control_settings *b)
{
#define SAME_TEXT(name) &&text_equal(a->name, b->name)
#define SAME_RANGES(name) &&jg_ip_ranges_equal(&a->name, &b->name)
#define SAME_VALUE(type, name) &&memcmp(&a->name, &b->name, sizeof(type)) == 0
	return true CONTROL_SETTINGS(SAME_TEXT, SAME_RANGES, SAME_VALUE);
}
