/* metrics.c - sums over the workers, rendered. */
#include "observe/metrics.h"

#include <stdio.h>
#include <stdlib.h>

#include "jobgate/clock.h"

/* One metric that is a single number: the sum of a counter over the workers. */
struct plain_metric {
	const char *name, *type, *help;
	size_t offset; /* of the counter in struct worker_stats */
};

static const struct plain_metric plain_metrics[] = {
    {"jobgate_connections", "gauge", "Client connections that are open.",
	offsetof(struct worker_stats, connections)},
    {"jobgate_connections_total", "counter", "Client connections accepted.",
	offsetof(struct worker_stats, connections_total)},
    {"jobgate_tls_handshakes", "gauge", "TLS handshakes with clients that are in progress.",
	offsetof(struct worker_stats, handshakes)},
    {"jobgate_tls_handshakes_full_total", "counter",
	"Complete TLS handshakes with clients, without those resumed.",
	offsetof(struct worker_stats, handshakes_full)},
    {"jobgate_tls_handshakes_resumed_total", "counter",
	"TLS handshakes with clients that resumed an earlier session.",
	offsetof(struct worker_stats, handshakes_resumed)},
    {"jobgate_tls_handshakes_failed_total", "counter",
	"TLS handshakes with clients that failed, or took too long.",
	offsetof(struct worker_stats, handshakes_failed)},
    {"jobgate_connections_evicted_total", "counter",
	"Idle client connections that were closed to make room for others.",
	offsetof(struct worker_stats, connections_evicted)},
    {"jobgate_tunnels", "gauge", "Tunnels (WebSockets and other upgrades) that are open.",
	offsetof(struct worker_stats, tunnels)},
    {"jobgate_held_requests", "gauge",
	"Requests that wait for a job that is not up, or may wait while they connect to it.",
	offsetof(struct worker_stats, held)},
    {"jobgate_requests_total", "counter", "Requests received.",
	offsetof(struct worker_stats, requests)},
    {"jobgate_received_bytes_total", "counter", "Bytes of content received from clients.",
	offsetof(struct worker_stats, bytes_in)},
    {"jobgate_sent_bytes_total", "counter", "Bytes of content sent to clients.",
	offsetof(struct worker_stats, bytes_out)},
    {"jobgate_backend_connections", "gauge", "Connections to backends, including idle ones.",
	offsetof(struct worker_stats, backend_connections)},
    {"jobgate_backend_idle_connections", "gauge", "Idle connections to backends, in the pools.",
	offsetof(struct worker_stats, backend_idle)},
    {"jobgate_backend_connects_total", "counter", "Connections made to backends.",
	offsetof(struct worker_stats, backend_connects)},
    {"jobgate_backend_reuses_total", "counter", "Requests sent on a pooled connection.",
	offsetof(struct worker_stats, backend_reuses)},
    {"jobgate_backend_retries_total", "counter",
	"Requests sent again because a connection broke before its answer began.",
	offsetof(struct worker_stats, backend_retries)},
    {"jobgate_backend_circuits_open", "gauge",
	"Backends to which no connection is tried for now, because they accepted none; counted in "
	"each worker.",
	offsetof(struct worker_stats, circuits_open)},
    {"jobgate_backend_circuit_opens_total", "counter",
	"Times that a backend's circuit opened, including failed probes.",
	offsetof(struct worker_stats, circuit_opens)},
    {"jobgate_health_checks_total", "counter", "Checks of replicas' health paths.",
	offsetof(struct worker_stats, health_checks)},
    {"jobgate_health_checks_failed_total", "counter",
	"Checks of replicas that got no answer, or one that was not 2xx or 3xx.",
	offsetof(struct worker_stats, health_failures)},
    {"jobgate_cache_hits_total", "counter", "Records found in the workers' caches.",
	offsetof(struct worker_stats, cache_hits)},
    {"jobgate_cache_misses_total", "counter", "Records that had to be read from the store.",
	offsetof(struct worker_stats, cache_misses)},
    {"jobgate_cache_entries", "gauge", "Records in the workers' caches.",
	offsetof(struct worker_stats, cache_entries)},
    {"jobgate_cache_evictions_total", "counter", "Records dropped to make room for others.",
	offsetof(struct worker_stats, cache_evictions)},
    {"jobgate_invalidations_total", "counter", "Changes of records that the store has pushed.",
	offsetof(struct worker_stats, invalidations)},
    {"jobgate_bad_records_total", "counter",
	"Records read that break the rules, and were treated as absent.",
	offsetof(struct worker_stats, bad_records)},
    {"jobgate_records_watched", "gauge", "Records that running exchanges rely on.",
	offsetof(struct worker_stats, records_watched)},
    {"jobgate_store_connects_total", "counter", "Times that a worker has connected to the store.",
	offsetof(struct worker_stats, store_connects)},
};

