/* supervision_stop.c - the orderly end: workers first, then the control process, then redis-server.
 */
#include "server/supervision_state.h"

bool
stop_is_on(const struct supervision *supervision)
{
	return supervision->phase >= PHASE_STOPPING_WORKERS;
}

/* The processes that a phase waits for. */
static enum child_role
role_to_stop(enum supervision_phase phase)
{
	return phase == PHASE_STOPPING_WORKERS	 ? CHILD_WORKER
	       : phase == PHASE_STOPPING_CONTROL ? CHILD_CONTROL
						 : CHILD_REDIS;
}

static bool
role_is_left(const struct supervision *supervision, enum child_role role)
{
	for (size_t i = 0; i < supervision_slots(supervision); i++)
		if (supervision->children[i].role == role &&
		    child_exists(&supervision->children[i]))
			return true;
	return false;
}

static void
retire_role(struct supervision *supervision, enum child_role role, enum retire_how how,
    uint64_t kill_after_ms, uint64_t now_ms)
{
	for (size_t i = 0; i < supervision_slots(supervision); i++) {
		struct child *child = &supervision->children[i];

		if (child->role == role && child_exists(child))
			child_retire(supervision, child, how, kill_after_ms, now_ms);
	}
}

static void
stop_role(struct supervision *supervision, uint64_t now_ms)
{
	uint64_t grace_ms = supervision->tuning->grace_ms;
	enum child_role role = role_to_stop(supervision->phase);

	switch (role) {
	case CHILD_WORKER:
		retire_role(
		    supervision, role, RETIRE_DRAIN, child_kill_after_ms(supervision), now_ms);
		return;
	case CHILD_CONTROL:
		retire_role(supervision, role, RETIRE_DRAIN, grace_ms, now_ms);
		return;
	case CHILD_REDIS: /* it writes its file */
		retire_role(supervision, role, RETIRE_DRAIN, grace_ms * 5, now_ms);
		return;
	}
}

/* Once all processes of a role have ended, those of the next role are told to end. */
void
stop_go_on(struct supervision *supervision, uint64_t now_ms)
{
	while (supervision->phase != PHASE_STOPPED &&
	       !role_is_left(supervision, role_to_stop(supervision->phase))) {
		supervision_set_phase(supervision, supervision->phase + 1);
		if (supervision->phase != PHASE_STOPPED)
			stop_role(supervision, now_ms);
	}
}

void
stop_order(struct supervision *supervision, uint64_t now_ms)
{
	if (stop_is_on(supervision)) {
		if (supervision->phase == PHASE_STOPPING_WORKERS && !supervision->hurried)
			retire_role(supervision, CHILD_WORKER, RETIRE_AT_ONCE,
			    supervision->tuning->grace_ms, now_ms);
		supervision->hurried = true;
		return;
	}
	supervision_act(supervision, (struct supervision_action){.type = ACTION_STOPPING});
	for (size_t i = 0; i < supervision_slots(supervision); i++) {
		struct child *child = &supervision->children[i];

		if (child->state == CHILD_WAITING || child->state == CHILD_GONE)
			child_set_state(supervision, child, CHILD_UNUSED);
	}
	supervision_set_phase(supervision, PHASE_STOPPING_WORKERS);
	stop_role(supervision, now_ms);
	stop_go_on(supervision, now_ms);
}
