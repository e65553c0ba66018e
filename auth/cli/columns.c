/* columns.c - which members of a record people see, in which order and under which names. */
#include "auth/cli/columns.h"

const struct column token_columns[] = {
    {"Id", "id", "-"},
    {"Name", "name", "-"},
    {"Role", "role", "-"},
    {"Label selector", "label_selector", "none (every job)"},
    {"Version", "version", "-"},
    {"Created at", "created_at", "-"},
    {"Updated at", "updated_at", "-"},
    {"Token", "value", "-"},
    {0},
};

const struct column token_list_columns[] = {
    {"ID", "id", NULL},
    {"NAME", "name", NULL},
    {"ROLE", "role", NULL},
    {"LABEL SELECTOR", "label_selector", NULL},
    {"VERSION", "version", NULL},
    {"CREATED AT", "created_at", NULL},
    {0},
};

const struct column job_columns[] = {
    {"Id", "id", "-"},
    {"URL", "url", "none yet"},
    {"Labels", "labels", "none"},
    {"Job URL", "job_url", "-"},
    {"Lease", "lease", "none (stays until it is deleted)"},
    {"Created at", "created_at", "-"},
    {"Updated at", "updated_at", "-"},
    {0},
};

const struct column job_list_columns[] = {
    {"ID", "id", NULL},
    {"URL", "url", NULL},
    {"LABELS", "labels", NULL},
    {"JOB URL", "job_url", NULL},
    {"CREATED AT", "created_at", NULL},
    {0},
};
