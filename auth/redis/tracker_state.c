/* tracker_state.c - the states of a tracker, and what a dump shows of it. */
#include "auth/redis/tracker_state.h"

#include "jobgate/state.h"

static const struct state_row tracker_states[] = {
    [TRACKER_WAITING] = {"waiting", STATE(TRACKER_FINDING) | STATE(TRACKER_CONNECTING)},
    [TRACKER_FINDING] = {"finding", STATE(TRACKER_CONNECTING) | STATE(TRACKER_WAITING)},
    [TRACKER_CONNECTING] = {"connecting", STATE(TRACKER_IDENTIFYING) | STATE(TRACKER_WAITING)},
    [TRACKER_IDENTIFYING] = {"identifying", STATE(TRACKER_ARMING) | STATE(TRACKER_WAITING)},
    [TRACKER_ARMING] = {"arming", STATE(TRACKER_PROVING) | STATE(TRACKER_WAITING)},
    [TRACKER_PROVING] = {"proving", STATE(TRACKER_UP) | STATE(TRACKER_WAITING)},
    [TRACKER_UP] = {"up", STATE(TRACKER_WAITING)},
};

void
tracker_set_state(struct redis_tracker *tracker, enum tracker_state to)
{
	CHECK(state_allows(tracker_states, tracker->state, to), redis_tracker_dump, tracker);
	PROBE_STATE(redis_tracker, tracker, tracker->state, to);
	tracker->state = to;
}

/* Write what a proof under way still waits for. */
static void
proof_dump(const struct proof *proof, uint64_t now_ms, struct dump *dump)
{
	jg_dump_begin(dump, "proof");
	jg_dump_until(dump, "began_ms", proof->began_ms, now_ms);
	jg_dump_flag(dump, "awaits_election", proof->missing & PROOF_ELECTION);
	jg_dump_flag(dump, "awaits_role", proof->missing & PROOF_ROLE);
	jg_dump_flag(dump, "awaits_replica", proof->missing & PROOF_REPLICA);
	jg_dump_flag(dump, "awaits_data", proof->missing & PROOF_DATA);
	jg_dump_flag(dump, "awaits_push", proof->missing & PROOF_PUSH);
	jg_dump_flag(dump, "awaits_mint", proof->missing & PROOF_MINT);
	jg_dump_flag(dump, "failed", proof->failed);
	jg_dump_flag(dump, "behind", proof->behind);
	jg_dump_end(dump);
}

void
redis_tracker_dump(const struct redis_tracker *tracker, struct dump *dump)
{
	const struct redis_connection *const connections[] = {
	    tracker->data, tracker->push, tracker->primary};
	uint64_t now_ms = tracker_clock_ms(tracker);

	jg_dump_begin(dump, "redis_tracker");
	jg_dump_word(dump, "state", tracker_states[tracker->state].name);
	jg_dump_flag(dump, "replica", tracker->replica);
	if (tracker->state == TRACKER_WAITING)
		jg_dump_until(dump, "retry_ms", tracker->retry_ms, now_ms);
	if (tracker->state == TRACKER_IDENTIFYING || tracker->state == TRACKER_ARMING)
		jg_dump_until(dump, "armed_by_ms", tracker->armed_by_ms, now_ms);
	jg_dump_number(dump, "backoff_ms", tracker->backoff_ms);
	jg_dump_flag(dump, "subscribed", tracker->subscribed);
	jg_dump_flag(dump, "tracking", tracker->tracking);
	jg_dump_flag(dump, "mint_asked", tracker->mint_asked);
	jg_dump_flag(dump, "public_asked", tracker->public_asked);
	jg_dump_flag(dump, "mint_overtaken", tracker->mint_overtaken);
	jg_dump_flag(dump, "in_doubt", tracker->complaint[0] != '\0');
	jg_dump_until(dump, "next_proof_ms", tracker->next_proof_ms, now_ms);
	jg_dump_number(dump, "connects", tracker->stats.connects);
	jg_dump_number(dump, "round_trip_ms", tracker->stats.round_trip_ms);
	jg_dump_number(dump, "bad_records", tracker->stats.bad_records);
	jg_dump_number(dump, "careful", tracker->careful_count);
	if (tracker->proof.began_ms != 0)
		proof_dump(&tracker->proof, now_ms, dump);
	for (size_t i = 0; i < sizeof(connections) / sizeof(connections[0]); i++)
		if (connections[i] != NULL)
			redis_connection_dump(connections[i], dump);
	if (tracker->election != NULL)
		redis_election_dump(tracker->election, dump);
	jg_dump_end(dump);
}
