/* decision.c - computes the verdict from the evidence. */
#include "jobgate/decision.h"

#include <openssl/crypto.h>
#include <string.h>

#include "auth/ascii.h"
#include "auth/siphash.h"
#include "jobgate/check.h"

/* RFC 6750 section 2.1: 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"=" */
static bool
is_b64token(struct slice text)
{
	size_t i = 0;

	while (i < text.len && ascii_is(text.at[i], ASCII_B64TOKEN))
		i++;
	if (i == 0)
		return false;
	while (i < text.len && text.at[i] == '=')
		i++;
	return i == text.len;
}

enum credential
jg_credential_parse(struct slice field, struct slice *value)
{
	size_t i = 6;

	*value = (struct slice){0};
	if (!slice_starts_with_nocase(field, SLICE("Bearer")) ||
	    (field.len > 6 && field.at[6] != ' '))
		return CREDENTIAL_FOREIGN;
	while (i < field.len && field.at[i] == ' ')
		i++;
	if (!is_b64token(slice_after(field, i)))
		return CREDENTIAL_MALFORMED;
	*value = slice_after(field, i);
	return CREDENTIAL_BEARER;
}

void
jg_bearer_read(const struct mint *mint, struct slice value, struct bearer *out)
{
	struct slice id;
	bool formed = jg_token_value_parse(value, &id);
	bool accepted = jg_mint_accepts(mint, value);

	*out = (struct bearer){0};
	out->formed = jg_token_hash(value, out->hash) && formed && accepted;
	if (out->formed)
		memcpy(out->id, id.at, TOKEN_ID_LEN);
}

static void
forget_all(struct digest_cache *cache, uint64_t mint_edition)
{
	memset(cache->slots, 0, sizeof(cache->slots));
	cache->mint_edition = mint_edition;
}

struct cached_digest *
jg_bearer_recall(struct digest_cache *cache, const struct mint *mint, struct slice value)
{
	struct cached_digest *digest;
	uint64_t print[2];

	if (cache->mint_edition != mint->edition)
		forget_all(cache, mint->edition);
	siphash_128(cache->key, value, print);
	digest = &cache->slots[print[0] & (DIGEST_CACHE_SLOTS - 1)];
	if (!digest->kept || print[0] != digest->print[0] || print[1] != digest->print[1]) {
		jg_bearer_read(mint, value, &digest->bearer);
		memcpy(digest->print, print, sizeof(print));
		digest->kept = digest->bearer.formed;
	}
	return digest;
}

void
jg_bearer_forget(struct digest_cache *cache, const struct cached_digest *read)
{
	struct cached_digest *digest = &cache->slots[read->print[0] & (DIGEST_CACHE_SLOTS - 1)];

	if (digest->print[0] == read->print[0] && digest->print[1] == read->print[1])
		digest->kept = false;
}

/* Decide whether a valid token with this selector may use the job of the request. */
static enum verdict
decide_on_job(const struct label_set *selector, enum knowledge job_known,
    const struct label_set *labels, bool has_url)
{
	CHECK(job_known != RECORD_KNOWN || labels != NULL);
	switch (job_known) {
	case RECORD_UNKNOWN:
		return VERDICT_UNAVAILABLE;
	case RECORD_ABSENT:
		return selector->count > 0 ? VERDICT_OUT_OF_SCOPE : VERDICT_NO_SUCH_JOB;
	case RECORD_KNOWN:
		break;
	}
	if (!jg_selector_match(selector, labels))
		return VERDICT_OUT_OF_SCOPE;
	return has_url ? VERDICT_ALLOW : VERDICT_NO_URL;
}

static enum verdict
decide_on_record(const struct label_set *selector, enum knowledge job_known, const struct job *job)
{
	CHECK(job_known != RECORD_KNOWN || job != NULL);
	return decide_on_job(selector, job_known, job != NULL ? &job->labels : NULL,
	    job != NULL && job->url.scheme != JOB_URL_NONE);
}

