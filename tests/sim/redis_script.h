/* redis_script.h - what server-side scripts do, for the files that have them in C. */
#ifndef SIM_REDIS_SCRIPT_H
#define SIM_REDIS_SCRIPT_H

#include "redis_call.h"

#define SCRIPT_TEXT_MAX 160

/* A text of its own: what was read may be deleted next. */
struct text {
	char at[SCRIPT_TEXT_MAX];
};

struct text script_join(const char *before, const char *id, const char *after);

/* A command within the script. */
#define DO(call, ...) redis_call_inner(call, (const char *const[]){__VA_ARGS__, NULL})

/* A command with a list of further words behind these two. */
void script_do_list(
    struct call *call, const char *name, const char *key, const char *const *words, size_t count);

bool script_exists(struct call *call, const char *key);

/* A field of a hash. False: there is no such field; then the value is "". */
bool script_field(struct call *call, const char *name, const char *field, struct text *value);

/* The score of a member as text. False: there is none. */
bool script_score(struct call *call, const char *name, const char *member, struct text *value);

/* How many members or fields a key has. */
size_t script_members(struct call *call, const char *name);

/* A text, or nil. */
void script_reply_if(struct call *call, bool is, const char *text);

/* ---- redis_scripts_scope.c ---- */

/*
 * A scope begins at argv[0]: the number of its labels, their names and values. How many words these
 * are, and whether a record lies within it.
 */
size_t script_scope_words(const char *const *argv);
bool script_job_within(struct call *call, const char *record, const char *const *argv);
bool script_token_within(struct call *call, const char *record, const char *const *argv);
bool script_selector_within(const char *selector, const char *const *argv);

/* Of MAKER_SCRIPT. */
struct maker {
	struct call *call;
	const char *key, *hash; /* hash "": the caller has no token */
	size_t most;
	const char *sets, *records, *made;
	struct text quota; /* the scope that a new record counts for */
};

/* argv: its five words. refused: 0, -4 or -5; counted: after the record was made. */
struct maker script_maker(struct call *call, const char *key, const char *const *argv);
int script_maker_refused(struct maker *maker);
void script_maker_counted(const struct maker *maker, const char *record, const char *id);

/* True for a lease: 1 to 5 digits, the first one not 0. */
bool script_is_lease(const char *text);

void script_delete_token_run(struct call *call);
void script_revoke_run(struct call *call);
void script_cascade_run(struct call *call);
void script_create_token_run(struct call *call);
void script_renew_token_run(struct call *call);
void script_limit_run(struct call *call);
void script_know_run(struct call *call);
void script_page_run(struct call *call);
void script_uses_run(struct call *call);
void script_get_run(struct call *call);
void script_create_job_run(struct call *call);
void script_delete_job_run(struct call *call);
void script_patch_job_run(struct call *call);
void script_renew_job_run(struct call *call);
void script_register_run(struct call *call);
void script_unregister_run(struct call *call);

#endif
