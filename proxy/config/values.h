/* values.h - the forms that single values of a configuration have. */
#ifndef JOBGATE_CONFIG_VALUES_H
#define JOBGATE_CONFIG_VALUES_H

#include "config/config.h"

/*
 * Each parses a whole text and returns NULL, or a static sentence that says what is expected
 * there. Nothing is allocated.
 */
const char *value_bool(const char *text, bool *out);
const char *value_number(const char *text, uint64_t *out);
const char *value_time(const char *text, uint64_t *out_ms); /* 250ms, 5s, 2m, 1h */
const char *value_size(const char *text, uint64_t *out);    /* 65536, 64KiB, 1MiB, 1GiB */
const char *value_level(const char *text, enum log_level *out);
const char *value_range(
    const char *text, struct ip_range *out); /* 10.0.0.0/8, fd00::/8, 192.0.2.1 */
const char *value_domain(const char *text);  /* jobs.example.org */
const char *value_prefix(const char *text);  /* /jobs */
const char *value_origin(const char *text);  /* https://app.example.org, or "*" */

/*
 * host:port, [v6]:port, :port, or unix:/path. host is a copy into `host` (46 bytes
 * or more), "::" for :port.
 */
const char *value_address(const char *text, char host[64], uint16_t *port, const char **path);

#endif
