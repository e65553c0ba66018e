/* input_job.c - checks what only jobs have: labels, URLs and ports. */
#include "auth/control/input_job.h"

#include <stdio.h>

#include "auth/control/input_error.h"
#include "jobgate/ip.h"

static struct slice
json_text(const json_t *string)
{
	return (struct slice){json_string_value(string), json_string_length(string)};
}

/* Read one member of "labels". */
static bool
get_label(const char *name, const json_t *value, bool patch, struct record_input *out,
    struct input_error *error)
{
	struct label label = {.name = slice_of(name)};
	enum label_error label_error;
	char field[80];
	size_t bad;

	snprintf(field, sizeof(field), "labels.%s", name);
	label_error = jg_label_name_check(label.name, &bad);
	if (label_error == LABEL_OK && patch && json_is_null(value)) {
		if (out->removed_label_count == JOB_LABELS_MAX)
			return input_wrong(error, "labels", "more than %d labels", JOB_LABELS_MAX);
		out->removed_labels[out->removed_label_count++] = label.name;
		return true;
	}
	if (label_error == LABEL_OK && !json_is_string(value))
		return input_wrong(error, field, "a label's value must be a string");
	if (label_error == LABEL_OK) {
		label.value = json_text(value);
		label_error = jg_label_value_check(label.value, &bad);
	}
	if (label_error != LABEL_OK)
		return input_wrong(error, field, "%s (at character %zu)",
		    jg_label_error_text(label_error), bad + 1);
	if (out->label_count == JOB_LABELS_MAX)
		return input_wrong(error, "labels", "a job has at most %d labels", JOB_LABELS_MAX);
	out->labels[out->label_count++] = label;
	return true;
}

bool
input_labels(json_t *labels, bool patch, struct record_input *out, struct input_error *error)
{
	const char *name;
	json_t *value;

	if (!json_is_object(labels))
		return input_wrong(error, "labels", "labels are an object of strings");
	json_object_foreach(
	    labels, name, value) if (!get_label(name, value, patch, out, error)) return false;
	return true;
}

/* Refuse a URL to which each request would be refused; only here does its author see the reason. */
static bool
check_address(const char *field, const struct job_url *url, struct input_error *error)
{
	struct in6_addr address;
	enum ip_class class;

	if (!jg_ip_parse(url->host, &address))
		return true;
	class = jg_ip_class(&address);
	return !jg_ip_class_refused(class) ||
	       input_wrong(error, field,
		   "%.*s is %s: the gateway never connects to such an address; give the one "
		   "that the job listens at",
		   (int)url->host.len, url->host.at, jg_ip_class_text(class));
}

static bool
check_url(const char *field, struct slice url, struct input_error *error)
{
	struct job_url parsed;
	size_t bad = 0;

	if (url.len > JOB_URL_MAX)
		return input_wrong(error, field, "a URL has at most %d bytes", JOB_URL_MAX);
	if (!jg_job_url_parse(url, &parsed, &bad))
		return input_wrong(error, field,
		    "not http://host[:port][/base], the same with https, h2c, grpc or grpcs, or "
		    "unix:/path (at character %zu)",
		    bad + 1);
	return check_address(field, &parsed, error);
}

static bool
is_same(const struct job_url *a, const struct job_url *b)
{
	return a->scheme == b->scheme && a->port == b->port &&
	       slice_equal_nocase(a->host, b->host) && slice_equal(a->base, b->base) &&
	       slice_equal(a->path, b->path);
}

bool
input_urls(const char *field, struct slice text, struct input_error *error)
{
	struct job_url urls[JOB_URLS_MAX];
	size_t count, bad = 0;

	if (text.len > JOB_URL_MAX)
		return input_wrong(
		    error, field, "the URLs of a job have at most %d bytes", JOB_URL_MAX);
	if (!jg_job_urls_parse(text, urls, &count, &bad))
		return input_wrong(error, field,
		    "not http://host[:port][/base], the same with https, h2c, grpc or grpcs, or "
		    "unix:/path, or up to %d of these, separated by single spaces (at character "
		    "%zu)",
		    JOB_URLS_MAX, bad + 1);
	for (size_t i = 0; i < count; i++)
		if (!check_address(field, &urls[i], error))
			return false;
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < i; j++)
			if (is_same(&urls[i], &urls[j]))
				return input_wrong(error, field, "names the same replica twice");
	return true;
}

/* Read one member of "ports". */
static bool
get_port(const char *name, const json_t *value, bool patch, struct record_input *out,
    struct input_error *error)
{
	struct job_port port = {0};
	char field[80];

	snprintf(field, sizeof(field), "ports.%s", name);
	if (!jg_job_port_parse(slice_of(name), &port.number))
		return input_wrong(error, field, "a port is a number, 1 to 65535");
	if (patch && json_is_null(value)) {
		if (out->removed_port_count == JOB_PORTS_MAX)
			return input_wrong(error, "ports", "more than %d ports", JOB_PORTS_MAX);
		out->removed_ports[out->removed_port_count++] = port.number;
		return true;
	}
	if (!json_is_string(value) || json_string_length(value) == 0)
		return input_wrong(error, field, "a port's value must be the URL that it leads to");
	port.url_text = json_text(value);
	if (!check_url(field, port.url_text, error))
		return false;
	if (out->port_count == JOB_PORTS_MAX)
		return input_wrong(error, "ports", "a job has at most %d ports", JOB_PORTS_MAX);
	jg_job_port_insert(out->ports, out->port_count++, &port);
	return true;
}

bool
input_ports(json_t *ports, bool patch, struct record_input *out, struct input_error *error)
{
	const char *name;
	json_t *value;

	if (!json_is_object(ports))
		return input_wrong(
		    error, "ports", "ports are an object of URLs by the ports' numbers");
	json_object_foreach(
	    ports, name, value) if (!get_port(name, value, patch, out, error)) return false;
	return true;
}
