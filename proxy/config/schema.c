/* schema.c - the table of keys. */
#include "config/schema.h"

#include <string.h>

#include <stddef.h>

#include "http/head.h"
#include "net/buffer.h"

#define AT(member) offsetof(struct config, member)
#define SECOND 1000
#define HOUR (3600 * SECOND)
#define DAY (24ull * HOUR)

/* A head must fit a buffer, together with what the gateway adds to it. */
#define HEAD_BYTES_MAX (40 * 1024)

const struct setting config_settings[] = {
    {"listen", FORM_LISTEN, AT(listeners), 0, 0},
    {"workers", FORM_WORKERS, AT(workers), 1, 256},
    {"user", FORM_TEXT, AT(user), 0, 0},
    {"jobs.domain", FORM_DOMAIN, AT(jobs.domain), 0, 0},
    {"jobs.prefix", FORM_PREFIX, AT(jobs.prefix), 0, 0},
    {"jobs.fixed", FORM_JOB_ID, AT(jobs.fixed), 0, 0},
    {"jobs.fixed_url", FORM_JOB_URL, AT(jobs.fixed_url), 0, 0},
    {"jobs.public_url", FORM_PUBLIC_URL, AT(jobs.public_url), 0, 0},
    {"store.url", FORM_STORE_URL, AT(store.url), 0, 0},
    {"store.read_url", FORM_STORE_URL, AT(store.read_url), 0, 0},
    {"store.write_url", FORM_STORE_URL, AT(store.write_url), 0, 0},
    {"store.wait_replicas", FORM_COUNT, AT(store.wait_replicas), 0, 100},
    {"store.wait_timeout", FORM_TIME, AT(store.wait_timeout), 1, 1500},
    {"store.wait_required", FORM_BOOL, AT(store.wait_required), 0, 0},
    {"store.prefix", FORM_TEXT, AT(store.prefix), 0, 0},
    {"store.ca_file", FORM_TEXT, AT(store.ca_file), 0, 0},
    {"store.state_dir", FORM_TEXT, AT(store.state_dir), 0, 0},
    {"store.redis_server", FORM_TEXT, AT(store.redis_server), 0, 0},
    {"store.max_staleness", FORM_TIME, AT(store.max_staleness), 100, DAY},
    {"store.ping_interval", FORM_TIME, AT(store.ping_interval), 50, HOUR},
    {"store.ping_deadline", FORM_TIME, AT(store.ping_deadline), 50, HOUR},
    {"store.connect_timeout", FORM_TIME, AT(store.connect_timeout), 50, HOUR},
    {"store.lookup_timeout", FORM_TIME, AT(store.lookup_timeout), 50, HOUR},
    {"store.cache_entries", FORM_COUNT, AT(store.cache_entries), 16, 100000000},
    {"backends.realm", FORM_TEXT, AT(backends.realm), 0, 0},
    {"backends.forward_token", FORM_BOOL, AT(backends.forward_token), 0, 0},
    {"backends.host", FORM_HOST, AT(backends.preserve_host), 0, 0},
    {"backends.upgrades", FORM_UPGRADES, AT(backends.upgrades), 0, 0},
    {"backends.drop_fields", FORM_FIELDS, AT(backends.drop_fields), 0, 0},
    {"backends.trusted_proxies", FORM_RANGES, AT(backends.trusted_proxies), 0, 0},
    {"backends.allow", FORM_RANGES, AT(backends.allow), 0, 0},
    {"backends.deny", FORM_RANGES, AT(backends.deny), 0, 0},
    {"backends.allow_loopback", FORM_BOOL, AT(backends.allow_loopback), 0, 0},
    {"backends.ca_file", FORM_TEXT, AT(backends.ca_file), 0, 0},
    {"backends.certificate", FORM_TEXT, AT(backends.certificate), 0, 0},
    {"backends.key", FORM_TEXT, AT(backends.key), 0, 0},
    {"backends.verify", FORM_BOOL, AT(backends.verify), 0, 0},
    {"backends.circuit_failures", FORM_COUNT, AT(backends.circuit_failures), 0, 1000000},
    {"backends.circuit_pause", FORM_TIME, AT(backends.circuit_pause), 50, HOUR},
    {"tls.certificates", FORM_CERTIFICATES, AT(tls.certificates), 0, 0},
    {"tls.min_version", FORM_TLS_VERSION, AT(tls.only_1_3), 0, 0},
    {"tls.client_ca", FORM_TEXT, AT(tls.client_ca), 0, 0},
    {"tls.client_certificates", FORM_CLIENTS, AT(tls.clients_optional), 0, 0},
    {"tls.hsts", FORM_HSTS, AT(tls.hsts), 0, 0},
    {"tls.ticket_secrets", FORM_TEXT, AT(tls.ticket_secrets), 0, 0},
    {"tls.ticket_lifetime", FORM_TIME, AT(tls.ticket_lifetime), SECOND, 7 * DAY},
    {"browser.sign_in", FORM_BOOL, AT(browser.sign_in), 0, 0},
    {"browser.session", FORM_TIME, AT(browser.session), SECOND, 30 * DAY},
    {"browser.key_file", FORM_TEXT, AT(browser.key_file), 0, 0},
    {"timeouts.handshake", FORM_TIME, AT(timeouts.handshake), 1, DAY},
    {"timeouts.head", FORM_TIME, AT(timeouts.head), 1, DAY},
    {"timeouts.keep_alive", FORM_TIME, AT(timeouts.keep_alive), 1, DAY},
    {"timeouts.body", FORM_TIME, AT(timeouts.body), 1, DAY},
    {"timeouts.connect", FORM_TIME, AT(timeouts.connect), 1, DAY},
    {"timeouts.first_byte", FORM_TIME, AT(timeouts.first_byte), 1, DAY},
    {"timeouts.answer", FORM_TIME, AT(timeouts.answer), 1, DAY},
    {"timeouts.tunnel", FORM_TIME, AT(timeouts.tunnel), 1, 30 * DAY},
    {"timeouts.linger", FORM_TIME, AT(timeouts.linger), 1, DAY},
    {"timeouts.drain", FORM_TIME, AT(timeouts.drain), 1, DAY},
    {"timeouts.backend_idle", FORM_TIME, AT(timeouts.backend_idle), 1, DAY},
    {"timeouts.watchdog", FORM_TIME, AT(timeouts.watchdog), 1000, DAY},
    {"limits.head_bytes", FORM_SIZE, AT(limits.head_bytes), 1024, HEAD_BYTES_MAX},
    {"limits.target_bytes", FORM_SIZE, AT(limits.target_bytes), 64, HEAD_BYTES_MAX},
    {"limits.fields", FORM_COUNT, AT(limits.fields), 8, HEAD_FIELDS_MAX - 16},
    {"limits.body_bytes", FORM_SIZE64, AT(limits.body_bytes), 0, INT64_MAX},
    {"limits.body_rate_min", FORM_SIZE64, AT(limits.body_rate_min), 0, 1 << 30},
    {"limits.connections", FORM_COUNT, AT(limits.connections), 1, 10000000},
    {"limits.connections_per_client", FORM_COUNT, AT(limits.connections_per_client), 0, 10000000},
    {"limits.handshakes", FORM_COUNT, AT(limits.handshakes), 1, 10000000},
    {"limits.failed_auth_rate", FORM_COUNT, AT(limits.failed_auth_rate), 0, 1000000},
    {"limits.failed_auth_burst", FORM_COUNT, AT(limits.failed_auth_burst), 1, 1000000},
    {"limits.idle_backend_connections", FORM_COUNT, AT(limits.idle_backend_connections), 0, 100000},
    {"limits.drain_bytes", FORM_SIZE64, AT(limits.drain_bytes), 0, INT64_MAX},
    {"control.socket", FORM_TEXT, AT(control.socket), 0, 0},
    {"control.host", FORM_DOMAIN, AT(control.host), 0, 0},
    {"control.metrics", FORM_ADDRESS, AT(control.metrics), 0, 0},
    {"control.listen", FORM_ADDRESS, AT(control.listen), 0, 0},
    {"control.certificate", FORM_TEXT, AT(control.certificate), 0, 0},
    {"control.key", FORM_TEXT, AT(control.key), 0, 0},
    {"control.client_ca", FORM_TEXT, AT(control.client_ca), 0, 0},
    {"control.allow_plain", FORM_BOOL, AT(control.allow_plain), 0, 0},
    {"control.scope_tokens", FORM_COUNT, AT(control.scope_tokens), 1, 100000},
    {"control.scope_jobs", FORM_COUNT, AT(control.scope_jobs), 1, 100000},
    {"control.scoped_urls", FORM_RANGES, AT(control.scoped_urls), 0, 0},
    {"log.level", FORM_LEVEL, AT(log.level), 0, 0},
    {"log.access", FORM_OPTIONAL_PATH, AT(log.access), 0, 0},
};

const size_t config_setting_count = sizeof(config_settings) / sizeof(config_settings[0]);

_Static_assert(sizeof(config_settings) / sizeof(config_settings[0]) <= SETTINGS_MAX, "room");

size_t
config_setting_find(const char *key)
{
	size_t i = 0;

	while (i < config_setting_count && strcmp(config_settings[i].key, key) != 0)
		i++;
	return i;
}
