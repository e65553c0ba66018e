/* route.c - host form, path form and fixed job. */
#include "exchange/route.h"

#include "http/write.h"

/* The host of an authority: without a port, and without the dot of a fully qualified name. */
static struct slice
host_of(struct slice authority)
{
	struct slice host = authority;
	const char *colon;

	if (host.len > 0 && host.at[0] == '[')
		return host;
	colon = host.len > 0 ? memchr(host.at, ':', host.len) : NULL;
	if (colon != NULL)
		host.len = (size_t)(colon - host.at);
	if (host.len > 0 && host.at[host.len - 1] == '.')
		host.len--;
	return host;
}

bool
route_under_domain(struct slice host, struct slice domain, struct slice *label)
{
	struct slice tail;

	if (host.len <= domain.len + 1)
		return false;
	tail = slice_after(host, host.len - domain.len);
	if (!slice_equal_nocase(tail, domain) || tail.at[-1] != '.')
		return false;
	*label = (struct slice){host.at, host.len - domain.len - 1};
	return true;
}

/* A host's name means the same in any case of letters; ids are in lower case. */
static struct slice
lower(struct slice text, char out[JOB_ID_MAX])
{
	if (text.len > JOB_ID_MAX)
		return text; /* no id in any case */
	for (size_t i = 0; i < text.len; i++)
		out[i] =
		    (char)(text.at[i] >= 'A' && text.at[i] <= 'Z' ? text.at[i] + 32 : text.at[i]);
	return (struct slice){out, text.len};
}

/* "/jobs/<id>" or "/jobs/<id>/rest". */
static bool
path_form(struct slice prefix, struct slice path, struct route *out)
{
	struct slice rest;
	const char *slash;

	if (!slice_starts_with(path, prefix) || path.len <= prefix.len ||
	    path.at[prefix.len] != '/')
		return false;
	rest = slice_after(path, prefix.len + 1);
	slash = memchr(rest.at, '/', rest.len);
	out->job = (struct slice){rest.at, slash != NULL ? (size_t)(slash - rest.at) : rest.len};
	out->prefix = (struct slice){path.at, prefix.len + 1 + out->job.len};
	out->path = slash != NULL ? slice_after(path, out->prefix.len) : SLICE("/");
	return true;
}

void
route_find(
    const struct route_forms *forms, struct slice authority, struct slice path, struct route *out)
{
	struct slice label;

	out->names_control = out->names_job = false;
	out->job = out->prefix = (struct slice){0};
	out->path = path;
	if (forms->control != NULL &&
	    slice_equal_nocase(host_of(authority), slice_of(forms->control))) {
		out->names_control = true;
		return;
	}
	if (forms->fixed != NULL) {
		out->job = slice_of(forms->fixed);
		out->names_job = true;
		return;
	}
	if (forms->domain != NULL &&
	    route_under_domain(host_of(authority), slice_of(forms->domain), &label))
		out->job = lower(label, out->text);
	else if (forms->prefix == NULL || !path_form(slice_of(forms->prefix), path, out))
		return;
	out->names_job = jg_job_id_valid(out->job);
}

struct slice
route_authority(const struct job_url *target, char out[ROUTE_AUTHORITY_MAX])
{
	struct writer writer = writer_of(out, ROUTE_AUTHORITY_MAX);
	bool bracket =
	    target->host.len > 0 && memchr(target->host.at, ':', target->host.len) != NULL;
	uint16_t usual = target->scheme == JOB_URL_HTTPS ? 443 : 80;

	if (target->scheme == JOB_URL_UNIX)
		return SLICE("localhost");
	write_slice(&writer, bracket ? SLICE("[") : (struct slice){0});
	write_slice(&writer, target->host);
	write_slice(&writer, bracket ? SLICE("]") : (struct slice){0});
	if (target->port != usual) {
		write_literal(&writer, ":");
		write_number(&writer, target->port);
	}
	return (struct slice){out, (size_t)(writer.at - out)};
}
