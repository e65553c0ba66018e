/* conn_dump.c - what a dump shows of a socket. */
#include "net/conn.h"

void
conn_dump(const struct conn *conn, struct dump *dump)
{
	jg_dump_begin(dump, "conn");
	if (conn->fd >= 0)
		jg_dump_number(dump, "fd", (uint64_t)conn->fd);
	jg_dump_flag(dump, "closed", conn->fd < 0);
	jg_dump_flag(dump, "tls", conn->tls != NULL);
	jg_dump_flag(dump, "unwatched", conn->fd >= 0 && !conn->watched);
	jg_dump_flag(dump, "readable", conn->readable);
	jg_dump_flag(dump, "writable", conn->writable);
	jg_dump_flag(dump, "drained", conn->drained);
	jg_dump_flag(dump, "unsent", conn->unsent);
	jg_dump_flag(dump, "peer_closed", conn->peer_closed);
	jg_dump_end(dump);
}
