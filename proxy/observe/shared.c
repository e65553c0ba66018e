/* shared.c - the mapping, and the names of what is counted in it. */
#include "observe/shared.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sys/random.h>

static size_t
bytes_for(size_t worker_count)
{
	return sizeof(struct shared_stats) + worker_count * sizeof(struct worker_stats);
}

struct shared_stats *
shared_stats_map(size_t worker_count)
{
	struct shared_stats *stats = mmap(NULL, bytes_for(worker_count), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (stats == MAP_FAILED)
		return NULL;
	stats->worker_count = worker_count;
	if (getrandom(stats->replica_places.hash_key, sizeof(stats->replica_places.hash_key), 0) !=
	    sizeof(stats->replica_places.hash_key)) {
		shared_stats_unmap(stats);
		return NULL;
	}
	return stats;
}

void
shared_stats_unmap(struct shared_stats *stats)
{
	if (stats != NULL)
		munmap(stats, bytes_for(stats->worker_count));
}

const char *
outcome_name(enum outcome outcome)
{
	switch (outcome) {
	case OUTCOME_ANSWERED:
		return "answered";
	case OUTCOME_REDIRECTED:
		return "redirected";
	case OUTCOME_AUTHORIZED:
		return "authorized";
	case OUTCOME_SIGNED_IN:
		return "signed_in";
	case OUTCOME_SIGNED_OUT:
		return "signed_out";
	case OUTCOME_PREFLIGHT:
		return "preflight";
	case OUTCOME_REFUSED:
		return "refused";
	case OUTCOME_RATE_LIMITED:
		return "rate_limited";
	case OUTCOME_BAD_REQUEST:
		return "bad_request";
	case OUTCOME_HEAD_TIMEOUT:
		return "head_timeout";
	case OUTCOME_BODY_TIMEOUT:
		return "body_timeout";
	case OUTCOME_NOT_RESOLVED:
		return "not_resolved";
	case OUTCOME_NOT_ALLOWED:
		return "not_allowed";
	case OUTCOME_CONNECT_FAILED:
		return "connect_failed";
	case OUTCOME_NOT_VERIFIED:
		return "not_verified";
	case OUTCOME_CONNECT_TIMEOUT:
		return "connect_timeout";
	case OUTCOME_CIRCUIT_OPEN:
		return "circuit_open";
	case OUTCOME_ANSWER_TIMEOUT:
		return "answer_timeout";
	case OUTCOME_DEADLINE:
		return "deadline_exceeded";
	case OUTCOME_BAD_ANSWER:
		return "bad_answer";
	case OUTCOME_BACKEND_CLOSED:
		return "backend_closed";
	case OUTCOME_ANSWER_IDLE:
		return "answer_idle";
	case OUTCOME_CLIENT_CLOSED:
		return "client_closed";
	case OUTCOME_REVOKED:
		return "revoked";
	case OUTCOME_CUT:
		return "cut";
	case OUTCOME_SESSION_EXPIRED:
		return "session_expired";
	case OUTCOME_TUNNEL_CLOSED:
		return "tunnel_closed";
	case OUTCOME_TUNNEL_IDLE:
		return "tunnel_idle";
	case OUTCOME_SHUTDOWN:
		return "shutdown";
	}
	return "other";
}

const char *
connection_refusal_name(enum connection_refusal refusal)
{
	switch (refusal) {
	case CONNECTION_OVER_LIMIT:
		return "limit";
	case CONNECTION_OVER_CLIENT_LIMIT:
		return "client_limit";
	case CONNECTION_OVER_HANDSHAKES:
		return "handshakes";
	case CONNECTION_NOT_TRUSTED:
		return "not_trusted";
	case CONNECTION_BAD_PROXY_HEADER:
		return "bad_proxy_header";
	}
	return "other";
}

void
log_dropped_text(char out[LOG_DROPPED_MAX], uint64_t dropped)
{
	snprintf(out, LOG_DROPPED_MAX,
	    "%llu lines of this log were dropped: the reader of standard error is too slow",
	    (unsigned long long)dropped);
}
