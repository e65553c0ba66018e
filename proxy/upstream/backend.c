/* backend.c - what is known of a backend: its addresses, and whether it takes connections. */
#include "upstream/pool_state.h"

#include <netinet/in.h>
#include <stdlib.h>

/* ---- addresses ---- */

/* "localhost" and every name below it, which mean this machine and nothing else (RFC 6761
 * section 6.3).
 */
static bool
name_is_localhost(struct slice name)
{
	struct slice localhost = SLICE("localhost");

	if (name.len > 0 && name.at[name.len - 1] == '.')
		name.len--;
	if (name.len > localhost.len && name.at[name.len - localhost.len - 1] == '.')
		name = slice_after(name, name.len - localhost.len);
	return slice_equal_nocase(name, localhost);
}

/* Addresses that need no resolver: a numeric one, and those of localhost. */
static size_t
known_addresses(const struct backend *backend, struct address out[2])
{
	if (name_is_localhost(backend->name))
		return address_parse(SLICE("127.0.0.1"), backend->port, &out[0]) &&
			       address_parse(SLICE("::1"), backend->port, &out[1])
			   ? 2
			   : 0;
	return address_parse(backend->name, backend->port, &out[0]) ? 1 : 0;
}

/* False when memory is short. */
static bool
set_addresses(struct backend *backend, const struct address *addresses, size_t count)
{
	struct address *copy = NULL;

	if (count > 0) {
		copy = malloc(count * sizeof(*copy));
		if (copy == NULL)
			return false;
		memcpy(copy, addresses, count * sizeof(*copy));
	}
	free(backend->addresses);
	backend->addresses = copy;
	backend->address_count = count;
	return true;
}

bool
backend_init_addresses(struct backend *backend)
{
	struct address known[2];
	size_t count;

	if (backend->scheme == JOB_URL_UNIX) {
		backend->fresh_until_ms = UINT64_MAX;
		return true;
	}
	count = known_addresses(backend, known);
	if (count > 0)
		backend->fresh_until_ms = UINT64_MAX;
	return set_addresses(backend, known, count);
}

static bool
same_address(const struct address *a, const struct address *b)
{
	const struct sockaddr_in6 *a6 = (const struct sockaddr_in6 *)&a->storage;
	const struct sockaddr_in6 *b6 = (const struct sockaddr_in6 *)&b->storage;
	const struct sockaddr_in *a4 = (const struct sockaddr_in *)&a->storage;
	const struct sockaddr_in *b4 = (const struct sockaddr_in *)&b->storage;

	if (a->storage.ss_family != b->storage.ss_family)
		return false;
	if (a->storage.ss_family == AF_INET)
		return a4->sin_addr.s_addr == b4->sin_addr.s_addr && a4->sin_port == b4->sin_port;
	return memcmp(&a6->sin6_addr, &b6->sin6_addr, sizeof(a6->sin6_addr)) == 0 &&
	       a6->sin6_port == b6->sin6_port;
}

static bool
is_among(const struct address *address, const struct address *set, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (same_address(address, &set[i]))
			return true;
	return false;
}

bool
backend_still_has(const struct backend *backend, const struct conn *conn)
{
	struct address peer = {.len = sizeof(peer.storage)};

	return getpeername(conn->fd, (struct sockaddr *)&peer.storage, &peer.len) == 0 &&
	       is_among(&peer, backend->addresses, backend->address_count);
}

/* True when all known addresses are among the new ones. */
static bool
none_is_gone(const struct backend *backend, const struct resolved *resolved)
{
	for (size_t i = 0; i < backend->address_count; i++)
		if (!is_among(&backend->addresses[i], resolved->addresses, resolved->count))
			return false;
	return true;
}

/* True when the addresses keep their indexes, too. Then dials that are connecting go on. */
static bool
none_has_moved(const struct backend *backend, const struct resolved *resolved)
{
	for (size_t i = 0; i < backend->address_count; i++)
		if (i >= resolved->count ||
		    !same_address(&backend->addresses[i], &resolved->addresses[i]))
			return false;
	return true;
}

/* Close idle connections to addresses that the name no longer has. */
static void
close_idle_elsewhere(struct backend *backend)
{
	struct backend_conn *connection, *next;

	for (connection = TAILQ_FIRST(&backend->idle); connection != NULL; connection = next) {
		next = TAILQ_NEXT(connection, link);
		if (!backend_still_has(backend, &connection->conn))
			connection->protocol->close(connection);
	}
}

