/* circuit.c - failures in a row open it, one success closes it. */
#include "upstream/circuit.h"

bool
circuit_admits(struct circuit *circuit, uint64_t now_ms, bool *probe)
{
	*probe = false;
	if (!circuit->open)
		return true;
	if (circuit->probing || now_ms < circuit->probe_at_ms)
		return false;
	*probe = circuit->probing = true;
	return true;
}

bool
circuit_success(struct circuit *circuit)
{
	bool closed = circuit->open;

	*circuit = (struct circuit){0};
	return closed;
}

bool
circuit_failure(
    struct circuit *circuit, const struct circuit_rules *rules, bool probe, uint64_t now_ms)
{
	if (circuit->open) {
		if (!probe)
			return false;
		circuit->pause_ms *= 2;
		if (circuit->pause_ms > CIRCUIT_PAUSE_MAX_MS)
			circuit->pause_ms = CIRCUIT_PAUSE_MAX_MS;
		if (circuit->pause_ms < rules->pause_ms)
			circuit->pause_ms = rules->pause_ms;
	} else {
		if (rules->failures == 0 || ++circuit->failures < rules->failures)
			return false;
		circuit->pause_ms = rules->pause_ms;
	}
	circuit->open = true;
	circuit->probing = false;
	circuit->probe_at_ms = now_ms + circuit->pause_ms;
	return true;
}

bool
circuit_refuses(const struct circuit *circuit, const struct circuit_rules *rules, uint64_t now_ms)
{
	/* What was long ago tells nothing of now. */
	return circuit->refused && !circuit->open &&
	       now_ms - circuit->refused_at_ms <= rules->patience_ms;
}

bool
circuit_refusal(struct circuit *circuit, const struct circuit_rules *rules, bool probe,
    uint64_t began_ms, uint64_t now_ms)
{
	if (circuit->open)
		return circuit_failure(circuit, rules, probe, now_ms);
	if (!circuit_refuses(circuit, rules, now_ms)) {
		circuit->refused_since_ms = began_ms;
		circuit->redial_ms = circuit->redial_at_ms = 0;
	}
	circuit->refused = true;
	circuit->refused_at_ms = now_ms;
	/* Of those that set out before the first was refused only one counts. */
	if (now_ms >= circuit->redial_at_ms) {
		circuit->redial_ms *= 2;
		if (circuit->redial_ms < CIRCUIT_REDIAL_MIN_MS)
			circuit->redial_ms = CIRCUIT_REDIAL_MIN_MS;
		if (circuit->redial_ms > CIRCUIT_REDIAL_MAX_MS)
			circuit->redial_ms = CIRCUIT_REDIAL_MAX_MS;
		circuit->redial_at_ms = now_ms + circuit->redial_ms;
	}
	if (rules->failures == 0 || now_ms - circuit->refused_since_ms < rules->patience_ms)
		return false;
	circuit->failures = rules->failures - 1;
	circuit->refused = false;
	return circuit_failure(circuit, rules, probe, now_ms);
}

void
circuit_abandon(struct circuit *circuit)
{
	circuit->probing = false;
}

unsigned
circuit_retry_s(const struct circuit *circuit, uint64_t now_ms)
{
	if (circuit->probe_at_ms <= now_ms)
		return 1;
	return (unsigned)((circuit->probe_at_ms - now_ms + 999) / 1000);
}
