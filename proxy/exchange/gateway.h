/* gateway.h - the data path of one worker: from accepted connections to job backends. */
#ifndef JOBGATE_EXCHANGE_GATEWAY_H
#define JOBGATE_EXCHANGE_GATEWAY_H

#include <sys/socket.h>

#include "http/head.h"
#include "jobgate/directory.h"
#include "jobgate/purpose.h"
#include "jobgate/settings.h"
#include "net/guard.h"
#include "net/loop.h"
#include "net/resolve.h"
#include "net/tls_client.h"
#include "net/tls_server.h"
#include "observe/access_log.h"
#include "upstream/circuit.h"

struct connection_protocol;
struct gateway;

/* What a client connection may speak. */
enum protocol { PROTOCOL_HTTP1 };
#define PROTOCOL_COUNT (PROTOCOL_HTTP1 + 1)

/* Times are milliseconds. Everything pointed to outlives the gateway. */
struct gateway_options {
	struct job_forms jobs;
	struct forwarding forwarding;
	const char *control_host;	      /* at which the control API is reached, or NULL */
	const struct job_url *control_target; /* the control process's socket for workers; NULL when
						 neither a host nor a listener is for it */
	const char
	    *control_secret; /* CONTROL_SECRET_TEXT hex digits, for the control process alone */
	const unsigned char
	    *session_key;    /* of SESSION_KEY_LEN bytes; NULL: browsers cannot sign in */
	uint64_t session_ms; /* how long a session lasts */
	size_t trusted_count;
	const struct ip_range *trusted; /* proxies whose X-Forwarded-* count */
	struct guard_rules guard;
	const char *const *own_sockets; /* paths of the gateway's own Unix sockets, NULL at the end;
					   never a backend */
	struct limits limits;		/* but for those that `places` and `client_limits` have */
	struct tls_server *tls;		/* for listeners with TLS; NULL: there are none */
	struct tls_server *control_tls; /* the same for those of FOR_CONTROL */
	struct tls_client *backend_tls;
	const char *hsts;	/* Strict-Transport-Security of all answers over TLS; NULL: none */
	uint16_t redirect_port; /* of https */
	struct {
		size_t connections, handshakes; /* handshakes: unfinished ones at a time */
	} places[PURPOSE_COUNT];
	struct quota_limits quota_limits;
	const struct connection_protocol *protocols[PROTOCOL_COUNT];
	const struct shared_stats *shared; /* for /readyz */
	size_t backend_connections_max;	   /* in all states; beyond it idle ones give way */
	struct circuit_rules circuit;	   /* of each backend */
	struct timeouts timeouts;
};

/* NULL, with a line in the log, when something it needs cannot be had. */
struct gateway *gateway_new(const struct gateway_options *options, struct loop *loop,
    struct directory *directory, struct resolver *resolver, struct worker_stats *stats,
    struct access_log *access_log, const struct log *log);

/* Cuts whatever still runs. */
void gateway_free(struct gateway *gateway);

/* What clients of a listener must speak; plain HTTP for jobs when nothing is set. */
struct entrance {
	bool tls : 1;
	bool redirect : 1; /* requests are sent on to https, whatever they are */
	bool proxied : 1; /* connections begin with a PROXY header, and come from trusted proxies */
	bool asks : 1;	  /* other proxies, which ask for decisions (ask.h) */
	enum purpose purpose : 8;
};

/* Take over a connection just accepted (non-blocking, close-on-exec). peer may be AF_UNIX. */
void gateway_accept(
    struct gateway *gateway, int fd, const struct sockaddr *peer, const struct entrance *entrance);

/*
 * The process is short of descriptors: close an idle connection to a backend, unless it is to be
 * one of a client (of_client), else one of a client that only waits. False when there is none.
 */
bool gateway_make_room(struct gateway *gateway, bool of_client);

/*
 * Stop keeping connections alive: each closes after its exchange, idle ones at
 * once; gently: after the next request, or when they have been idle for too long.
 */
void gateway_drain(struct gateway *gateway, bool gently);

/* Client connections that are open. */
size_t gateway_connections(const struct gateway *gateway);

#endif
