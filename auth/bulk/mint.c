/* mint.c - jobgate store mint: makes a store's mint key, and enforces it. */
#include <openssl/crypto.h>

#include "auth/bulk/task.h"
#include "auth/moment.h"
#include "jobgate/clock.h"

/* True while a grace keeps the value before valid, of which no record says whether it was minted.
 */
static bool
has_grace(const struct record *record)
{
	return record != NULL && record->kind == RECORD_TOKEN &&
	       record->token.previous_until_ms > clock_ms(CLOCK_REALTIME);
}

/* Count a grace, which enforcing would end early. */
static void
count_grace(struct task *task, enum record_kind kind, const struct store_walk_entry *entry)
{
	char until[MOMENT_TEXT_MAX];

	moment_format(entry->record->token.previous_until_ms, until);
	task->unminted++;
	task_note(task, kind, entry->id,
	    "the value before its renewal is valid until %s and may not be minted: wait until "
	    "then, or renew the token without a grace",
	    until);
}

static void
count_unminted(struct task *task, enum record_kind kind, const struct store_walk_entry *entry)
{
	if (!task_is_unminted(entry->record)) {
		if (task->enforce && has_grace(entry->record))
			count_grace(task, kind, entry);
		return;
	}
	task->unminted++;
	if (task->enforce)
		task_note(task, kind, entry->id,
		    "version %llu was not minted: renew it (jobgate token renew)",
		    (unsigned long long)entry->record->token.version);
}

static enum store_result
change(struct task *task, enum store_mint_change what)
{
	unsigned char key[MINT_KEY_LEN];
	enum store_result result = STORE_UNAVAILABLE;

	if (jg_mint_key_make(key))
		result = task_mint_change(task, what, key);
	OPENSSL_cleanse(key, sizeof(key));
	return result;
}

static int
unreachable(void)
{
	fputs("jobgate: the store does not answer; run it again\n", stderr);
	return TASK_UNREACHABLE;
}

/* Print which values count from now on, and what to do next. */
static void
tell_state(struct task *task)
{
	if (store_mint(task->store)->state == MINT_ENFORCED) {
		fputs("values are minted, and only minted values count\n", task->out);
		return;
	}
	fprintf(task->out, "values of new and renewed tokens are minted; %llu %s not minted yet\n",
	    (unsigned long long)task->unminted, task->unminted == 1 ? "token is" : "tokens are");
	fputs("Next: once all gateways are of this version, renew these tokens (jobgate token "
	      "renew), "
	      "then run jobgate store mint --enforce\n",
	    task->out);
}

/*
 * Make a key if the store has none. If there is no token, the key is enforced at once; the store
 * checks that again in the same step, since a token may be created meanwhile.
 */
static int
start(struct task *task)
{
	bool empty = task->counts[RECORD_TOKEN] == 0;
	enum store_result result = STORE_OK;

	if (store_mint(task->store)->state == MINT_NONE)
		result = change(task, empty ? STORE_MINT_ADOPT : STORE_MINT_START);
	if (result == STORE_OK && empty && store_mint(task->store)->state != MINT_ENFORCED)
		result = change(task, STORE_MINT_ENFORCE);
	/*
	 * A conflict means that another process made the key or a token first, or that the stored
	 * key is not valid.
	 */
	if (result == STORE_CONFLICT && store_mint(task->store)->state == MINT_NONE) {
		fputs("jobgate: the key <prefix>mint in the store is not valid: delete it with "
		      "redis-cli DEL, then run this again\n",
		    stderr);
		return TASK_WRONG;
	}
	if (result != STORE_OK && result != STORE_CONFLICT)
		return unreachable();
	tell_state(task);
	return TASK_OK;
}

static int
enforce(struct task *task)
{
	unsigned long long unminted = task->unminted;
	enum store_result result;

	if (store_mint(task->store)->state == MINT_NONE) {
		fputs(
		    "jobgate: this store has no mint key yet: once all gateways have this version, "
		    "run jobgate store mint, then renew the tokens\n",
		    stderr);
		return TASK_WRONG;
	}
	if (unminted > 0 && !task->force) {
		fprintf(stderr,
		    "jobgate: %llu %s would be refused, so nothing was changed; renew %s, or add "
		    "--force\n",
		    unminted, task_nouns(RECORD_TOKEN, unminted), unminted == 1 ? "it" : "them");
		return TASK_WRONG;
	}
	/* The store counts again, in the same step that enforces the key. */
	result = change(task, task->force ? STORE_MINT_FORCE : STORE_MINT_ENFORCE);
	if (result == STORE_CONFLICT) {
		fputs("jobgate: a token without a minted value, or with a grace, was added "
		      "meanwhile, so "
		      "nothing was changed; run this again\n",
		    stderr);
		return TASK_WRONG;
	}
	if (result != STORE_OK)
		return unreachable();
	tell_state(task);
	if (unminted > 0)
		fprintf(stderr, "jobgate: %llu %s refused until renewed\n", unminted,
		    unminted == 1 ? "token is" : "tokens are");
	return TASK_OK;
}

static void
count_tokens(struct task *task, enum record_kind kind, const struct store_walk_entry *entry)
{
	task->counts[kind]++;
	count_unminted(task, kind, entry);
}

int
task_mint(struct task *task)
{
	int result = task_mint_know(task);

	if (result == TASK_OK)
		result = task_walk(task, RECORD_TOKEN, TASK_WALK_KEYS, count_tokens);
	if (result != TASK_OK)
		return result;
	return task->enforce ? enforce(task) : start(task);
}
