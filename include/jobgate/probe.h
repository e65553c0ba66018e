/*
 * probe.h - static tracepoints (USDT), for bpftrace, perf and SystemTap.
 *
 * A probe is one nop, and a note in the binary that says where to find its arguments; nothing is
 * computed for them. A build without sys/sdt.h (systemtap-sdt-dev) has no probes.
 */
#ifndef JOBGATE_PROBE_H
#define JOBGATE_PROBE_H

/* clang-tidy would count each probe as thirty branches of its function. */
#if __has_include(<sys/sdt.h>) && !defined(__clang_analyzer__)
#include <sys/sdt.h>
#else
#define DTRACE_PROBE3(provider, name, a, b, c) ((void)(a), (void)(b), (void)(c))
#define DTRACE_PROBE4(provider, name, a, b, c, d) ((void)(a), (void)(b), (void)(c), (void)(d))
#define DTRACE_PROBE6(provider, name, a, b, c, d, e, f) \
	((void)(a), (void)(b), (void)(c), (void)(d), (void)(e), (void)(f))
#define DTRACE_PROBE7(provider, name, a, b, c, d, e, f, g) \
	((void)(a), (void)(b), (void)(c), (void)(d), (void)(e), (void)(f), (void)(g))
#endif

/*
 * An object changes its state. Arguments: its address, and both states as numbers of its enum. The
 * probe's name is kind_state.
 */
#define PROBE_STATE(kind, object, from, to) DTRACE_PROBE3(jobgate, kind##_state, object, from, to)

#endif
