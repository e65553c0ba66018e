/* gateway.c - what all exchanges of a worker share, put together and taken apart. */
#include "exchange/gateway.h"

#include <openssl/rand.h>
#include <stdlib.h>

#include "exchange/state.h"
#include "jobgate/local_handler.h"

struct gateway *
gateway_new(const struct gateway_options *options, struct loop *loop, struct directory *directory,
    struct pool *pool, struct buffer_pool *buffers, struct worker_stats *stats,
    struct access_log *access_log, const struct log *log)
{
	struct gateway *gateway = calloc(1, sizeof(*gateway));

	if (gateway == NULL)
		return NULL;
	gateway->options = *options;
	gateway->loop = loop;
	gateway->directory = directory;
	gateway->pool = pool;
	gateway->buffers = buffers;
	gateway->stats = stats;
	gateway->access_log = access_log;
	gateway->log = log;
	gateway->exchanges.size = exchange_size();
	gateway->local_room = scratch_new(LOCAL_ROOM);
	if (gateway->local_room == NULL || !request_ids_init(&gateway->ids) ||
	    RAND_bytes((unsigned char *)gateway->memos.key, sizeof(gateway->memos.key)) != 1) {
		gateway_free(gateway);
		return NULL;
	}
	return gateway;
}

void
gateway_free(struct gateway *gateway)
{
	if (gateway == NULL)
		return;
	loop_turn(gateway->loop, false); /* what closed is freed at the end of the turn */
	slab_clear(&gateway->exchanges);
	scratch_free(gateway->local_room, LOCAL_ROOM);
	free(gateway);
}

void
gateway_dump(const struct gateway *gateway, struct dump *dump)
{
	const struct gateway_options *options = &gateway->options;

	jg_dump_begin(dump, "gateway");
	jg_dump_number(dump, "idle_blocks", gateway->exchanges.idle_count);
	jg_dump_number(dump, "mint_edition", gateway->memos.mint_edition);
	jg_dump_flag(dump, "access_log", access_log_on(gateway->access_log));
	jg_dump_flag(dump, "sign_in", options->session_key != NULL);
	jg_dump_flag(dump, "control", options->control_target != NULL);
	jg_dump_flag(dump, "fixed_url", gateway_fixed_target(gateway) != NULL);
	jg_dump_end(dump);
}
