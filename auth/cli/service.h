/* service.h - where the command of `jobgate job run` listens. */
#ifndef JOBGATE_CLI_SERVICE_H
#define JOBGATE_CLI_SERVICE_H

#include <stdbool.h>

/* True when something accepts connections there. Waits for at most a second at each address. */
bool service_listens(const char *host, unsigned port);

/* A port of this host that nothing uses now; 0 after printing why there is none. */
unsigned service_pick_port(const char *host);

#endif
