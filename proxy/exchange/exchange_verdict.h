/* exchange_verdict.h - what the files of an exchange up to its verdict share. */
#ifndef JOBGATE_EXCHANGE_EXCHANGE_VERDICT_H
#define JOBGATE_EXCHANGE_EXCHANGE_VERDICT_H

#include "exchange/exchange_state.h"

/* ---- authorize.c ---- */

/* The record that the request waits for has come, or cannot be read: run the steps again. */
void exchange_record_came(struct directory_waiter *waiter);

/* LOCAL, all content has come: judge the credential in it. */
void exchange_authorize_content(struct exchange *exchange);

/* ---- describe.c ---- */

/* Remember what the log and local replies tell of a request. */
void exchange_describe(struct exchange *exchange, const struct request *request);

/* ---- find_route.c ---- */

/*
 * Set exchange->route: the job, the control API or the sign-in host that the request's host and
 * path name. At the sign-in host, the job is the one that the browser wants to go back to.
 */
void exchange_find_route(struct exchange *exchange, const struct request *request);

/* ---- first_use.c ---- */

/*
 * Note that the token and the job are used: once in a minute, for `last_used_at` and
 * `last_request_at`.
 */
void exchange_note_use(struct exchange *exchange, const struct lookup *lookup);

/* ---- credential.c ---- */

/*
 * Read the claim of a request: the credential that counts (credential_order.h), or a browser's
 * session. False: memory is too short to open the session. Refuse the request then
 * (VERDICT_UNAVAILABLE), since it must not pass as one without a session.
 */
bool exchange_claim(struct exchange *exchange, const struct request *request, struct claim *claim);

/* The same at the sign-in host, where only the cookie of the browser's sign-in counts. */
bool exchange_claim_sign_in(
    struct exchange *exchange, const struct request *request, struct claim *claim);

/* The same from a value as Authorization has it, of the scheme Bearer. */
void exchange_claim_field(struct exchange *exchange, struct slice field, struct claim *claim);

/*
 * After a wait: read the claim again if the key of minted values has changed since, and drop a
 * session that has expired. request: the one that the claim is from. The claim does not point into
 * the cache afterwards, because it may have to wait again.
 */
void exchange_confirm_claim(
    struct exchange *exchange, const struct request *request, struct claim *claim);

/*
 * True when the Authorization field that the job gets authenticates the whole connection, as NTLM
 * and, with some servers, Negotiate do (RFC 4559 section 6). Then no other client's request may
 * follow on that connection.
 */
bool authenticates_connection(const struct request *request);

/* Note what is wrong with the credential of a request that gets this verdict, for its refusal. */
void exchange_note_mistake(
    struct exchange *exchange, const struct request *request, enum verdict verdict);

/* ---- forward_auth_refusal.c ---- */

/* Put the request that the other proxy holds in the place of its own. False: it has been refused.
 */
bool exchange_forward_auth(struct exchange *exchange, struct request *request)
    __attribute__((cold));

/* False when the other proxy could find another job in the path: it has been refused then. */
bool exchange_forward_auth_path(struct exchange *exchange, const struct request *request)
    __attribute__((cold));

/* False when the other proxy would forward a token in the query to the job. */
bool exchange_forward_auth_query(struct exchange *exchange, const struct request *request)
    __attribute__((cold));

/* True when the other proxy asks about one of our own paths: it should send those to us, since an
 * answer of 2xx here would let the request pass to the job. */
bool exchange_forward_auth_ours(struct exchange *exchange, const struct request *request)
    __attribute__((cold));

/* ---- lookup.c ---- */

/* Look up both records, in this turn. False when the request has to wait for the store. */
bool exchange_look_up(struct exchange *exchange, const struct claim *claim, struct lookup *lookup);

/*
 * Decide. Also notes what the log and the metrics show of the verdict. A token that does not reach
 * a public job does not count, and is taken out of the lookup.
 */
enum verdict exchange_decide(
    struct exchange *exchange, const struct claim *claim, struct lookup *lookup);

/*
 * The token's selector does not reach the job: note it for the line of this exchange in the log,
 * which is written in this turn.
 */
void exchange_note_selector(struct exchange *exchange, const struct token *token);

/* The selector because of which it is refused, for its line in the log; empty: none is noted. */
struct slice exchange_unmatched(const struct exchange *exchange);

/* ---- judge_again.c ---- */

