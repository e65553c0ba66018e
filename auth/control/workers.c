/* workers.c - asks one worker after the other, and passes on what they answer. */
#include <stdlib.h>
#include <sys/socket.h>

#include "auth/control/scope.h"
#include "auth/control/workers_state.h"

#include "jobgate/clock.h"

/* A worker that has sent nothing for this time is taken as silent. */
#define SILENCE_MS 2000
/* How long a question waits for workers to connect: they try a few times in a second. */
#define CONNECT_MS 1000
#define LOOK_AGAIN_MS 20

/* Of callers with tokens, waiting or being answered. */
#define QUESTIONS_MAX 16
#define QUESTIONS_SCOPED_MAX 8	/* of these, of tokens with a label selector */
#define QUESTIONS_RELATED_MAX 4 /* of these, of such with a label in common */

/* Of questions that count, by callers with tokens; they wait in the same queue as the others. */
#define COUNTS_MAX 16
#define COUNTS_SCOPED_MAX 8
#define COUNTS_OF_TOKEN_MAX 4

static void go_on(struct workers *workers);

static void
start_timer(struct workers *workers, unsigned ms)
{
	const struct timeval pause = {
	    .tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000};

	evtimer_add(workers->timer, &pause);
}

/* ---- the end of a question ---- */

static void
begin(struct workers *workers)
{
	workers->wait_until_ms = clock_ms(CLOCK_MONOTONIC) + CONNECT_MS;
	workers->none_asked = true;
	start_timer(workers, 0);
}

static void
answer(struct workers *workers)
{
	struct session_question *question = TAILQ_FIRST(&workers->questions);

	workers->asked = NULL;
	TAILQ_REMOVE(&workers->questions, question, link);
	evtimer_del(workers->timer);
	if (!TAILQ_EMPTY(&workers->questions))
		begin(workers);
	question->answered(question);
}

/* ---- one worker after the other ---- */

void
question_lost(struct worker_connection *worker)
{
	struct workers *workers = worker->workers;

	if (workers->asked != worker)
		return;
	workers->asked = NULL;
	TAILQ_FIRST(&workers->questions)->silent++;
	start_timer(workers, 0);
}

size_t
workers_known_count(const struct workers *workers)
{
	const struct worker_connection *worker;
	size_t count = 0;

	TAILQ_FOREACH(worker, &workers->all, link)
	count += worker->known;
	return count;
}

size_t
workers_running_count(const struct workers *workers)
{
	return workers->running != NULL ? workers->running(workers->running_ctx) : 0;
}

/* The worker that is to be asked next; NULL: none is left. */
static struct worker_connection *
next_worker(const struct workers *workers, const struct session_question *question)
{
	struct worker_connection *worker;

	TAILQ_FOREACH(worker, &workers->all, link)
	if (worker->known && (workers->none_asked || worker->id > workers->last) &&
	    (question->of_one ? worker->id == question->from.worker
			      : worker->id >= question->from.worker))
		return worker;
	return NULL;
}

static void
put(struct workers *workers, struct session_question *question, struct worker_connection *worker)
{
	struct session_order order = question->order;

	workers->none_asked = false;
	workers->last = worker->id;
	workers->asked = worker;
	order.number = ++workers->orders;
	order.until_ms = clock_ms(CLOCK_MONOTONIC) + SILENCE_MS;
	if (question->of_one)
		order.filter.serial = question->from.serial;
	else if (worker->id == question->from.worker)
		order.filter.before = question->from.serial;
	if (order.most > 0)
		order.most -= question->count;
	if (question->jobs != NULL)
		worker_connection_give_count(
		    worker, &(struct session_count_order){order, *question->jobs});
	else
		worker_connection_give(worker, &order);
	start_timer(workers, SILENCE_MS);
}

/* True while workers that run are not connected yet, and may still come. */
static bool
wait_for_workers(struct workers *workers, struct session_question *question)
{
	size_t running = workers_running_count(workers);
	size_t known = workers_known_count(workers);

	if (workers->wait_until_ms == 0 || known >= running)
		workers->wait_until_ms = 0;
	if (workers->wait_until_ms == 0)
		return false;
	if (clock_ms(CLOCK_MONOTONIC) < workers->wait_until_ms)
		return true;
	workers->wait_until_ms = 0;
	question->silent += (unsigned)(running - known);
	return false;
}

/* Ask the next worker; or the question is answered. */
static void
go_on(struct workers *workers)
{
	struct session_question *question = TAILQ_FIRST(&workers->questions);
	struct worker_connection *worker;

	if (question->is_abandoned != NULL && question->is_abandoned(question)) {
		question->silent++;
		answer(workers);
		return;
	}
	if (wait_for_workers(workers, question)) {
		start_timer(workers, LOOK_AGAIN_MS);
		return;
	}
	worker = next_worker(workers, question);
	if (worker != NULL && question->order.most > 0 && question->count >= question->order.most) {
		question->more = true;
		worker = NULL;
	}
	if (worker != NULL)
		put(workers, question, worker);
	else
		answer(workers);
}