/* True when the card has all that a decision needs of the token. */
static bool
has_card(const struct evidence *evidence)
{
	return evidence->card.hash != NULL && evidence->credential == CREDENTIAL_BEARER &&
	       evidence->bearer->formed && evidence->token_known == RECORD_KNOWN;
}

static bool
card_proves(const struct token_card *card, const struct bearer *bearer)
{
	bool same = jg_token_hash_equal(bearer->hash, card->hash);

	return same && memcmp(card->id, bearer->id, TOKEN_ID_LEN) == 0;
}

/*
 * Decide without a token. The job counts only if its record is known and says that it is public;
 * otherwise the answer is the same as for any other job.
 */
static enum verdict
decide_without_token(enum knowledge job_known, const struct job *job, enum verdict refusal)
{
	CHECK(job_known != RECORD_KNOWN || job != NULL);
	if (job_known == RECORD_UNKNOWN)
		return VERDICT_UNAVAILABLE;
	if (job_known != RECORD_KNOWN || !jg_job_is_public(job))
		return refusal;
	return job->url.scheme == JOB_URL_NONE ? VERDICT_NO_URL : VERDICT_PUBLIC;
}

/* With token NULL the same work is done, and the result is false. */
static bool
bearer_proves(const struct bearer *bearer, const struct token *token)
{
	static const unsigned char nothing[TOKEN_HASH_LEN];
	bool same = jg_token_hash_equal(bearer->hash, token != NULL ? token->hash : nothing);

	return same && token != NULL && bearer->formed &&
	       slice_equal(token->id, (struct slice){bearer->id, TOKEN_ID_LEN});
}

/* True while the value before the last renewal is valid, too. */
static bool
is_in_grace(const struct token *token, uint64_t wall_ms)
{
	return token->previous_until_ms != 0 && wall_ms != 0 && wall_ms < token->previous_until_ms;
}

/* The token as it was before its last renewal, with the members that a proof needs. */
static struct token
previous_of(const struct token *token)
{
	struct token previous = {.id = token->id, .version = token->version - 1};

	memcpy(previous.hash, token->previous_hash, sizeof(previous.hash));
	return previous;
}

static bool
session_proves(const struct evidence *evidence, const struct token *token)
{
	return token != NULL && token->version == evidence->version &&
	       CRYPTO_memcmp(token->hash, evidence->mark, TOKEN_MARK_LEN) == 0;
}

/* True when the evidence proves this value of the token; token may be NULL. */
static bool
proves(const struct evidence *evidence, const struct token *token)
{
	switch (evidence->credential) {
	case CREDENTIAL_BEARER:
		return bearer_proves(evidence->bearer, token);
	case CREDENTIAL_SESSION:
		return session_proves(evidence, token);
	case CREDENTIAL_NONE:
	case CREDENTIAL_FOREIGN:
	case CREDENTIAL_MALFORMED:
		break;
	}
	return false;
}

bool
jg_evidence_proves(const struct evidence *evidence)
{
	const struct token *token = NULL;
	struct token previous;

	if (evidence->credential != CREDENTIAL_BEARER && evidence->credential != CREDENTIAL_SESSION)
		return false;
	if (has_card(evidence))
		return card_proves(&evidence->card, evidence->bearer);
	if (evidence->bearer->formed && evidence->token_known == RECORD_KNOWN)
		token = evidence->token;
	if (proves(evidence, token))
		return true;
	if (token == NULL || !is_in_grace(token, evidence->wall_ms))
		return false;
	previous = previous_of(token);
	return proves(evidence, &previous);
}

struct token_edition
jg_proved_edition(const struct evidence *evidence)
{
	CHECK(evidence->token != NULL);
	if (evidence->token->previous_until_ms == 0 || proves(evidence, evidence->token))
		return jg_token_edition(evidence->token);
	return jg_token_previous_edition(evidence->token);
}

