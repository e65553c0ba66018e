/* notify.h - tells systemd the state of the service (sd_notify(3)), without its library. */
#ifndef JOBGATE_SERVER_NOTIFY_H
#define JOBGATE_SERVER_NOTIFY_H

#include <stdint.h>

/* Send lines such as "READY=1" to the socket that NOTIFY_SOCKET names; nothing when there is none.
 */
void notify_state(const char *state);

/* "RELOADING=1", with the time that systemd requires (MONOTONIC_USEC). */
void notify_reloading(void);

/* How often "WATCHDOG=1" is due, in milliseconds: half of what systemd allows. 0: never. */
uint64_t notify_watchdog_ms(void);

#endif