static void
on_timer(evutil_socket_t fd, short what, void *ctx)
{
	struct workers *workers = ctx;

	(void)fd;
	(void)what;
	if (TAILQ_EMPTY(&workers->questions))
		return;
	if (workers->asked != NULL) {
		TAILQ_FIRST(&workers->questions)->silent++;
		workers->asked = NULL;
	}
	go_on(workers);
}

/* ---- what workers say ---- */

void
question_make_safe(struct session *session)
{
#define END(text) session->text[sizeof(session->text) - 1] = '\0'
	END(token_id);
	END(token_name);
	END(job);
	END(client);
	END(method);
	END(path);
#undef END
	if (session->state >= SESSION_STATE_COUNT)
		session->state = SESSION_RELAYING;
	if (session->version > HTTP_2)
		session->version = HTTP_1_1;
}

void
question_found(struct worker_connection *worker, struct session *session)
{
	struct session_question *question = TAILQ_FIRST(&worker->workers->questions);
	const struct session_id id = {worker->id, session->serial};

	if (question->order.cuts || question->jobs != NULL ||
	    (question->order.most > 0 && question->count >= question->order.most))
		return;
	question_make_safe(session);
	question->count++;
	question->found(question, &id, worker->index, session);
	start_timer(worker->workers, SILENCE_MS);
}

void
question_ended(struct worker_connection *worker, const struct session_message *message)
{
	struct workers *workers = worker->workers;
	struct session_question *question = TAILQ_FIRST(&workers->questions);

	workers->asked = NULL;
	if (question->order.cuts)
		question->count += message->end.count;
	for (uint32_t i = 0; question->jobs != NULL && i < question->jobs->count; i++)
		question->counts[i] += message->end.counts[i];
	if (question->jobs == NULL && message->end.more) {
		question->more = true;
		answer(workers);
	} else {
		go_on(workers);
	}
}

struct workers *
workers_new(struct event_base *base, size_t (*running)(void *ctx), void *running_ctx)
{
	struct workers *workers = calloc(1, sizeof(*workers));

	if (workers == NULL)
		return NULL;
	*workers = (struct workers){
	    .base = base, .running = running, .running_ctx = running_ctx, .fd = -1};
	TAILQ_INIT(&workers->all);
	TAILQ_INIT(&workers->questions);
	workers->timer = evtimer_new(base, on_timer, workers);
	workers->again = evtimer_new(base, workers_accept_again, workers);
	if (workers->timer != NULL && workers->again != NULL)
		return workers;
	workers_free(workers);
	return NULL;
}

void
workers_ask(struct workers *workers, struct session_question *question)
{
	question->count = 0;
	question->more = false;
	question->silent = 0;
	TAILQ_INSERT_TAIL(&workers->questions, question, link);
	if (TAILQ_FIRST(&workers->questions) == question)
		begin(workers);
}

bool
workers_are_busy(const struct workers *workers, const struct session_question *question)
{
	const struct session_question *other;
	size_t count = 0, scoped = 0, related = 0;

	TAILQ_FOREACH(other, &workers->questions, link)
	{
		if (other->jobs != NULL)
			continue;
		if (slice_equal(other->by, question->by))
			return true;
		count++;
		scoped += other->order.filter.scoped != 0;
		related += other->scope != NULL && question->scope != NULL &&
			   scope_shares(other->scope, question->scope);
	}
	return count >= QUESTIONS_MAX ||
	       (question->order.filter.scoped &&
		   (scoped >= QUESTIONS_SCOPED_MAX || related >= QUESTIONS_RELATED_MAX));
}

bool
workers_count_too_much(const struct workers *workers, const struct session_question *question)
{
	const struct session_question *other;
	size_t count = 0, scoped = 0, of_token = 0;

	TAILQ_FOREACH(other, &workers->questions, link)
	{
		if (other->jobs == NULL || other->by.len == 0)
			continue;
		count++;
		scoped += other->scope != NULL;
		of_token += slice_equal(other->by, question->by);
	}
	return count >= COUNTS_MAX || of_token >= COUNTS_OF_TOKEN_MAX ||
	       (question->scope != NULL && scoped >= COUNTS_SCOPED_MAX);
}

void
workers_free(struct workers *workers)
{
	if (workers == NULL)
		return;
	while (!TAILQ_EMPTY(&workers->questions)) {
		TAILQ_FIRST(&workers->questions)->silent++;
		answer(workers);
	}
	while (!TAILQ_EMPTY(&workers->all))
		worker_connection_close(TAILQ_FIRST(&workers->all));
	workers_stop_listening(workers);
	if (workers->timer != NULL)
		event_free(workers->timer);
	if (workers->again != NULL)
		event_free(workers->again);
	free(workers);
}