struct token
jg_proved_token(const struct evidence *evidence)
{
	struct token_edition edition = jg_proved_edition(evidence);
	struct token token = *evidence->token;

	token.version = edition.version;
	memcpy(token.hash, edition.hash, sizeof(token.hash));
	return token;
}

bool
jg_edition_is_previous(const struct token_edition *edition, const struct token *token)
{
	return token->previous_until_ms != 0 && edition->version == token->version - 1 &&
	       jg_token_hash_equal(edition->hash, token->previous_hash);
}

uint64_t
jg_token_turns_ms(const struct token *token, uint64_t wall_ms)
{
	uint64_t expires_ms = token->expires_ms > wall_ms ? token->expires_ms : 0;
	uint64_t until_ms = token->previous_until_ms > wall_ms ? token->previous_until_ms : 0;

	if (expires_ms == 0 || (until_ms != 0 && until_ms < expires_ms))
		return until_ms;
	return expires_ms;
}

/* VERDICT_ALLOW when a token that was proved is valid now, and from this address. */
static enum verdict
decide_on_limits(const struct token *token, uint64_t wall_ms, const struct in6_addr *address)
{
	if (jg_token_is_expired(token, wall_ms))
		return VERDICT_EXPIRED;
	return jg_token_admits(token, address) ? VERDICT_ALLOW : VERDICT_OTHER_ADDRESS;
}

/* VERDICT_ALLOW when the credential proves the token, and its limits allow the request. */
static enum verdict
decide_on_token(const struct evidence *evidence, bool proved)
{
	if ((evidence->bearer->formed && evidence->token_known == RECORD_UNKNOWN) ||
	    (evidence->by_sign_in && evidence->sign_in_known == RECORD_UNKNOWN))
		return VERDICT_UNAVAILABLE;
	if (!proved)
		return VERDICT_INVALID_TOKEN;
	if (has_card(evidence))
		return VERDICT_ALLOW;
	CHECK(evidence->token != NULL && evidence->token_known == RECORD_KNOWN);
	return decide_on_limits(evidence->token, evidence->wall_ms, evidence->address);
}

/* No credential of ours was sent, perhaps a foreign one: `refusal` says which. */
static enum verdict
decide_without_credential(const struct evidence *evidence, enum verdict refusal)
{
	if (!evidence->is_listed_public || !evidence->names_job || evidence->names_control)
		return refusal;
	return decide_without_token(evidence->job_known, evidence->job, refusal);
}

enum verdict
jg_decide_public_again(enum knowledge job_known, const struct job *job)
{
	return decide_without_token(job_known, job, VERDICT_NO_CREDENTIAL);
}

enum verdict
jg_decide(const struct evidence *evidence)
{
	return jg_decide_proved(evidence, jg_evidence_proves(evidence));
}

enum verdict
jg_decide_proved(const struct evidence *evidence, bool proved)
{
	const struct label_set *selector;
	enum verdict verdict;

	switch (evidence->credential) {
	case CREDENTIAL_MALFORMED:
		return VERDICT_BAD_CREDENTIAL;
	case CREDENTIAL_NONE:
		return decide_without_credential(evidence, VERDICT_NO_CREDENTIAL);
	case CREDENTIAL_FOREIGN:
		return decide_without_credential(evidence, VERDICT_INVALID_TOKEN);
	case CREDENTIAL_BEARER:
	case CREDENTIAL_SESSION:
		break;
	}
	verdict = decide_on_token(evidence, proved);
	if (verdict != VERDICT_ALLOW)
		return verdict;
	CHECK(evidence->token_known == RECORD_KNOWN);
	if (evidence->names_control) { /* the control API checks the token and its scope again */
		CHECK(evidence->token != NULL);
		return evidence->token->role == ROLE_OPERATOR ? VERDICT_ALLOW
							      : VERDICT_OUT_OF_SCOPE;
	}
	if (!evidence->names_job)
		return VERDICT_NOT_A_JOB;
	selector = has_card(evidence) ? evidence->card.selector : &evidence->token->selector;
	if (evidence->labels != NULL)
		return decide_on_job(selector, evidence->job_known, evidence->labels, true);
	return decide_on_record(selector, evidence->job_known, evidence->job);
}