/* Take new addresses, which may be none, in place of the known ones. */
static void
change_addresses(struct backend *backend, const struct resolved *resolved)
{
	bool in_place = backend->address_count > 0 && none_has_moved(backend, resolved);

	if (!set_addresses(backend, resolved->addresses, resolved->count))
		return; /* keep the addresses that are known */
	if (in_place)
		return;
	backend->version++;
	backend->first = 0;
	close_idle_elsewhere(backend);
}

static void
backend_resolved(void *ctx, const struct resolved *resolved)
{
	struct backend *backend = ctx;
	const struct pool_options *options = &backend->pool->options;

	if (!resolved->partial)
		backend->resolution = NULL;
	if (resolved->count == 0)
		log_warning(options->log, "backend %.*s does not resolve: %s",
		    (int)backend->name.len, backend->name.at,
		    resolved->error != NULL ? resolved->error : "no address");
	backend->failed = resolved->failed;
	/* The same addresses in another order change nothing. */
	if (!resolved->failed &&
	    (resolved->count != backend->address_count || !none_is_gone(backend, resolved)))
		change_addresses(backend, resolved);
	backend->fresh_until_ms = loop_now_ms(options->loop) + (uint64_t)resolved->ttl_s * 1000;
	backend->partial = resolved->partial;
	dial_resolved(backend);
}

bool
backend_addresses_fresh(const struct backend *backend)
{
	return backend->fresh_until_ms == UINT64_MAX ||
	       loop_now_ms(backend->pool->options.loop) < backend->fresh_until_ms;
}

void
backend_resolve(struct backend *backend)
{
	const struct pool_options *options = &backend->pool->options;

	if (backend->resolution != NULL && !backend->partial)
		return;
	/* The other family has not been answered in time. */
	if (backend->resolution != NULL)
		resolver_cancel(backend->resolution);
	backend->partial = false;
	backend->resolution = resolver_ask(
	    options->resolver, backend->name, backend->port, backend_resolved, backend);
}

/* ---- warnings ---- */

bool
backend_may_warn(struct backend *backend)
{
	uint64_t now_ms = loop_now_ms(backend->pool->options.loop);

	if (backend->warned_ms != 0 &&
	    now_ms - backend->warned_ms < backend->pool->options.tuning->warn_ms)
		return false;
	backend->warned_ms = now_ms;
	return true;
}

struct slice
pool_name(const struct backend *backend, char out[POOL_NAME_MAX])
{
	bool is_ipv6 = memchr(backend->name.at, ':', backend->name.len) != NULL;
	int len;

	if (backend->scheme == JOB_URL_UNIX)
		return backend->name;
	len = snprintf(out, POOL_NAME_MAX, is_ipv6 ? "[%.*s]:%u" : "%.*s:%u",
	    (int)backend->name.len, backend->name.at, backend->port);
	return (struct slice){out, len > 0 && len < POOL_NAME_MAX ? (size_t)len : 0};
}

/* ---- its circuit ---- */

static void
set_open(struct backend *backend, bool open)
{
	if (backend->counted_open == open)
		return;
	backend->counted_open = open;
	counter_add(&backend->pool->options.stats->circuits_open, open ? 1 : (uint64_t)-1);
}

void
backend_connected(struct dial *dial)
{
	struct backend *backend = dial->backend;
	char text[POOL_NAME_MAX];

	dial->probe = false;
	if (dial->made->place.version == backend->version)
		backend->first = dial->made->place.index;
	if (circuit_success(&backend->circuit)) {
		set_open(backend, false);
		struct slice name = pool_name(backend, text);

		log_info(dial->pool->options.log, "backend %.*s takes connections again",
		    (int)name.len, name.at);
	}
	redial_succeeded(backend);
	redial_left(dial);
}

/* Tell the circuit. True when that opened it. */
static bool
opens_circuit(struct dial *dial, bool probe)
{
	const struct pool_options *options = &dial->pool->options;
	struct circuit *circuit = &dial->backend->circuit;
	struct circuit_rules rules = options->settings.circuit;
	uint64_t now_ms = loop_now_ms(options->loop);

	/* Operators must not wait for a pause to end once the control process is back. */
	if (dial->backend->source == BACKEND_OF_CONTROL)
		rules.failures = 0;
	if (dial->failure != UPSTREAM_REFUSED)
		return circuit_failure(circuit, &rules, options->tuning, probe, now_ms);
	return circuit_refusal(circuit, &rules, options->tuning, probe,
	    dial->connect_by_ms - options->settings.connect_ms, now_ms);
}

