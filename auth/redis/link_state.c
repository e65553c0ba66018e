/* link_state.c - the states of a link, and what a dump shows of it. */
#include "auth/redis/link_state.h"

#include "jobgate/state.h"

static const struct state_row link_states[] = {
    [LINK_WAITING] = {"waiting", STATE(LINK_FINDING) | STATE(LINK_CONNECTING)},
    [LINK_FINDING] = {"finding", STATE(LINK_CONNECTING) | STATE(LINK_WAITING)},
    [LINK_CONNECTING] = {"connecting", STATE(LINK_IDENTIFYING) | STATE(LINK_WAITING)},
    [LINK_IDENTIFYING] = {"identifying", STATE(LINK_ARMING) | STATE(LINK_WAITING)},
    [LINK_ARMING] = {"arming", STATE(LINK_PROVING) | STATE(LINK_WAITING)},
    [LINK_PROVING] = {"proving", STATE(LINK_UP) | STATE(LINK_WAITING)},
    [LINK_UP] = {"up", STATE(LINK_WAITING)},
};

void
link_set_state(struct redis_link *link, enum link_state to)
{
	CHECK(state_allows(link_states, link->state, to), redis_link_dump, link);
	PROBE_STATE(redis_link, link, link->state, to);
	link->state = to;
}

/* What a proof that is under way still waits for. */
static void
proof_dump(const struct proof *proof, uint64_t now_ms, struct dump *dump)
{
	jg_dump_begin(dump, "proof");
	jg_dump_until(dump, "began_ms", proof->began_ms, now_ms);
	jg_dump_flag(dump, "awaits_sentinels", proof->missing & PROOF_SENTINELS);
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
redis_link_dump(const struct redis_link *link, struct dump *dump)
{
	const struct redis_connection *const connections[] = {
	    link->data, link->push, link->primary};
	uint64_t now_ms = link_clock_ms(link);

	jg_dump_begin(dump, "redis_link");
	jg_dump_word(dump, "state", link_states[link->state].name);
	jg_dump_flag(dump, "replica", link->replica);
	if (link->state == LINK_WAITING)
		jg_dump_until(dump, "retry_ms", link->retry_ms, now_ms);
	if (link->state == LINK_IDENTIFYING || link->state == LINK_ARMING)
		jg_dump_until(dump, "armed_by_ms", link->armed_by_ms, now_ms);
	jg_dump_number(dump, "backoff_ms", link->backoff_ms);
	jg_dump_flag(dump, "subscribed", link->subscribed);
	jg_dump_flag(dump, "tracking", link->tracking);
	jg_dump_flag(dump, "mint_asked", link->mint_asked);
	jg_dump_flag(dump, "mint_overtaken", link->mint_overtaken);
	jg_dump_flag(dump, "in_doubt", link->complaint[0] != '\0');
	jg_dump_until(dump, "next_proof_ms", link->next_proof_ms, now_ms);
	jg_dump_number(dump, "connects", link->stats.connects);
	jg_dump_number(dump, "round_trip_ms", link->stats.round_trip_ms);
	jg_dump_number(dump, "bad_records", link->stats.bad_records);
	jg_dump_number(dump, "careful", link->careful_count);
	if (link->proof.began_ms != 0)
		proof_dump(&link->proof, now_ms, dump);
	for (size_t i = 0; i < sizeof(connections) / sizeof(connections[0]); i++)
		if (connections[i] != NULL)
			redis_connection_dump(connections[i], dump);
	if (link->sentinels != NULL)
		redis_sentinels_dump(link->sentinels, dump);
	jg_dump_end(dump);
}