static uint64_t
sum(const struct shared_stats *stats, size_t offset)
{
	uint64_t total = 0;

	for (size_t i = 0; i < stats->worker_count; i++)
		total += counter_get((const counter *)((const char *)&stats->workers[i] + offset));
	return total;
}

static void
head(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void
render_plain(FILE *out, const struct shared_stats *stats)
{
	for (size_t i = 0; i < sizeof(plain_metrics) / sizeof(plain_metrics[0]); i++) {
		const struct plain_metric *metric = &plain_metrics[i];

		head(out, metric->name, metric->type, metric->help);
		fprintf(
		    out, "%s %llu\n", metric->name, (unsigned long long)sum(stats, metric->offset));
	}
}

static void
render_outcomes(FILE *out, const struct shared_stats *stats)
{
	head(out, "jobgate_exchanges_total", "counter", "Exchanges that ended, by outcome.");
	for (size_t i = 0; i < OUTCOME_COUNT; i++)
		fprintf(out, "jobgate_exchanges_total{outcome=\"%s\"} %llu\n",
		    outcome_name((enum outcome)i),
		    (unsigned long long)sum(
			stats, offsetof(struct worker_stats, outcomes) + i * sizeof(counter)));
	head(out, "jobgate_decisions_total", "counter", "Decisions on requests, by verdict.");
	for (size_t i = 0; i < VERDICT_COUNT; i++)
		fprintf(out, "jobgate_decisions_total{verdict=\"%s\"} %llu\n",
		    jg_verdict_name((enum verdict)i),
		    (unsigned long long)sum(
			stats, offsetof(struct worker_stats, verdicts) + i * sizeof(counter)));
}

static void
render_grpc(FILE *out, const struct shared_stats *stats)
{
	head(out, "jobgate_grpc_calls_total", "counter",
	    "gRPC calls that ended, by the status that their client was told.");
	for (size_t i = 0; i < GRPC_STATUSES; i++) {
		unsigned long long calls =
		    sum(stats, offsetof(struct worker_stats, grpc_calls) + i * sizeof(counter));

		if (i == GRPC_NO_STATUS)
			fprintf(
			    out, "jobgate_grpc_calls_total{grpc_status=\"none\"} %llu\n", calls);
		else
			fprintf(
			    out, "jobgate_grpc_calls_total{grpc_status=\"%zu\"} %llu\n", i, calls);
	}
}

static const char *const protocol_names[PROTOCOLS] = {
    [HTTP_1_0] = "HTTP/1.0", [HTTP_1_1] = "HTTP/1.1", [HTTP_2] = "HTTP/2.0"};

static void
render_responses(FILE *out, const struct shared_stats *stats)
{
	const char *name = "jobgate_responses_total";
	uint64_t http2 = 0;

	head(out, name, "counter",
	    "Exchanges that ended, by protocol and class of status; none: the client got no "
	    "answer.");
	for (unsigned version = 0; version < PROTOCOLS; version++)
		for (unsigned code = 0; code < STATUS_CLASSES; code++) {
			uint64_t count =
			    sum(stats, offsetof(struct worker_stats, responses) +
					   (version * STATUS_CLASSES + code) * sizeof(counter));

			fprintf(out, "%s{protocol=\"%s\",code=\"%s\"} %llu\n", name,
			    protocol_names[version], status_class_name(code),
			    (unsigned long long)count);
			http2 += version == HTTP_2 ? count : 0;
		}
	head(out, "jobgate_http2_requests_total", "counter",
	    "Requests over HTTP/2, counted when they end.");
	fprintf(out, "jobgate_http2_requests_total %llu\n", (unsigned long long)http2);
}

static const struct job_counts *
jobs_of(void *ctx, size_t i)
{
	const struct shared_stats *stats = ctx;

	return stats->workers[i].jobs;
}

bool
metrics_render_jobs(const struct shared_stats *stats, FILE *out)
{
	return job_stats_render(
		   &stats->job_slots, stats->worker_count, jobs_of, (void *)stats, out) &&
	       replicas_render(&stats->replica_places, clock_ms(CLOCK_BOOTTIME), out);
}

/* Go over the workers that serve, numbered from 0. It declares i and number, which cannot stand in
 * parentheses. NOLINTBEGIN(bugprone-macro-parentheses) */
#define FOREACH_SERVING(stats, i, number)                              \
	for (size_t i = 0, number = 0; i < (stats)->worker_count; i++) \
		if (counter_get(&(stats)->workers[i].serving) != 0 && ++number > 0)
/* NOLINTEND(bugprone-macro-parentheses) */

static void
render_refused(FILE *out, const struct shared_stats *stats)
{
	head(out, "jobgate_connections_refused_total", "counter",
	    "Client connections closed unread, by the limit that was reached.");
	for (size_t i = 0; i < CONNECTION_REFUSAL_COUNT; i++)
		fprintf(out, "jobgate_connections_refused_total{reason=\"%s\"} %llu\n",
		    connection_refusal_name((enum connection_refusal)i),
		    (unsigned long long)sum(stats,
			offsetof(struct worker_stats, connections_refused) + i * sizeof(counter)));
}

static void
render_losses(FILE *out, const char *name, const char *help, uint64_t full, uint64_t failed)
{
	head(out, name, "counter", help);
	fprintf(out, "%s{reason=\"full\"} %llu\n%s{reason=\"failed\"} %llu\n", name,
	    (unsigned long long)full, name, (unsigned long long)failed);
}

static void
render_dropped_lines(FILE *out, const struct shared_stats *stats)
{
	const size_t access = offsetof(struct worker_stats, access_log),
		     service = offsetof(struct worker_stats, service_log),
		     full = offsetof(struct log_losses, full),
		     failed = offsetof(struct log_losses, failed);

	render_losses(out, "jobgate_log_lines_dropped_total",
	    "Lines missing in the access log: no room in the buffer (full), or not written "
	    "(failed).",
	    sum(stats, access + full), sum(stats, access + failed));
	render_losses(out, "jobgate_service_log_lines_dropped_total",
	    "Lines missing on standard error: no room in the buffer (full), or not written "
	    "(failed).",
	    sum(stats, service + full) + counter_get(&stats->supervisor_log.full) +
		counter_get(&stats->control_log.full),
	    sum(stats, service + failed) + counter_get(&stats->supervisor_log.failed) +
		counter_get(&stats->control_log.failed));
}

static void
render_certificates(FILE *out, const struct shared_stats *stats)
{
	static const char *const uses[CERTIFICATE_USE_COUNT] = {[CERTIFICATE_CLIENTS] = "clients",
	    [CERTIFICATE_CONTROL] = "control",
	    [CERTIFICATE_BACKENDS] = "backends"};
	const char *name = "jobgate_certificate_expiry_seconds";

	head(out, name, "gauge", "Unix time at which the first certificate expires, by use.");
	for (size_t i = 0; i < CERTIFICATE_USE_COUNT; i++)
		if (counter_get(&stats->certificate_expiry[i]) != 0)
			fprintf(out, "%s{use=\"%s\"} %llu\n", name, uses[i],
			    (unsigned long long)counter_get(&stats->certificate_expiry[i]));
}

static void
render_replicas(FILE *out, const struct shared_stats *stats)
{
	const char *name = "jobgate_replicas_unhealthy";

	head(out, name, "gauge",
	    "Replicas whose last checks failed: they get requests only while no other replica of "
	    "their job is healthy.");
	fprintf(out, "%s %zu\n", name,
	    replicas_unhealthy(&stats->replica_places, clock_ms(CLOCK_BOOTTIME)));
}

struct histogram_metric {
	const char *name, *help;
};

static const struct histogram_metric histogram_metrics[TIMED_COUNT] = {
    [TIMED_DECISION] = {"jobgate_decision_duration_seconds",
	"From a request's head to the verdict, including any wait for the store."},
    [TIMED_CONNECT] = {"jobgate_backend_connect_duration_seconds",
	"Time to connect to a backend, including name look-up and TLS."},
    [TIMED_FIRST_BYTE] = {"jobgate_first_byte_duration_seconds",
	"From sending a request to its backend to the head of the answer."},
    [TIMED_TOTAL] = {"jobgate_request_duration_seconds",
	"From a request's head to the end of its answer; tunnels do not count."},
    [TIMED_REVOCATION] = {"jobgate_revocation_lag_seconds",
	"From the store's push of a change to the end of the requests and tunnels that it cuts."},
    [TIMED_TURN] = {"jobgate_turn_duration_seconds",
	"A turn of a worker's event loop, without its waiting: meanwhile everything else waits."},
};

static void
render_histogram(FILE *out, const struct shared_stats *stats, enum timed timed)
{
	const char *name = histogram_metrics[timed].name;
	size_t at = offsetof(struct worker_stats, timed) + timed * sizeof(struct histogram);
	uint64_t below = 0, us;

	head(out, name, "histogram", histogram_metrics[timed].help);
	for (unsigned i = 0; i <= HISTOGRAM_BOUNDS; i++) {
		us = (uint64_t)HISTOGRAM_FIRST_US << i;
		below += sum(stats, at + offsetof(struct histogram, buckets) + i * sizeof(counter));
		if (i < HISTOGRAM_BOUNDS)
			fprintf(out, "%s_bucket{le=\"%llu.%06llu\"} %llu\n", name,
			    (unsigned long long)(us / 1000000), (unsigned long long)(us % 1000000),
			    (unsigned long long)below);
	}
	us = sum(stats, at + offsetof(struct histogram, sum_us));
	fprintf(out, "%s_bucket{le=\"+Inf\"} %llu\n%s_sum %llu.%06llu\n%s_count %llu\n", name,
	    (unsigned long long)below, name, (unsigned long long)(us / 1000000),
	    (unsigned long long)(us % 1000000), name, (unsigned long long)below);
}

/* One sample for each worker. */
static const struct {
	const char *name, *help;
	size_t at;		     /* its counter in a worker's statistics */
	unsigned long long per_unit; /* of what is shown: 1000 for milliseconds as seconds */
} worker_metrics[] = {
    {"jobgate_worker_ready", "1 while the worker can decide on requests.",
	offsetof(struct worker_stats, ready), 1},
    {"jobgate_worker_heartbeat_age_seconds",
	"Time since the worker's event loop last turned, as the supervisor sees it.",
	offsetof(struct worker_stats, silent_ms), 1000},
    {"jobgate_worker_longest_turn_seconds",
	"The longest turn of the worker's event loop in the last 30 to 60 seconds.",
	offsetof(struct worker_stats, longest_turn_us), 1000000},
    {"jobgate_store_staleness_seconds", "Age of the last proof that the store's pushes arrive.",
	offsetof(struct worker_stats, store_good_age_ms), 1000},
    {"jobgate_store_up", "1 while the worker's connections to the store are up.",
	offsetof(struct worker_stats, store_up), 1},
    {"jobgate_mint_enforced",
	"1 while the worker refuses token values that were not made with the store's key.",
	offsetof(struct worker_stats, mint_enforced), 1},
    {"jobgate_store_round_trip_seconds",
	"Duration of the last proof that the store's pushes arrive.",
	offsetof(struct worker_stats, store_round_trip_ms), 1000},
    {"jobgate_worker_start_time_seconds", "Unix time at which the worker was started.",
	offsetof(struct worker_stats, started_at), 1},
};

static void
print_units(FILE *out, unsigned long long value, unsigned long long per_unit)
{
	if (per_unit == 1000)
		fprintf(out, "%llu.%03llu\n", value / per_unit, value % per_unit);
	else if (per_unit == 1000000)
		fprintf(out, "%llu.%06llu\n", value / per_unit, value % per_unit);
	else
		fprintf(out, "%llu\n", value);
}

static void
render_workers(FILE *out, const struct shared_stats *stats)
{
	for (size_t k = 0; k < sizeof(worker_metrics) / sizeof(worker_metrics[0]); k++) {
		head(out, worker_metrics[k].name, "gauge", worker_metrics[k].help);
		FOREACH_SERVING(stats, i, number)
		{
			const char *worker = (const char *)&stats->workers[i];
			unsigned long long value =
			    counter_get((const counter *)(worker + worker_metrics[k].at));

			fprintf(out, "%s{worker=\"%zu\"} ", worker_metrics[k].name, number - 1);
			print_units(out, value, worker_metrics[k].per_unit);
		}
	}
}

char *
metrics_render(const struct shared_stats *stats, const char *version, metrics_more *more, void *ctx)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	bool complete;

	if (out == NULL)
		return NULL;
	head(out, "jobgate_build_info", "gauge", "The version that runs.");
	fprintf(out, "jobgate_build_info{version=\"%s\"} 1\n", version);
	render_outcomes(out, stats);
	render_responses(out, stats);
	render_grpc(out, stats);
	render_refused(out, stats);
	render_dropped_lines(out, stats);
	render_certificates(out, stats);
	render_replicas(out, stats);
	for (size_t i = 0; i < TIMED_COUNT; i++)
		render_histogram(out, stats, (enum timed)i);
	render_plain(out, stats);
	render_workers(out, stats);
	head(out, "jobgate_hung_processes_total", "counter",
	    "Workers and control processes that hung and were killed.");
	fprintf(out, "jobgate_hung_processes_total %llu\n",
	    (unsigned long long)counter_get(&stats->hung));
	head(out, "jobgate_check_failures_total", "counter",
	    "Workers and control processes that ended themselves because of a bug (CHECK).");
	fprintf(out, "jobgate_check_failures_total %llu\n",
	    (unsigned long long)counter_get(&stats->failed_checks));
	complete = more == NULL || more(ctx, out);
	if (fclose(out) != 0 || !complete) {
		free(text);
		return NULL;
	}
	return text;
}

bool
metrics_ready(const struct shared_stats *stats, char *why, size_t cap)
{
	bool ready = false;

	if (counter_get(&stats->draining) != 0) {
		snprintf(why, cap, "the gateway is shutting down");
		return false;
	}
	snprintf(why, cap, "no worker has started yet");
	FOREACH_SERVING(stats, i, number)
	{
		uint64_t silent_ms = counter_get(&stats->workers[i].silent_ms);

		if (silent_ms >= HEARTBEAT_LATE_MS) {
			snprintf(why, cap, "worker %zu hangs: it has been silent for %llu ms",
			    number - 1, (unsigned long long)silent_ms);
			return false;
		}
		if (counter_get(&stats->workers[i].ready) == 0) {
			snprintf(why, cap, "worker %zu cannot reach the store", number - 1);
			return false;
		}
		if (counter_get(&stats->workers[i].accepting) == 0) {
			snprintf(
			    why, cap, "worker %zu does not accept connections yet", number - 1);
			return false;
		}
		ready = true;
	}
	if (ready)
		snprintf(why, cap, "%s",
		    counter_get(&stats->store_cut) != 0 ? "warning: the private store's file was "
							  "cut short: a revocation may be lost; "
							  "the log says what to do"
							: "");
	return ready;
}