void
backend_not_connected(struct dial *dial)
{
	struct backend *backend = dial->backend;
	const struct pool_options *options = &dial->pool->options;
	char text[POOL_NAME_MAX];
	struct slice name;
	bool probe = dial->probe;

	dial->probe = false;
	if (dial->failure != UPSTREAM_REFUSED && dial->failure != UPSTREAM_CONNECT_FAILED &&
	    dial->failure != UPSTREAM_CONNECT_TIMEOUT) {
		/* This says nothing about the backend itself. */
		if (probe)
			circuit_abandon(&backend->circuit);
		return;
	}
	if (!opens_circuit(dial, probe))
		return;
	set_open(backend, true);
	counter_add(&options->stats->circuit_opens, 1);
	name = pool_name(backend, text);
	log_warning(options->log, "backend %.*s takes no connections: left alone for %llu ms",
	    (int)name.len, name.at, (unsigned long long)backend->circuit.pause_ms);
	redial_failed(backend);
}

/* How many exchanges have entered and not left. */
static size_t
exchanges_of(const struct backend *backend)
{
	return backend->users - backend->connections;
}

/* True when a connection may be tried now. */
static bool
is_open_to_tries(const struct backend *backend, uint64_t now_ms)
{
	const struct circuit *circuit = &backend->circuit;

	if (circuit_refuses(circuit, &backend->pool->options.settings.circuit, now_ms))
		return now_ms >= circuit->redial_at_ms;
	return circuit->state == CIRCUIT_CLOSED ||
	       (circuit->state == CIRCUIT_OPEN && now_ms >= circuit->probe_at_ms);
}

bool
pool_prefers(const struct backend *a, const struct backend *b)
{
	uint64_t now_ms = loop_now_ms(a->pool->options.loop);
	bool a_open = is_open_to_tries(a, now_ms), b_open = is_open_to_tries(b, now_ms);

	return a_open != b_open ? a_open : exchanges_of(a) <= exchanges_of(b);
}

void
backend_forget_circuit(struct backend *backend)
{
	set_open(backend, false);
}

/* ---- dump ---- */

/*
 * The dump of each dial contains that of its backend. When thousands of dials wait, none of these
 * dumps may count them all.
 */
#define COUNTED_MAX 100

/* At most COUNTED_MAX. */
static size_t
length_of(const struct dial_list *list)
{
	const struct dial *dial = TAILQ_FIRST(list);
	size_t count = 0;

	for (; dial != NULL && count < COUNTED_MAX; dial = TAILQ_NEXT(dial, link))
		count++;
	return count;
}

static const char *
source_name(enum backend_source source)
{
	switch (source) {
	case BACKEND_OF_RECORD:
		return "record";
	case BACKEND_OF_CONFIGURATION:
		return "configuration";
	case BACKEND_OF_CONTROL:
		return "control";
	}
	return NULL;
}

void
backend_dump(const struct backend *backend, struct dump *dump)
{
	jg_dump_begin(dump, "backend");
	jg_dump_text(dump, "name", backend->name);
	jg_dump_number(dump, "port", backend->port);
	jg_dump_word(dump, "source", source_name(backend->source));
	jg_dump_number(dump, "users", backend->users);
	jg_dump_number(dump, "connections", backend->connections);
	jg_dump_number(dump, "idle", backend->idle_count);
	jg_dump_number(dump, "queued", length_of(&backend->queued));
	jg_dump_number(dump, "resolving", length_of(&backend->resolving));
	jg_dump_number(dump, "waiting", length_of(&backend->waiting));
	jg_dump_flag(dump, "shared", !TAILQ_EMPTY(&backend->shared));
	jg_dump_number(dump, "addresses", backend->address_count);
	jg_dump_flag(dump, "asking", backend->resolution != NULL);
	jg_dump_flag(dump, "dialling", backend->dialler != NULL);
	circuit_dump(&backend->circuit, dump);
	jg_dump_end(dump);
}
