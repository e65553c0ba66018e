/* context.c - what all exchanges of a worker share, made and freed. */
#include "exchange/context.h"

#include <openssl/rand.h>
#include <stdlib.h>

#include "exchange/context_state.h"
#include "exchange/health_checks.h"
#include "jobgate/check.h"
#include "jobgate/local_handler.h"

static void
set_frames(struct exchange_context *context)
{
	const char *const *embed = context->options.embed;

	context->ancestors = (struct slice){
	    context->ancestors_text, frame_ancestors(embed, context->ancestors_text)};
	if (embed != NULL && *embed != NULL)
		context->frame_policy = (struct slice){context->frame_policy_text,
		    page_policy_framed(context->ancestors, context->frame_policy_text)};
}

struct exchange_context *
exchange_context_new(const struct exchange_options *options, struct loop *loop,
    struct directory *directory, struct pool *pool, struct buffer_pool *buffers,
    struct worker_stats *stats, struct access_log *access_log, const struct log *log)
{
	struct exchange_context *context = calloc(1, sizeof(*context));

	if (context == NULL)
		return NULL;
	context->options = *options;
	context->loop = loop;
	context->directory = directory;
	context->pool = pool;
	context->buffers = context->kept_contents.buffers = buffers;
	context->stats = stats;
	context->access_log = access_log;
	context->log = log;
	context->exchanges.size = exchange_size();
	context->tell_task.run = exchange_tell_more;
	set_frames(context);
	context->local_room = scratch_new(LOCAL_ROOM);
	context->query_room = scratch_new(QUERY_ROOM);
	if (context->local_room == NULL || context->query_room == NULL ||
	    !request_ids_init(&context->ids) ||
	    RAND_bytes((unsigned char *)context->digests.key, sizeof(context->digests.key)) != 1) {
		exchange_context_free(context);
		return NULL;
	}
	return context;
}

void
exchange_context_free(struct exchange_context *context)
{
	if (context == NULL)
		return;
	health_checks_free(context);
	loop_cancel(context->loop, &context->tell_task);
	loop_turn(context->loop, false); /* what closed is freed at the end of the turn */
	CHECK(context->kept_contents.used == 0, exchange_context_dump, context);
	slab_clear(&context->exchanges);
	scratch_free(context->local_room, LOCAL_ROOM);
	scratch_free(context->query_room, QUERY_ROOM);
	free(context);
}

void
exchange_context_dump(const struct exchange_context *context, struct dump *dump)
{
	const struct exchange_options *options = &context->options;

	jg_dump_begin(dump, "exchange_context");
	jg_dump_number(dump, "idle_blocks", context->exchanges.idle_count);
	jg_dump_number(dump, "kept_contents", context->kept_contents.used);
	jg_dump_number(dump, "held", counter_get(&context->stats->held));
	jg_dump_number(dump, "mint_edition", context->digests.mint_edition);
	jg_dump_flag(dump, "telling", context->telling);
	jg_dump_flag(dump, "access_log", access_log_on(context->access_log));
	jg_dump_flag(dump, "sign_in", options->session_key != NULL);
	jg_dump_flag(dump, "control", options->control_target != NULL);
	jg_dump_flag(dump, "fixed_url", exchange_fixed_target(context) != NULL);
	jg_dump_end(dump);
}
