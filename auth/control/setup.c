/* setup.c - compares the settings of two control processes. */
#include <string.h>

#include "auth/control/control.h"

#define AT(member) offsetof(struct control_setup, member)

/* Members that are text. One that is missing here is compared by its address: it counts as
 * changed, and costs a needless restart of the control process. */
static const size_t texts[] = {AT(socket_path), AT(gateway_socket_path), AT(gateway_secret),
    AT(store_url), AT(store_dir), AT(key_prefix), AT(ca_file), AT(public_url), AT(realm),
    AT(fixed_job), AT(fixed_url)};

static bool
same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* Compare a text of both, then clear it in both. */
static bool
take_text(struct control_setup *a, struct control_setup *b, size_t at)
{
	const char **in_a = (const char **)((char *)a + at);
	const char **in_b = (const char **)((char *)b + at);
	bool same = same_text(*in_a, *in_b);

	*in_a = *in_b = NULL;
	return same;
}

static bool
take_ranges(struct control_setup *a, struct control_setup *b)
{
	bool same = a->scoped_url_count == b->scoped_url_count;

	for (size_t i = 0; same && i < a->scoped_url_count; i++)
		same = jg_ip_range_equal(&a->scoped_urls[i], &b->scoped_urls[i]);
	a->scoped_urls = b->scoped_urls = NULL;
	return same;
}

static bool
take_log(struct control_setup *a, struct control_setup *b)
{
	bool same = a->log.fd == b->log.fd && a->log.level == b->log.level &&
		    a->log.journal == b->log.journal && same_text(a->log.process, b->log.process);

	memset(&a->log, 0, sizeof(a->log));
	memset(&b->log, 0, sizeof(b->log));
	return same;
}

/* As the bytes that it consists of. */
union setup_bytes {
	struct control_setup setup;
	unsigned char bytes[sizeof(struct control_setup)];
};

bool
control_setup_equal(const struct control_setup *a, const struct control_setup *b)
{
	union setup_bytes in_a = {*a}, in_b = {*b};
	bool same = take_ranges(&in_a.setup, &in_b.setup);

	same = take_log(&in_a.setup, &in_b.setup) && same;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		same = take_text(&in_a.setup, &in_b.setup, texts[i]) && same;
	/* What is left are numbers, and what serves both alike. */
	return same && memcmp(in_a.bytes, in_b.bytes, sizeof(in_a.bytes)) == 0;
}
