/* route.c - host form, path form and fixed job. */
#include "exchange/route.h"

#include <string.h>

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

static void
set_job(struct route *out, struct slice id)
{
	if (!jg_job_id_valid(id))
		return;
	memcpy(out->job, id.at, id.len);
	out->job_len = (unsigned char)id.len;
	out->names_job = true;
}

/* True for an id that no job may have. */
static bool
is_taken(const struct route_forms *forms, struct slice id)
{
	for (const char *const *taken = forms->taken; taken != NULL && *taken != NULL; taken++)
		if (id.len > 0 && (*taken)[0] == id.at[0] && slice_equal(id, slice_of(*taken)))
			return true;
	return false;
}

/* The job that a host or a path names. */
static void
name_job(const struct route_forms *forms, struct slice id, struct route *out)
{
	if (!is_taken(forms, id))
		set_job(out, id);
}

/* The label, whose job is set already, may be that of a port's host. */
static __attribute__((noinline, cold)) void
name_port_of_label(const struct route_forms *forms, struct slice label, struct route *out)
{
	size_t owner_len;
	uint16_t port;

	if (!out->names_job || !jg_job_port_split(label, &owner_len, &port) ||
	    is_taken(forms, (struct slice){label.at, owner_len}))
		return;
	out->port = port;
	out->owner_len = (unsigned char)owner_len;
	out->label_len = (unsigned char)label.len;
}

/* "<job>:<port>" in a path. The label of the port's host is made, to look for a job of that id. */
static __attribute__((noinline, cold)) void
name_port(const struct route_forms *forms, struct slice id, struct slice number, struct route *out)
{
	char room[JOB_PORT_LABEL_MAX];
	struct slice label;
	uint16_t port;

	if (!jg_job_id_valid(id) || is_taken(forms, id) || !jg_job_port_parse(number, &port))
		return;
	label = jg_job_port_label(id, port, room);
	if (is_taken(forms, label))
		return;
	set_job(out, id);
	out->port = port;
	out->owner_len = (unsigned char)id.len;
	out->label_len = 0;
	if (label.len > JOB_ID_MAX)
		return;
	memcpy(out->job, label.at, label.len);
	out->label_len = (unsigned char)label.len;
}

/* A host's name means the same in any case of letters; ids are in lower case. */
static void
host_form(const struct route_forms *forms, struct slice label, struct route *out)
{
	const struct slice id = {out->job, label.len};

	if (!jg_job_id_fold(label, out->job) || is_taken(forms, id))
		return;
	out->job_len = (unsigned char)id.len;
	out->names_job = out->own_host = true;
	if (out->job[id.len - 1] <= '9') /* most labels end with a letter */
		name_port_of_label(forms, id, out);
}

/* "/jobs/<id>" or "/jobs/<id>/rest", with <id> or <id>:<port>. */
static void
path_form(const struct route_forms *forms, struct slice path, struct route *out)
{
	struct slice prefix = slice_of(forms->prefix);
	size_t id_len;
	struct slice rest;
	const char *slash, *colon;

	if (!slice_starts_with(path, prefix) || path.len <= prefix.len ||
	    path.at[prefix.len] != '/')
		return;
	rest = slice_after(path, prefix.len + 1);
	slash = memchr(rest.at, '/', rest.len);
	id_len = slash != NULL ? (size_t)(slash - rest.at) : rest.len;
	out->prefix_len = (uint32_t)(prefix.len + 1 + id_len);
	colon = memchr(rest.at, ':', id_len);
	if (colon == NULL)
		name_job(forms, (struct slice){rest.at, id_len}, out);
	else
		name_port(forms, (struct slice){rest.at, (size_t)(colon - rest.at)},
		    (struct slice){colon + 1, (size_t)(rest.at + id_len - colon - 1)}, out);
}

void
route_find(
    const struct route_forms *forms, struct slice authority, struct slice path, struct route *out)
{
	struct slice host = host_of(authority), label;
	bool under_domain = forms->domain != NULL && forms->fixed == NULL &&
			    route_under_domain(host, slice_of(forms->domain), &label);

	out->names_control = out->names_job = out->names_sign_in = out->own_host = false;
	out->job_len = 0;
	out->prefix_len = 0;
	out->port = 0;
	if (under_domain) {
		host_form(forms, label, out);
		if (out->names_job) /* the ids in the gateway's own hosts are no job's */
			return;
	}
	if (forms->control != NULL && slice_equal_nocase(host, slice_of(forms->control))) {
		out->names_control = true;
	} else if (forms->sign_in != NULL && slice_equal_nocase(host, slice_of(forms->sign_in))) {
		out->names_sign_in = true;
	} else if (forms->fixed != NULL) {
		set_job(out, slice_of(forms->fixed));
		out->own_host = forms->fixed_host != NULL &&
				slice_equal_nocase(host, slice_of(forms->fixed_host));
	} else if (!under_domain && forms->prefix != NULL) {
		path_form(forms, path, out);
	}
}

struct slice
route_authority(const struct job_url *target, char out[ROUTE_AUTHORITY_MAX])
{
	struct writer writer = writer_of(out, ROUTE_AUTHORITY_MAX);
	bool bracket =
	    target->host.len > 0 && memchr(target->host.at, ':', target->host.len) != NULL;
	uint16_t usual = jg_job_url_tls(target) ? 443 : 80;

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
