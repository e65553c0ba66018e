/* circuit.c - failures in a row open it, one success closes it. */
#include "gateway/circuit.h"

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
