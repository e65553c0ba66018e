/* seams_system.c - clocks, random bytes and limits of the code under test. */
#undef _FILE_OFFSET_BITS /* it gives calls other names */
#include <openssl/rand.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "clocks.h"
#include "node.h"
#include "trace.h"

int
clock_gettime(clockid_t clock, struct timespec *out)
{
	struct node *node = node_enter("clock_gettime");
	uint64_t ns;

	if (node == NULL)
		return (int)syscall(SYS_clock_gettime, clock, out);
	ns = clocks_read_ns(clock);
	*out =
	    (struct timespec){.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)};
	heap_use(&node->heap); /* too frequent for a line in the trace */
	return 0;
}

int
gettimeofday(struct timeval *restrict out, void *restrict zone)
{
	struct node *node = node_enter("gettimeofday");
	uint64_t ns;

	if (node == NULL)
		return (int)syscall(SYS_gettimeofday, out, zone);
	ns = clocks_read_ns(CLOCK_REALTIME);
	*out = (struct timeval){
	    .tv_sec = (time_t)(ns / NS_PER_S), .tv_usec = (suseconds_t)(ns % NS_PER_S / NS_PER_US)};
	return (int)node_leave(node, "gettimeofday", 0);
}

time_t
time(time_t *out)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (out != NULL)
		*out = now.tv_sec;
	return now.tv_sec;
}

int
RAND_bytes(unsigned char *out, int len)
{
	static struct random own = {.state = 1}; /* of the simulator, before there are nodes */
	struct node *node = node_enter("RAND_bytes");

	random_bytes(node != NULL ? &node->random : &own, out, (size_t)len);
	if (node != NULL && node_call_fails(node))
		return (int)node_leave(node, "RAND_bytes", 0);
	return node != NULL ? (int)node_leave(node, "RAND_bytes", 1) : 1;
}

int
getrlimit(__rlimit_resource_t resource, struct rlimit *out)
{
	struct node *node = node_enter("getrlimit");

	if (node == NULL)
		return (int)syscall(SYS_prlimit64, 0, resource, NULL, out);
	out->rlim_cur = out->rlim_max = node->descriptors_max;
	return (int)node_leave(node, "getrlimit", 0);
}

/* The same on 64-bit machines, for code that is compiled for large files. */
int
getrlimit64(__rlimit_resource_t resource, struct rlimit64 *out)
{
	struct rlimit limit;
	int result = getrlimit(resource, &limit);

	*out = (struct rlimit64){limit.rlim_cur, limit.rlim_max};
	return result;
}
