/*
 * probe.h - static tracepoints (USDT), for bpftrace, perf and SystemTap.
 *
 * A probe is one nop, and a note in the binary that says where its arguments lie: nothing is
 * computed for them. Built without sys/sdt.h (systemtap-sdt-dev) there are none.
 */
#ifndef JOBGATE_PROBE_H
#define JOBGATE_PROBE_H

/* To clang-tidy each would look like thirty branches of the function that it stands in. */
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

/* An object goes from one state to another: its address, both as numbers in the order of its enum.
 * The probe's name is kind_state. */
#define PROBE_STATE(kind, object, from, to) DTRACE_PROBE3(jobgate, kind##_state, object, from, to)

#endif
