/* release.c - frees what the supervisor has, in a child and at the end. */
#include <openssl/crypto.h>
#include <stdlib.h>

#include "server/supervisor.h"

void
supervisor_free(struct supervisor *supervisor)
{
	reload_forget(supervisor);
	listeners_close(&supervisor->listeners, false);
	tls_material_free(&supervisor->tls_material);
	tls_tickets_free(supervisor->tickets);
	/* The mapping stays: the thread of a log that is stuck may still count in it. */
	redis_child_release(&supervisor->redis);
	limit_table_free(supervisor->limits.table);
	free(supervisor->processes);
	supervision_free(supervisor->supervision);
	free(supervisor->own_sockets);
	OPENSSL_cleanse(supervisor->control_secret, sizeof(supervisor->control_secret));
	supervisor_close_log(supervisor);
}
