/* table_memory.h - memory for the tables of HPACK decoders, of either end. */
#ifndef JOBGATE_HTTP2_TABLE_MEMORY_H
#define JOBGATE_HTTP2_TABLE_MEMORY_H

#include "http/hpack_table.h"
#include "net/buffer.h"

/* Blocks of the worker's pool, which are in no core dump. The pool has to outlive the tables. */
struct hpack_memory h2_table_memory(struct buffer_pool *buffers);

#endif
