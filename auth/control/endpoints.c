/* endpoints.c - the tables of endpoints. */
#include "auth/control/handlers.h"
#include "jobgate/control_fields.h"

static const struct endpoint api_rows[] = {
    {"GET", "/v1/tokens", tokens_list},
    {"POST", "/v1/tokens", tokens_create},
    {"POST", "/v1/tokens/revoke", tokens_revoke},
    {"GET", "/v1/tokens/{id}", tokens_get},
    {"PATCH", "/v1/tokens/{id}", tokens_patch},
    {"DELETE", "/v1/tokens/{id}", tokens_delete},
    {"POST", "/v1/tokens/{id}/renew", tokens_renew},
    {"GET", "/v1/jobs", jobs_list},
    {"POST", "/v1/jobs", jobs_create},
    {"GET", "/v1/jobs/{id}", jobs_get},
    {"PATCH", "/v1/jobs/{id}", jobs_patch},
    {"DELETE", "/v1/jobs/{id}", jobs_delete},
    {"POST", "/v1/jobs/{id}/renew", jobs_renew},
    {"GET", "/v1/jobs/{id}/tokens", jobs_tokens},
    {"GET", "/v1/sessions", sessions_list},
    {"DELETE", "/v1/sessions", sessions_cut},
    {"DELETE", "/v1/sessions/{id}", sessions_cut_one},
    {"GET", "/v1/events", events_read},
    {"POST", "/v1/authorize", authorize_explain},
    {"GET", "/v1/me", me_get},
    {"GET", "/openapi.json", openapi_get},
    {"GET", "/healthz", observe_health},
    {"GET", "/readyz", observe_ready},
    {"GET", "/metrics", observe_metrics},
};

const struct endpoint_table api_endpoints = {api_rows, sizeof(api_rows) / sizeof(api_rows[0])};

static const struct endpoint open_rows[] = {
    {"POST", "/v1/tokens/revoke", tokens_revoke},
    {"POST", CONTROL_SIGN_IN_PATH, sign_ins_create},
    {"POST", CONTROL_SIGN_OUT_PATH, sign_ins_delete},
    {"POST", CONTROL_CODE_ADD_PATH, codes_add},
    {"POST", CONTROL_CODE_TAKE_PATH, codes_take},
    {"GET", "/healthz", observe_health},
    {"GET", "/readyz", observe_ready},
    {"GET", "/metrics", observe_metrics},
};

const struct endpoint_table open_endpoints = {open_rows, sizeof(open_rows) / sizeof(open_rows[0])};
