/* circuit.c - failures in a row open it, one success closes it. */
#include "upstream/circuit.h"

#include "jobgate/state.h"

static const struct state_row circuit_states[] = {
    [CIRCUIT_CLOSED] = {"closed", STATE(CIRCUIT_OPEN)},
    [CIRCUIT_OPEN] = {"open", STATE(CIRCUIT_CLOSED) | STATE(CIRCUIT_PROBING)},
    [CIRCUIT_PROBING] = {"probing", STATE(CIRCUIT_CLOSED) | STATE(CIRCUIT_OPEN)},
};

/* The only place that assigns a state; one that it has already stays. */
static void
circuit_set_state(struct circuit *circuit, enum circuit_state to)
{
	if (circuit->state == to)
		return;
	CHECK(state_allows(circuit_states, circuit->state, to), circuit_dump, circuit);
	PROBE_STATE(circuit, circuit, circuit->state, to);
	circuit->state = to;
}

void
circuit_dump(const struct circuit *circuit, struct dump *dump)
{
	jg_dump_begin(dump, "circuit");
	jg_dump_word(dump, "state", circuit_states[circuit->state].name);
	jg_dump_number(dump, "failures", circuit->failures);
	jg_dump_number(dump, "pause_ms", circuit->pause_ms);
	jg_dump_flag(dump, "refused", circuit->refused);
	jg_dump_end(dump);
}

bool
circuit_admits(struct circuit *circuit, uint64_t now_ms, bool *probe)
{
	*probe = false;
	if (circuit->state == CIRCUIT_CLOSED)
		return true;
	if (circuit->state == CIRCUIT_PROBING || now_ms < circuit->probe_at_ms)
		return false;
	circuit_set_state(circuit, CIRCUIT_PROBING);
	*probe = true;
	return true;
}

bool
circuit_success(struct circuit *circuit)
{
	bool closed = circuit->state != CIRCUIT_CLOSED;

	circuit_set_state(circuit, CIRCUIT_CLOSED);
	*circuit = (struct circuit){.state = circuit->state};
	return closed;
}

bool
circuit_failure(struct circuit *circuit, const struct circuit_rules *rules,
    const struct backend_tuning *tuning, bool probe, uint64_t now_ms)
{
	if (circuit->state != CIRCUIT_CLOSED) {
		if (!probe)
			return false;
		circuit->pause_ms *= 2;
		if (circuit->pause_ms > tuning->pause_last_ms)
			circuit->pause_ms = tuning->pause_last_ms;
		if (circuit->pause_ms < rules->pause_ms)
			circuit->pause_ms = rules->pause_ms;
	} else {
		if (rules->failures == 0 || ++circuit->failures < rules->failures)
			return false;
		circuit->pause_ms = rules->pause_ms;
	}
	circuit_set_state(circuit, CIRCUIT_OPEN);
	circuit->probe_at_ms = now_ms + circuit->pause_ms;
	return true;
}

bool
circuit_refuses(const struct circuit *circuit, const struct circuit_rules *rules, uint64_t now_ms)
{
	/* An old refusal says nothing about now. */
	return circuit->refused && circuit->state == CIRCUIT_CLOSED &&
	       now_ms - circuit->refused_at_ms <= rules->patience_ms;
}

bool
circuit_refusal(struct circuit *circuit, const struct circuit_rules *rules,
    const struct backend_tuning *tuning, bool probe, uint64_t began_ms, uint64_t now_ms)
{
	if (circuit->state != CIRCUIT_CLOSED)
		return circuit_failure(circuit, rules, tuning, probe, now_ms);
	if (!circuit_refuses(circuit, rules, now_ms)) {
		circuit->refused_since_ms = began_ms;
		circuit->redial_ms = circuit->redial_at_ms = 0;
	}
	circuit->refused = true;
	circuit->refused_at_ms = now_ms;
	/* Of the dials that began before the first refusal, only one counts. */
	if (now_ms >= circuit->redial_at_ms) {
		circuit->redial_ms *= 2;
		if (circuit->redial_ms < tuning->redial_first_ms)
			circuit->redial_ms = tuning->redial_first_ms;
		if (circuit->redial_ms > tuning->redial_last_ms)
			circuit->redial_ms = tuning->redial_last_ms;
		circuit->redial_at_ms = now_ms + circuit->redial_ms;
	}
	if (rules->failures == 0 || now_ms - circuit->refused_since_ms < rules->patience_ms)
		return false;
	circuit->failures = rules->failures - 1;
	circuit->refused = false;
	return circuit_failure(circuit, rules, tuning, probe, now_ms);
}

void
circuit_abandon(struct circuit *circuit)
{
	if (circuit->state == CIRCUIT_PROBING)
		circuit_set_state(circuit, CIRCUIT_OPEN);
}

unsigned
circuit_retry_s(const struct circuit *circuit, uint64_t now_ms)
{
	if (circuit->probe_at_ms <= now_ms)
		return 1;
	return (unsigned)((circuit->probe_at_ms - now_ms + 999) / 1000);
}
