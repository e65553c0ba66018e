/* dial_state.c - the states of a dial and their lists, and what a dump shows of it. */
#include "jobgate/state.h"
#include "upstream/pool_state.h"

static const struct state_row dial_states[] = {
    [DIAL_NEW] = {"new", STATE(DIAL_QUEUED) | STATE(DIAL_WAITING) | STATE(DIAL_CONNECTING) |
			     STATE(DIAL_FAILED) | STATE(DIAL_CLOSED)},
    [DIAL_WAITING] = {"waiting",
	STATE(DIAL_QUEUED) | STATE(DIAL_CONNECTING) | STATE(DIAL_FAILED) | STATE(DIAL_CLOSED)},
    [DIAL_QUEUED] = {"queued", STATE(DIAL_CONNECTING) | STATE(DIAL_FAILED) | STATE(DIAL_CLOSED)},
    [DIAL_RESOLVING] = {"resolving", STATE(DIAL_CONNECTING) | STATE(DIAL_CLOSED)},
    [DIAL_CONNECTING] = {"connecting", STATE(DIAL_QUEUED) | STATE(DIAL_RESOLVING) |
					   STATE(DIAL_TLS_HANDSHAKE) | STATE(DIAL_FAILED) |
					   STATE(DIAL_CLOSED)},
    [DIAL_TLS_HANDSHAKE] = {"tls_handshake",
	STATE(DIAL_CONNECTING) | STATE(DIAL_FAILED) | STATE(DIAL_CLOSED)},
    [DIAL_FAILED] = {"failed", STATE(DIAL_CLOSED)},
    [DIAL_CLOSED] = {"closed", 0},
};

/* The list of a state; NULL: none. */
static struct dial_list *
list_of(const struct dial *dial, enum dial_state state)
{
	switch (state) {
	case DIAL_QUEUED:
		return &dial->backend->queued;
	case DIAL_WAITING:
		return &dial->backend->waiting;
	case DIAL_RESOLVING:
		return &dial->backend->resolving;
	case DIAL_FAILED:
		return &dial->pool->failed;
	case DIAL_NEW:
	case DIAL_CONNECTING:
	case DIAL_TLS_HANDSHAKE:
	case DIAL_CLOSED:
		break;
	}
	return NULL;
}

void
dial_set_state(struct dial *dial, enum dial_state to)
{
	enum dial_state from = dial->state;
	struct dial_list *from_list = list_of(dial, from), *to_list = list_of(dial, to);

	CHECK(state_allows(dial_states, from, to), dial_dump, dial);
	CHECK(to == DIAL_CLOSED || dial->upstream.user != NULL, dial_dump, dial);
	PROBE_STATE(dial, dial, from, to);
	if (from_list != NULL)
		TAILQ_REMOVE(from_list, dial, link);
	dial->state = to;
	if (to_list == NULL)
		return;
	/* They wait in the order in which they came: the one that dialled for all is the oldest. */
	if (to == DIAL_QUEUED && dial->backend->dialler == dial)
		TAILQ_INSERT_HEAD(to_list, dial, link);
	else
		TAILQ_INSERT_TAIL(to_list, dial, link);
}

void
dial_dump(const struct dial *dial, struct dump *dump)
{
	jg_dump_begin(dump, "dial");
	jg_dump_word(dump, "state", dial_states[dial->state].name);
	jg_dump_until(
	    dump, "connect_by_ms", dial->connect_by_ms, loop_now_ms(dial->pool->options.loop));
	jg_dump_number(dump, "tried", dial->tried);
	jg_dump_number(dump, "failure", dial->failure);
	jg_dump_flag(dump, "user", dial->upstream.user != NULL);
	jg_dump_flag(dump, "connection", dial->made != NULL);
	jg_dump_flag(dump, "parallel", !LIST_EMPTY(&dial->parallel));
	jg_dump_flag(dump, "dialler", dial->backend->dialler == dial);
	jg_dump_flag(dump, "probe", dial->probe);
	backend_dump(dial->backend, dump);
	jg_dump_end(dump);
}