struct token_edition
jg_token_edition(const struct token *token)
{
	struct token_edition edition = {.version = token->version};

	memcpy(edition.hash, token->hash, sizeof(edition.hash));
	return edition;
}

struct token_edition
jg_token_previous_edition(const struct token *token)
{
	struct token previous = previous_of(token);

	return jg_token_edition(&previous);
}

bool
jg_edition_is_valid(
    const struct token *token, const struct token_edition *allowed, uint64_t wall_ms)
{
	if (token->version == allowed->version && jg_token_hash_equal(token->hash, allowed->hash))
		return true;
	return is_in_grace(token, wall_ms) && jg_edition_is_previous(allowed, token);
}

enum verdict
jg_decide_again(enum knowledge token_known, const struct token *token,
    const struct token_edition *allowed, uint64_t wall_ms, const struct in6_addr *address,
    enum knowledge job_known, const struct job *job)
{
	enum verdict verdict;

	switch (token_known) {
	case RECORD_UNKNOWN:
		return VERDICT_UNAVAILABLE;
	case RECORD_ABSENT:
		return VERDICT_INVALID_TOKEN;
	case RECORD_KNOWN:
		break;
	}
	CHECK(token != NULL);
	if (!jg_edition_is_valid(token, allowed, wall_ms))
		return VERDICT_INVALID_TOKEN;
	verdict = decide_on_limits(token, wall_ms, address);
	return verdict == VERDICT_ALLOW ? decide_on_record(&token->selector, job_known, job)
					: verdict;
}

unsigned
jg_verdict_status(enum verdict verdict)
{
	switch (verdict) {
	case VERDICT_ALLOW:
	case VERDICT_PUBLIC:
		return 200;
	case VERDICT_BAD_CREDENTIAL:
		return 400;
	case VERDICT_NO_CREDENTIAL:
	case VERDICT_INVALID_TOKEN:
	case VERDICT_EXPIRED:
		return 401;
	case VERDICT_OTHER_ADDRESS:
	case VERDICT_OUT_OF_SCOPE:
		return 403;
	case VERDICT_NOT_A_JOB:
	case VERDICT_NO_SUCH_JOB:
		return 404;
	case VERDICT_OVER_RATE:
	case VERDICT_OVER_CONCURRENCY:
		return 429;
	case VERDICT_UNAVAILABLE:
	case VERDICT_NO_URL:
	case VERDICT_LIMITS_FULL:
		return 503;
	}
	return 403;
}

const char *
jg_verdict_name(enum verdict verdict)
{
	switch (verdict) {
	case VERDICT_ALLOW:
		return "allow";
	case VERDICT_PUBLIC:
		return "public";
	case VERDICT_BAD_CREDENTIAL:
		return "bad_credential";
	case VERDICT_NO_CREDENTIAL:
		return "no_credential";
	case VERDICT_INVALID_TOKEN:
		return "invalid_token";
	case VERDICT_EXPIRED:
		return "expired_token";
	case VERDICT_OTHER_ADDRESS:
		return "other_address";
	case VERDICT_UNAVAILABLE:
		return "unavailable";
	case VERDICT_NOT_A_JOB:
		return "not_a_job";
	case VERDICT_NO_SUCH_JOB:
		return "no_such_job";
	case VERDICT_OUT_OF_SCOPE:
		return "out_of_scope";
	case VERDICT_NO_URL:
		return "no_url";
	case VERDICT_OVER_RATE:
		return "over_rate";
	case VERDICT_OVER_CONCURRENCY:
		return "over_concurrency";
	case VERDICT_LIMITS_FULL:
		return "limits_full";
	}
	return "refused";
}