/* The verdict rests on these records: watch them from now on. */
void exchange_watch(struct exchange *exchange, const struct lookup *lookup);

/*
 * Read the clock and judge again, by what is known now of the watched records. False: that refuses
 * the exchange, and it has ended.
 */
bool exchange_still_holds(struct exchange *exchange);

/*
 * True when the backend has seen nothing of the request. A connection may take seconds; then the
 * head may wait for the backend's SETTINGS, or for a socket that takes nothing.
 */
bool exchange_is_unsent(const struct exchange *exchange);

/* A watched record has changed: judge again at once; one that is held runs the steps again. */
void exchange_token_changed(struct directory_watch *watch);
void exchange_job_changed(struct directory_watch *watch);
void exchange_sign_in_changed(struct directory_watch *watch);
void exchange_label_changed(struct directory_watch *watch);

/* Stop to watch the records. */
static inline void
exchange_unwatch(struct exchange *exchange)
{
	jg_directory_unwatch(&exchange->token_watch);
	jg_directory_unwatch(&exchange->job_watch);
	if (exchange->sign_in_watch.entry != NULL)
		jg_directory_unwatch(&exchange->sign_in_watch);
	if (exchange->label_watch.entry != NULL)
		jg_directory_unwatch(&exchange->label_watch);
}

/* ---- lookup_port.c ---- */

/*
 * As exchange_look_up, for a route with a port: find which of the two jobs the request is for, and
 * that job. False when the request has to wait for a record.
 */
bool exchange_look_up_port(struct exchange *exchange, uint64_t now_ms, struct lookup *lookup)
    __attribute__((cold));

/*
 * The same for a request without a token: is_listed_public of the evidence says whether the job
 * that was found, by its own id or by its port, is listed as public. Other jobs are not looked up.
 */
bool exchange_look_up_listed_port(struct exchange *exchange, uint64_t now_ms, struct lookup *lookup)
    __attribute__((cold));

/* The records of both jobs will be needed: start to read the one that was not looked up yet. */
void exchange_read_port_early(struct exchange *exchange, uint64_t now_ms) __attribute__((cold));

/*
 * A session is bound to one of the two jobs. If that one is not served here, or not any more, a
 * person has to sign in again, whichever of both has gone: the answer is the same as without a
 * session.
 */
enum verdict exchange_port_verdict(const struct exchange *exchange, enum verdict verdict)
    __attribute__((cold));

/*
 * by_port: the job counts as absent once it has no such port, or another job, even one with a
 * broken record, has its host. answer is what is known of its record, and *job the job in it or
 * NULL, which is replaced by the job with the port's URL, in room.
 */
void exchange_judge_port(struct exchange *exchange, uint64_t now_ms,
    struct directory_answer *answer, const struct job **job, struct job *room);

/* ---- token_limits.c ---- */

/*
 * Count an allowed request against its token's limits. False when it is over one: it has been
 * refused then, and counts for nothing. exchange_end gives back what it holds. A request that was
 * held has been counted before: of limits that are new since then, only concurrency applies.
 */
bool exchange_within_limits(struct exchange *exchange, const struct token *token);

/* The token or its record has changed while the exchange runs: it may have a limit only now. */
void exchange_follow_limits(struct exchange *exchange, const struct token *token);

/* ---- hold.c ---- */

/*
 * The token is valid and reaches the job, or the job is public (token NULL): find how long the
 * request may be held, unless that is known. request is as the client sent it. True when it may be
 * held now.
 */
bool exchange_may_hold(
    struct exchange *exchange, const struct request *request, const struct token *token);

/* Its connection is up, or it has ended: it is not held any more. */
void exchange_hold_ended(struct exchange *exchange);

/* True while the request may still wait for a job that is not up. */
static inline bool
exchange_waits(const struct exchange *exchange)
{
	return exchange->hold_until_ms != 0 &&
	       loop_now_ms(exchange->context->loop) < exchange->hold_until_ms;
}

/*
 * The job has no URL, and the request may be held: hold it until one of the records changes or the
 * time is over.
 */
void exchange_hold(struct exchange *exchange, const struct lookup *lookup);

/* It was held, and one of the records has changed: run the steps again. */
void exchange_resume(struct exchange *exchange);

/* True when the reply to this request is a page that checks again by itself. */
static inline bool
exchange_checks_again(const struct exchange *exchange)
{
	return exchange->html &&
	       (exchange->method_id == METHOD_GET || exchange->method_id == METHOD_HEAD);
}

#endif
