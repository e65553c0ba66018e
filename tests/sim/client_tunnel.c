/* client_tunnel.c - a client's end of a tunnel. */
#include "client_state.h"
#include "world.h"

void
client_tunnel_send(struct client *client)
{
	const struct exchange_plan *plan = &client_first_exchange(client)->plan;
	char content[512];
	size_t len = plan->answer_len - (size_t)client->tunnel_out;

	if (client->out.len > 0 || client->tunnel_closing)
		return;
	if (len > plan->piece)
		len = plan->piece;
	if (len == 0 && plan->misdeed == MISDEED_STALL)
		return; /* both ends are silent */
	if (len == 0) {
		client->tunnel_closing = true;
		end_shutdown(client->end, false, true);
		if (client->tunnel_ended)
			client_leave(client, false, RESULT_ANSWERED);
		return;
	}
	content_fill(content, len, client->waiting[0], true, client->tunnel_out);
	client->tunnel_out += len;
	bytes_append(&client->out, content, len);
	client_send(client);
	alarm_set(&client->act, schedule_now_ns() + plan->pause_ns);
}

bool
client_tunnel_take(struct client *client, const char *content, size_t len, uint64_t at)
{
	size_t good = content_compare(content, len, client->waiting[0], false, client->tunnel_in);

	if (good > 0)
		judge_came(client->world, client->waiting[0], client->end,
		    client_stamp_at(client, at),
		    &(struct content_place){client->tunnel_in, good, CLIENT_BUFFERED_MAX});
	client->tunnel_in += good;
	if (good == len)
		return true;
	/* Between two frames the gateway itself may say that it is over. */
	if (client->tunnel_in % 64 != 0 || (unsigned char)content[good] != 0x88)
		client_violation(client, "bytes of a tunnel that are not its own");
	client_leave(client, false, RESULT_CUT);
	return false;
}
