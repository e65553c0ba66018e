/* ports.c - reads --port, which may be repeated, and makes the member "ports" of it. */
#include "auth/cli/ports.h"

#include <string.h>

#include "auth/cli/service.h"

/* A value of --port. */
struct given {
	uint16_t number;
	const char *url; /* what follows '='; NULL without one */
};

static bool
read_port(const char *text, struct given *out)
{
	const char *equals = strchr(text, '=');
	struct slice number = slice_of(text);

	if (equals != NULL)
		number.len = (size_t)(equals - text);
	out->url = equals != NULL ? equals + 1 : NULL;
	return jg_job_port_parse(number, &out->number);
}

/* True when --port number `at` is the job's own. */
static bool
is_own(const struct options *options, size_t at)
{
	struct given given;

	return at == 0 && options->port_count > 0 && read_port(options->ports[0], &given) &&
	       given.url == NULL;
}

static bool
fits(const struct given *given, enum ports_form form)
{
	switch (form) {
	case PORTS_WITH_URL:
		return given->url != NULL && given->url[0] != '\0';
	case PORTS_CHANGED:
		return given->url != NULL;
	case PORTS_OF_RUN:
		return given->url == NULL || given->url[0] != '\0';
	case PORTS_ASKED:
		return given->url == NULL;
	}
	return false;
}

static const char *
form_text(enum ports_form form)
{
	switch (form) {
	case PORTS_WITH_URL:
		return "a port and its URL, such as 9000=http://127.0.0.1:9000";
	case PORTS_CHANGED:
		return "a port and its URL, such as 9000=http://127.0.0.1:9000, or 9000= to remove "
		       "it";
	case PORTS_OF_RUN:
		return "a port, 1 to 65535, or a port and its URL, such as "
		       "9000=grpc://127.0.0.1:9000";
	case PORTS_ASKED:
		return "a port, 1 to 65535";
	}
	return "";
}

bool
ports_check(const struct options *options, enum ports_form form)
{
	struct given given, other;

	for (size_t i = 0; i < options->port_count; i++) {
		if (!read_port(options->ports[i], &given) || !fits(&given, form)) {
			fprintf(stderr, "jobgate: invalid value '%s' for --port [%s]\n",
			    options->ports[i], form_text(form));
			return false;
		}
		if (form == PORTS_ASKED && i > 0) {
			fputs("jobgate: --port is given twice\n", stderr);
			return false;
		}
		for (size_t k = 0; k < i; k++)
			if (read_port(options->ports[k], &other) && other.number == given.number) {
				fprintf(stderr, "jobgate: port %u is given twice\n",
				    (unsigned)given.number);
				return false;
			}
	}
	return true;
}

unsigned
ports_own(const struct options *options)
{
	struct given given;

	return is_own(options, 0) && read_port(options->ports[0], &given) ? given.number : 0;
}

bool
ports_free(const struct options *options, const char *host)
{
	struct given given;

	for (size_t i = 0; i < options->port_count; i++) {
		if (is_own(options, i) || !read_port(options->ports[i], &given) ||
		    given.url != NULL || !service_listens(host, given.number))
			continue;
		fprintf(stderr, "jobgate: something listens on port %u already\n",
		    (unsigned)given.number);
		return false;
	}
	return true;
}

json_t *
ports_url(const char *host, unsigned port)
{
	bool v6 = strchr(host, ':') != NULL;

	return json_sprintf("http://%s%s%s:%u", v6 ? "[" : "", host, v6 ? "]" : "", port);
}

void
ports_body(const struct options *options, const char *host, json_t *body)
{
	json_t *ports = json_object();
	struct given given;

	for (size_t i = 0; i < options->port_count; i++) {
		char name[8];

		if ((host != NULL && is_own(options, i)) || !read_port(options->ports[i], &given))
			continue;
		snprintf(name, sizeof(name), "%u", (unsigned)given.number);
		if (given.url == NULL && host != NULL)
			json_object_set_new(ports, name, ports_url(host, given.number));
		else if (given.url == NULL || given.url[0] == '\0')
			json_object_set_new(ports, name, json_null());
		else
			json_object_set_new(ports, name, json_string(given.url));
	}
	if (json_object_size(ports) > 0)
		json_object_set(body, "ports", ports);
	json_decref(ports);
}
