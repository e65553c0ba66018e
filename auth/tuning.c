/* tuning.c - the limits of a gateway in service. */
#include "jobgate/tuning.h"

const struct tuning jg_tuning = {
    .loop = {.tick_ms = 50, .wheel_seats = 1024},
    .directory = {.rereads_max = 256,
	.retry_ms = 100,
	.freed_max = 4096,
	.chances = 64,
	.extension_ms = 100,
	.epochs = EPOCHS_MAX},
    .link = {.tick_ms = 50,
	.backoff_first_ms = 50,
	.backoff_last_ms = 1000,
	.failure_log_ms = 10000,
	.careful_max = CAREFUL_MAX},
    .store = {.deadline_ms = 2000,
	.connect_ms = 2000,
	.election_ms = 1000,
	.election_deadline_ms = 900,
	.backoff_first_ms = 50,
	.backoff_last_ms = 2000},
    .control = {.connections_max = 256, .beat_ms = 250, .confirm_ms = 1000},
    .worker = {.accept_max = 64,
	.accept_pause_ms = 100,
	.accept_check_ms = 5,
	.stats_ms = 250,
	.flush_ms = 50},
};
