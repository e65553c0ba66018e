/* keys.c - the table of keys. A new key is a row here, and the code that uses its value. */
#include "config/keys.h"

#include <stddef.h>

#include "http/head.h"
#include "net/buffer.h"

/* The place of a value. It does not compile when the member is of another type. */
#define AT(type, member)                   \
	(offsetof(struct config, member) + \
	    _Generic(((struct config *)NULL)->member, __typeof__(type) : 0))

#define SECTION .form = FORM_SECTION
#define TEXT(member) .form = FORM_TEXT, .offset = AT(const char *, member)
#define TEXT_OF(kind, member) .form = FORM_##kind, .offset = AT(const char *, member)
#define BOOL(member) .form = FORM_BOOL, .offset = AT(bool, member)
#define TIME(member) .form = FORM_TIME, .offset = AT(uint64_t, member)
#define SIZE(member) .form = FORM_SIZE, .offset = AT(size_t, member)
#define SIZE64(member) .form = FORM_SIZE64, .offset = AT(uint64_t, member)
#define COUNT(member) .form = FORM_COUNT, .offset = AT(size_t, member)
#define COUNT64(member) .form = FORM_COUNT64, .offset = AT(uint64_t, member)
#define WORKERS(member) .form = FORM_WORKERS, .offset = AT(unsigned, member)
#define HOST(member) .form = FORM_HOST, .offset = AT(bool, member)
#define LEVEL(member) .form = FORM_LEVEL, .offset = AT(enum log_level, member)
#define LOG(member) .form = FORM_LOG, .offset = AT(bool, member)
#define TLS_VERSION(member) .form = FORM_TLS_VERSION, .offset = AT(bool, member)
#define CLIENTS(member) .form = FORM_CLIENTS, .offset = AT(bool, member)
#define LISTEN(member) .form = FORM_LISTEN, .offset = AT(struct listener_config *, member)
#define CERTIFICATES(member) \
	.form = FORM_CERTIFICATES, .offset = AT(struct certificate_config *, member)
#define RANGES(member) .form = FORM_RANGES, .offset = AT(struct ip_ranges, member)
#define UPGRADES(member) .form = FORM_UPGRADES, .offset = AT(const char **, member)
#define ORIGINS(member) .form = FORM_ORIGINS, .offset = AT(const char **, member)
#define FIELDS(member) .form = FORM_FIELDS, .offset = AT(const char **, member)

#define SECOND 1000
#define HOUR (3600 * SECOND)
#define DAY (24ull * HOUR)

/* A head must fit a buffer, together with what the gateway adds to it. */
#define HEAD_BYTES_MAX (40 * 1024)

const struct config_key config_keys[] = {
    {"listen", LISTEN(listeners), .default_value = "[\"127.0.0.1:8080\"]",
	.help =
	    "Where clients connect: address:port with a numeric address, :port for all "
	    "addresses, or unix:/path. Each worker has a socket of its own (SO_REUSEPORT). "
	    "These words may follow an address:\n"
	    "  tls       clients speak TLS (see tls below): \":443 tls\"\n"
	    "  redirect  every request is answered with 308 and the same URL over https, "
	    "whatever it asks for; its token is not read: \":80 redirect\"\n"
	    "  proxied   connections begin with a PROXY header (version 1 or 2), in which a load "
	    "balancer names the client. Only headers from trusted_proxies and through Unix "
	    "sockets count: \":443 tls proxied\"\n"
	    "  authorize the gateway forwards nothing there. At /authorize it tells other proxies "
	    "(nginx, Traefik, Caddy, Envoy; see deploy/proxies) whether a request that they hold "
	    "may pass. It answers only trusted_proxies and users of the Unix socket: "
	    "\":8081 authorize\""},
    {"workers", WORKERS(workers), .default_value = "auto", .min = 1, .max = 256,
	.help = "Worker processes; auto: one for each core."},
    {"user", TEXT(user), .example = "jobgate", .reload = RELOAD_NEVER,
	.help = "The user to become once the ports are bound, when started as root."},

    {"jobs", SECTION,
	.help = "The forms of job URLs. A file that has this section uses only the forms that it "
		"names; without it, the forms are those shown here."},
    {"jobs.domain", TEXT_OF(DOMAIN, jobs.domain), .default_value = "localhost",
	.help = "Host form: http://<job>.<domain>/. Each job is an origin of its own for browsers: "
		"prefer this form. Cookies that a job sets for the whole domain are dropped."},
    {"jobs.prefix", TEXT_OF(PREFIX, jobs.prefix), .default_value = "/jobs",
	.help = "Path form: <prefix>/<job>/rest; the backend sees /rest. Without the slash after "
		"<job>, a request that may pass is redirected (308)."},
    {"jobs.fixed", TEXT_OF(JOB_ID, jobs.fixed), .example = "my-notebook",
	.help = "Sidecar: every request is for this one job. It excludes domain and prefix."},
    {"jobs.fixed_url", TEXT_OF(JOB_URL, jobs.fixed_url), .example = "http://127.0.0.1:8888",
	.help = "The fixed job's backend, instead of the url in its record. Loopback is always "
		"allowed here."},
    {"jobs.labels", TEXT_OF(LABELS, jobs.labels), .example = "{team: blue}",
	.help =
	    "The fixed job's labels, at most 16. The job then needs no record in the store, and "
	    "an existing record is ignored. Needs fixed_url; {}: no labels."},
    {"jobs.labels_file", TEXT(jobs.labels_file), .example = "/etc/podinfo/labels",
	.help =
	    "A file with more of them, a line name=\"value\" for each: a pod's labels, from the "
	    "downward API of Kubernetes. Read at the start and at each reload."},
    {"jobs.register", TIME(control.process.register_ms), .default_value = "0s", .max = DAY,
	.help = "The gateway keeps a record of the fixed job in the store, so that lists show it, "
		"with these labels and a lease of this length (at least 3s), which it renews. The "
		"record goes when the gateway stops, or with its lease. This gateway itself goes "
		"by the labels here. Needs jobs.labels or jobs.labels_file; 0s: no record."},
    {"jobs.register_url", TEXT_OF(JOB_URL, control.process.register_url),
	.example = "http://notebook.jobs.svc.cluster.local:8888",
	.help = "The URL in that record, to which an edge gateway with the same store forwards "
		"requests: the job's own address, since the edge gateway takes the token out."},
    {"jobs.public_url", TEXT_OF(PUBLIC_URL, control.process.public_url),
	.example = "http://{job}.localhost:8080/",
	.help = "What the control API shows as job_url; default: made from listen and "
		"the keys above."},

    {"store", SECTION},
    {"store.url", TEXT_OF(STORE_URL, store.url), .example = "redis://127.0.0.1:6379/0",
	.help =
	    "redis://[user:password@]host[:port][/db], rediss://... (TLS) or "
	    "unix:/path[?db=N]; or redis+sentinel://[user:password@]host[:port],host[:port],"
	    ".../name[/db] (rediss+sentinel: TLS for both): the primary that more than half of "
	    "these sentinels name; they are asked again with each PING. The server must call "
	    "itself a primary (ROLE). Sentinels that want a password get it from "
	    ".../name[/db]?sentinel_password=P or ?sentinel_username=U&sentinel_password=P. "
	    "redis+cluster://[user:password@]host[:port],host[:port],.../ (rediss+cluster: TLS) "
	    "names some servers of a Redis Cluster: the owner of the slot of the prefix is used if "
	    "most masters name it. "
	    "Host names are looked up in /etc/hosts, then in DNS (NSS modules are not asked). "
	    "The store's maxmemory-policy must be noeviction: under any other it may drop tokens "
	    "and jobs when its memory is full. The gateway warns about that when it starts. "
	    "Without a URL the gateway runs a redis-server of its own and keeps its files in "
	    "state_dir."},
    {"store.read_url", TEXT_OF(STORE_URL, store.read_url), .example = "redis://127.0.0.1:6379/0",
	.help = "Where workers read, when that is a replica nearby and not the primary. "
		"max_staleness still holds: a replica is trusted while it has everything "
		"that the primary had at the last check. Default: url."},
    {"store.write_url", TEXT_OF(STORE_URL, store.write_url),
	.example = "redis://primary.example.org:6379/0",
	.help = "Where changes go: the primary. Default: url."},
    {"store.wait_replicas", COUNT(control.process.wait.count), .default_value = "0", .max = 100,
	.help = "A change of the control API waits until this many replicas have it, but no longer "
		"than wait_timeout. Its answer says how many have it "
		"(Jobgate-Replicas-Confirmed). 0: do not wait. If the primary is lost, a change "
		"that no replica has is lost with it."},
    {"store.wait_timeout", TIME(control.process.wait.timeout_ms), .default_value = "500ms",
	.min = 1, .max = 1500, .help = "How long a change waits for replicas at most."},
    {"store.wait_required", BOOL(store.wait_required), .default_value = "false",
	.help = "true: a revocation (delete, renew, a change of a job's labels, removal of its "
		"URL) gets 503, \"not confirmed\", when fewer than wait_replicas replicas have "
		"confirmed it within wait_timeout. The store has the change, but it could be lost "
		"with the primary; repeat it until it is confirmed. Needs wait_replicas."},
    {"store.prefix", TEXT(store.prefix), .default_value = "\"jobgate:\"",
	.help = "The beginning of all keys in the store. In a cluster it needs a tag in braces, "
		"and the default is {jobgate}:."},
    {"store.ca_file", TEXT(store.ca_file), .example = "/etc/ssl/certs/redis-ca.pem",
	.help = "CA certificates for rediss://, PEM; default: the system's."},
    {"store.password_file", TEXT(store.password_file), .example = "/run/secrets/redis-password",
	.help =
	    "A file whose first line is the password of the store, in place of one in url, which "
	    "then has only the user: redis://user:@host. It is read again for each connection, so "
	    "another program may renew it, such as the tokens that clouds take as passwords. "
	    "Sentinels do not get it."},
    {"store.state_dir", TEXT(store.state_dir), .example = "/var/lib/jobgate",
	.reload = RELOAD_EXTERNAL_ONLY,
	.help =
	    "The directory of the private redis-server; default: $STATE_DIRECTORY, "
	    "$XDG_STATE_HOME/jobgate, /var/lib/jobgate (root) or ~/.local/state/jobgate. While "
	    "less than 2 MiB is free on its disk, the control API creates nothing (507). "
	    "Deletions and renewals still work: up to 1 MiB is reserved for them behind the "
	    "end of the file that redis-server appends to. When that is used up, space is taken "
	    "from the file `ballast` (8 MiB), which is created again once there is enough free "
	    "space."},
    {"store.redis_server", TEXT(store.redis_server), .default_value = "redis-server",
	.help = "The program of the private redis-server."},
    {"store.max_staleness", TIME(store.max_staleness), .default_value = "5s", .min = 100,
	.max = DAY,
	.help = "No revoked token is honoured longer than this after its revocation, whatever "
		"fails. Once the store has been out of reach for this long, requests are answered "
		"with 503. Let no client of that server use SWAPDB: Redis does not tell gateways "
		"of it."},
    {"store.ping_interval", TIME(store.timeouts.ping_interval), .default_value = "1s", .min = 50,
	.max = HOUR,
	.help = "How often a PING proves that the store's pushes arrive. Together with "
		"ping_deadline it must be shorter than max_staleness."},
    {"store.ping_deadline", TIME(store.timeouts.ping_deadline), .default_value = "1s", .min = 50,
	.max = HOUR, .help = "How long the answer to a PING may take."},
    {"store.connect_timeout", TIME(store.timeouts.connect), .default_value = "2s", .min = 50,
	.max = HOUR,
	.help =
	    "Connecting to the store. A worker that starts waits this long for the store before "
	    "it accepts clients."},
    {"store.lookup_timeout", TIME(timeouts.lookup), .default_value = "2s", .min = 50, .max = HOUR,
	.help = "How long a request waits for a record that has to be read."},
    {"store.cache_entries", COUNT(store.cache_entries), .default_value = "1000000", .min = 16,
	.max = 100000000, .help = "How many records a worker remembers."},

    {"backends", SECTION},
    {"backends.realm", TEXT(backends.forwarding.realm), .default_value = "jobgate",
	.help = "The realm in WWW-Authenticate."},
    {"backends.forward_token", BOOL(backends.forwarding.forward_token), .default_value = "false",
	.help = "Leave our token in Authorization if it is the credential that counted; a job's "
		"own code "
		"then sees it."},
    {"backends.host", HOST(backends.forwarding.preserve_host), .default_value = "preserve",
	.help = "Host as the client sent it (preserve), or that of the job's URL (backend)."},
    {"backends.upgrades", UPGRADES(backends.forwarding.upgrades), .default_value = "[websocket]",
	.help =
	    "Protocols that a request may be upgraded to; the connection, or the stream of HTTP/2, "
	    "becomes a tunnel."},
    {"backends.drop_fields", FIELDS(backends.forwarding.drop_fields), .default_value = "[]",
	.help = "Some fields tell a job about its client and must come from a proxy that it "
		"trusts. The gateway forwards them only from trusted_proxies and drops them from "
		"all other clients. It knows those of common proxies (X-Real-IP, True-Client-IP, "
		"CF-*, X-Original-URL, Remote-User, X-Auth-Request-*, X-Envoy-*, Client-Cert ...; "
		"the list is include/jobgate/fields.def). List here what else your jobs trust: "
		"[X-User, "
		"X-Team-*]. Upper and lower case, and - and _, are the same."},
    {"backends.trusted_proxies", RANGES(backends.trusted_proxies), .default_value = "[]",
	.help = "Proxies in front of the gateway. Their X-Forwarded-*, Forwarded and X-Request-Id "
		"count, their X-Real-IP and similar fields are forwarded (see drop_fields), and "
		"their PROXY headers are read. A client that a PROXY header names has its own "
		"rights, not the proxy's."},
    {"backends.allow", RANGES(backends.allow), .default_value = "[]",
	.help = "Where job URLs may lead. Link-local, multicast and unspecified addresses, others "
		"at which clouds serve credentials, and the gateway itself are always refused; "
		"then deny counts; with an allow list nothing else passes."},
    {"backends.deny", RANGES(backends.deny), .default_value = "[]",
	.help = "Where job URLs must not lead, such as 10.1.0.0/16."},
    {"backends.allow_loopback", BOOL(backends.allow_loopback), .default_value = "false",
	.help =
	    "Loopback addresses and Unix sockets (true when there is no configuration at all)."},
    {"backends.ca_file", TEXT(backends.ca_file), .example = "/etc/ssl/certs/jobs-ca.pem",
	.help = "CA certificates for https:// backends, PEM; default: the system's."},
    {"backends.certificate", TEXT(backends.certificate), .example = "/etc/jobgate/gateway.pem",
	.help = "The gateway's certificate with its chain, PEM, for backends that ask for one."},
    {"backends.key", TEXT(backends.key), .example = "/etc/jobgate/gateway.key",
	.help = "The key of that certificate, PEM."},
    {"backends.verify", BOOL(backends.verify), .default_value = "true",
	.help = "The certificate of an https:// backend must come from one of these CAs and name "
		"the host in the job's URL; else the answer is 502. With false, an "
		"attacker on the way to the backend can read and change everything."},
    {"backends.circuit_failures", COUNT(backends.pool.circuit.failures), .default_value = "5",
	.max = 1000000,
	.help = "When this many connects in a row have timed out (each worker counts for itself), "
		"or a backend has refused connections for timeouts.connect, the worker leaves it "
		"alone for circuit_pause: it answers requests at once with 503 and Retry-After. "
		"Then it tries one connection. If that fails too, it tries the next after twice "
		"the time, up to 10s. 0: never."},
    {"backends.circuit_pause", TIME(backends.pool.circuit.pause_ms), .default_value = "1s",
	.min = 50, .max = HOUR, .help = "How long a failing backend is left alone at first."},

    {"tls", SECTION, .help = "TLS towards clients."},
    {"tls.certificates", CERTIFICATES(tls.certificates),
	.example = "\n"
		   "  - certificate: /etc/jobgate/jobs.pem\n"
		   "    key: /etc/jobgate/jobs.key\n"
		   "    ocsp: /etc/jobgate/jobs.ocsp",
	.help = "Certificates with their chains, and their keys, PEM. A certificate serves the DNS "
		"names in its subjectAltName, exact ones before wildcards; the first one also "
		"serves all other clients. Several for the same name serve clients with different "
		"abilities: one with an ECDSA key, one with an RSA key. The user that the gateway "
		"runs as must be able to read them; SIGHUP reads them again. ocsp: a response of "
		"the authority's OCSP responder, DER, which is stapled until it is too old."},
    {"tls.min_version", TLS_VERSION(tls.only_1_3), .default_value = "\"1.2\"",
	.help = "1.2 or 1.3. Ciphers are always those with forward secrecy and authenticated "
		"encryption."},
    {"tls.client_ca", TEXT(tls.client_ca), .example = "/etc/jobgate/clients.pem",
	.help =
	    "Clients must have a certificate from one of these CAs (PEM), besides their token."},
    {"tls.client_certificates", CLIENTS(tls.clients_optional), .default_value = "required",
	.help = "required, or optional: then a client may have no certificate, but one that it "
		"shows must be good."},
    {"tls.hsts", TEXT_OF(HSTS, tls.hsts), .example = "max-age=31536000",
	.help = "Strict-Transport-Security of every answer over TLS; none when left out."},
    {"tls.ticket_lifetime", TIME(tls.ticket_lifetime), .default_value = "12h", .min = SECOND,
	.max = 7 * DAY,
	.help = "How long, roughly, clients may resume a session without a full handshake. The "
		"ticket keys are renewed as often; each remains valid for one more period."},
    {"tls.ticket_secrets", TEXT(tls.ticket_secrets), .example = "/etc/jobgate/tickets",
	.help = "A file of secrets, so that gateways with the same file resume each other's "
		"sessions: one "
		"secret on each line, as openssl rand -base64 48 makes one. The first makes "
		"tickets; up to three more are still accepted. To change it, put a new one second "
		"on all gateways, then first, then drop the old one. SIGHUP reads the file again. "
		"Without it the keys are random and known only to this gateway."},

    {"credentials", SECTION},
    {"credentials.query", BOOL(backends.forwarding.query_token), .default_value = "false",
	.help = "Also take the token from the query, for clients that can send it nowhere else: "
		"?access_token=<token>. URLs end up in the histories of browsers and in the logs "
		"of other proxies, and a page's scripts can read its own. Without this key such a "
		"token does not count. The gateway removes it in either case."},

    {"cors", SECTION},
    {"cors.origins", ORIGINS(backends.forwarding.cors_origins), .default_value = "[]",
	.help = "Origins whose pages may call jobs with a token of their own and read the answers "
		"(CORS): [\"https://app.example.org\"], or [\"*\"] for every origin. The "
		"gateway then answers preflights itself, in the same way for jobs that exist and "
		"those that do not. Its own refusals, and answers of jobs that say nothing about "
		"CORS, get the fields that let such a page read them. Without an origin here, a "
		"preflight gets 401."},

    {"browser", SECTION,
	.help = "People who open a job in a browser, only in the host form: in the path form all "
		"jobs would share one browser origin, and each could act for the others. Needs "
		"TLS, here or in front (backends.trusted_proxies), except for *.localhost."},
    {"browser.sign_in", BOOL(browser.sign_in), .default_value = "true",
	.help = "A page asks for a token and gives the browser a sealed cookie for it, which jobs "
		"never see. Renewing or deleting the token ends the session. The gateway then "
		"answers /.jobgate/ at each job's host itself; /.jobgate/sign-out removes the "
		"cookie."},
    {"browser.host", TEXT_OF(DOMAIN, browser.host), .example = "auth.jobs.example.org",
	.help = "A host at which people sign in once for all jobs in reach. Jobs' hosts send "
		"browsers there and get a one-time code back, so no job's code is near the page "
		"where a token is pasted, and signing out ends all of it at once, on all gateways "
		"with the same browser.key_file. Its name and certificate must lead to this "
		"gateway, as jobs' hosts do. Under jobs.domain no job may have the id of this "
		"host. When left out, it is auth.<jobs.domain>, unless browser.same_host is set."},
    {"browser.same_host", BOOL(browser.same_host), .default_value = "false",
	.help = "Sign in at each job's own host, where there is no other name for the gateway. The "
		"job's code can read what is pasted there, so tokens of operators and tokens "
		"without a label selector are refused."},
    {"browser.job_host", TEXT_OF(DOMAIN, jobs.fixed_host), .example = "notebook.example.org",
	.help =
	    "The host of a sidecar's job, with browser.host or browser.same_host. People sign in "
	    "only at this host, and the sign-in leads back only to it."},
    {"browser.embed", ORIGINS(browser.embed), .default_value = "[]",
	.help = "Origins whose pages may show jobs in a frame: [\"https://portal.example.org\"]. "
		"They must be of the same site as the jobs (example.org): browsers send no "
		"cookie from frames in pages of other sites. Their Referrer-Policy must send the "
		"origin, as the default does. The sign-in page is never "
		"in a frame: it opens in a window of its own."},
    {"browser.session", TIME(browser.session), .default_value = "12h", .min = SECOND,
	.max = 30 * DAY,
	.help = "How long a session lives; what it has opened (WebSockets, streams) ends with it."},
    {"browser.key_file", TEXT(browser.key_file), .example = "/etc/jobgate/session.key",
	.help = "Seals the cookies: at least 32 random bytes, the same for all gateways that serve "
		"the same hosts. When left out, a key is made at each start."},
    {"browser.help", TEXT(browser.help), .example = "\"Your team's lead makes tokens.\"",
	.help = "Where people get a token: a text of at most 500 bytes that is shown where the "
		"gateway asks for one."},

    {"timeouts", SECTION},
    {"timeouts.handshake", TIME(timeouts.handshake), .default_value = "10s", .min = 1, .max = DAY,
	.help = "A TLS handshake."},
    {"timeouts.head", TIME(timeouts.head), .default_value = "10s", .min = 1, .max = DAY,
	.help = "A request's head, from its first byte (408)."},
    {"timeouts.keep_alive", TIME(timeouts.keep_alive), .default_value = "75s", .min = 1, .max = DAY,
	.help = "Between requests on a connection."},
    {"timeouts.body", TIME(timeouts.body), .default_value = "60s", .min = 1, .max = DAY,
	.help = "Between two pieces of a request's content (408); see limits.body_rate_min."},
    {"timeouts.connect", TIME(timeouts.connect), .default_value = "5s", .min = 1, .max = DAY,
	.help = "Connecting to a backend, all its addresses together (504). They are tried 250ms "
		"after one another, and the first to connect is taken. While all of them refuse, "
		"as when the job restarts, requests wait for the same time, whatever their method "
		"(502); one connection at a time is tried."},
    {"timeouts.start", TIME(timeouts.start), .default_value = "0s", .max = DAY,
	.help =
	    "How long requests are held for a job that is not up yet: it has no URL, or takes no "
	    "connections for longer than timeouts.connect: they are refused or time out, or its "
	    "name has no address. Then they get 503; 0s: at once. A "
	    "browser gets a page at once, which checks again by itself. A worker holds at most "
	    "limits.connections requests."},
    {"timeouts.start_max", TIME(timeouts.start_max), .default_value = "300s", .max = DAY,
	.help = "The most that a client may ask for in place of timeouts.start, with Prefer: "
		"wait=SECONDS (RFC 7240); 0s: it may not."},
    {"timeouts.first_byte", TIME(timeouts.first_byte), .default_value = "300s", .min = 1,
	.max = DAY,
	.help = "From the request to the first byte of its answer (504). Inference can be slow."},
    {"timeouts.answer", TIME(timeouts.answer), .default_value = "300s", .min = 1, .max = DAY,
	.help = "Between two pieces of an answer, and for the client to read them; then the "
		"answer is cut."},
    {"timeouts.tunnel", TIME(timeouts.tunnel), .default_value = "1h", .min = 1, .max = 30 * DAY,
	.help =
	    "A tunnel in which nothing moves; also a gRPC call, whose streams may be silent, in "
	    "place of first_byte and answer."},
    {"timeouts.linger", TIME(timeouts.linger), .default_value = "2s", .min = 1, .max = DAY,
	.help = "How long a client may take to close after the last answer. If a client is still "
		"uploading when its job dies, the gateway reads and discards the rest, so that the "
		"client can read the error: it may pause for this time, and continue for 15 times "
		"this time. Over HTTP/2, the stream of such an upload ends after this time."},
    {"timeouts.drain", TIME(timeouts.drain), .default_value = "30s", .min = 1, .max = DAY,
	.help = "For requests to end at shutdown."},
    {"timeouts.backend_idle", TIME(backends.pool.idle_ms), .default_value = "30s", .min = 1,
	.max = DAY, .help = "A pooled backend connection that no request uses."},
    {"timeouts.watchdog", TIME(timeouts.watchdog), .default_value = "10s", .min = 1000, .max = DAY,
	.help = "A worker or control process whose event loop has not turned for this long hangs: "
		"it is killed (SIGABRT, then SIGKILL) and restarted. After 2s the other workers "
		"already accept in its place, and /readyz fails. Time while the machine is "
		"suspended does not count. At least 1s; use 24h to stop a worker in a debugger."},

    {"http2", SECTION},
    {"http2.clients", BOOL(http2.clients), .default_value = "true",
	.help = "Clients may speak HTTP/2: over TLS by ALPN, in cleartext by prior knowledge."},
    {"http2.backends", BOOL(backends.pool.http2.https), .default_value = "false",
	.help = "Jobs at https:// URLs may speak HTTP/2, where they agree to it (ALPN). Jobs at "
		"h2c://, grpc:// and grpcs:// URLs speak it in any case. Then many requests share "
		"a connection; upgrades and requests with NTLM or Negotiate get HTTP/1.1."},
    {"http2.backend_streams", COUNT(backends.pool.http2.streams), .default_value = "100", .min = 1,
	.max = 1000,
	.help = "Requests of one connection to a job at a time; a job may allow fewer."},
    {"http2.max_concurrent_streams", COUNT(http2.limits.streams), .default_value = "100", .min = 1,
	.max = 1000, .help = "Requests of one connection at a time."},
    {"http2.buffer", SIZE(http2.limits.buffer), .default_value = "64MiB", .max = 1ul << 40,
	.help = "Bytes of uploads that clients may send ahead of what their jobs have read, for "
		"all streams of a worker together. Each stream may send 16 KiB in any case, and "
		"up to 1 MiB of this. A connection may have a quarter of what is left, or half if "
		"many users share it; streams that are silent for 10 s lend their part to others. "
		"As much again is for answers that jobs may send ahead, beyond 48 KiB of each "
		"stream."},

    {"limits", SECTION},
    {"limits.head_bytes", SIZE(limits.head.head_bytes), .default_value = "32KiB", .min = 1024,
	.max = HEAD_BYTES_MAX, .help = "A request's head (431)."},
    {"limits.target_bytes", SIZE(limits.head.target_bytes), .default_value = "16KiB", .min = 64,
	.max = HEAD_BYTES_MAX, .help = "Path and query (414)."},
    {"limits.fields", COUNT(limits.head.fields), .default_value = "100", .min = 8,
	.max = HEAD_FIELDS_MAX - 16, .help = "Fields of a head (431)."},
    {"limits.body_bytes", SIZE64(limits.body_bytes), .default_value = "0", .max = INT64_MAX,
	.help = "Content of a request; 0: any size."},
    {"limits.body_rate_min", SIZE64(limits.body_rate_min), .default_value = "100", .max = 1 << 30,
	.help = "Bytes of content that a request must bring in each second in which the gateway "
		"waits for it. A client may lag behind by the amount for timeouts.body (408). "
		"Time in which the job does not read is not counted. 0: any rate, as long as the "
		"client is never silent for timeouts.body."},
    {"limits.connections", COUNT(limits.connections), .default_value = "8192", .min = 1,
	.max = 10000000,
	.help = "Client connections, for each worker. When all are taken, a new connection "
		"replaces one that has waited for a request for over a second, or one of that age "
		"whose requests were all refused; if there is none, the new one is refused. "
		"The same number limits connections to backends. Each worker has 256 more for "
		"control.listen and 64 more for control.metrics; these three pools are separate. "
		"When there are descriptors for fewer (ulimit -n, two for each), idle connections "
		"give way in the same manner, and clients wait to be accepted."},
    {"limits.connections_per_client", COUNT(limits.connections_per_client), .default_value = "1024",
	.max = 10000000,
	.help = "Client connections from one IPv4 address or one IPv6 network of 64 bits; 0: any "
		"number. "
		"Neither this nor the next limit counts for Unix sockets and trusted_proxies: put "
		"a load balancer or TLS terminator there, or all its users share one allowance."},
    {"limits.handshakes", COUNT(limits.handshakes), .default_value = "1024", .min = 1,
	.max = 10000000,
	.help = "TLS handshakes that are not finished, for each worker. When there are this many, "
		"the oldest gives way to another one once it has taken over a second. One address "
		"may have a quarter of them, unless connections_per_client is 0."},
    {"limits.failed_auth_rate", COUNT(limits.failed_auth_rate), .default_value = "10",
	.max = 1000000,
	.help = "Requests with an invalid token from one address, for each worker: this many per "
		"second, and failed_auth_burst at once, get 401; further ones get 429 until the "
		"address has paused. A valid token still passes. 0: no limit."},
    {"limits.failed_auth_burst", COUNT(limits.failed_auth_burst), .default_value = "100", .min = 1,
	.max = 1000000, .help = "How many requests with an invalid token get 401 at once."},
    {"limits.token_rate", COUNT64(limits.token.rate), .default_value = "0", .max = TOKEN_RATE_MAX,
	.help = "Requests per second that one token may make, counted over all workers; others get "
		"429. A rate in the token's record (jobgate token create --rate) overrides this. "
		"0: any number."},
    {"limits.token_burst", COUNT64(limits.token.burst), .default_value = "0",
	.max = TOKEN_BURST_MAX,
	.help = "How many of them may come at once; a burst in the record overrides this. 0: as "
		"many as the rate."},
    {"limits.token_concurrency", COUNT64(limits.token.concurrency), .default_value = "0",
	.max = TOKEN_CONCURRENCY_MAX,
	.help = "Requests, streams and WebSockets of one token that may run at the same time, "
		"counted over all workers; others get 429. A concurrency in the record "
		"overrides this. 0: any number."},
    {"limits.gateways", COUNT64(limits.gateways), .default_value = "1", .min = 1,
	.max = GATEWAYS_MAX,
	.help = "How many gateways serve the same tokens: each allows its part of a token's rate, "
		"burst and concurrency, also of those in its record; at least 1 each."},
    {"limits.idle_backend_connections", COUNT(backends.pool.idle_max), .default_value = "64",
	.max = 100000, .help = "Idle connections kept, for each worker and backend."},
    {"limits.drain_bytes", SIZE64(limits.drain_bytes), .default_value = "64KiB", .max = INT64_MAX,
	.help = "Content of a refused request that is read and dropped to keep the connection."},

    {"control", SECTION},
    {"control.socket", TEXT(control.process.socket), .example = "/run/jobgate/control.sock",
	.reload = RELOAD_EXTERNAL_ONLY,
	.help = "Unix socket of the control API, only for the same user and root; default: "
		"$RUNTIME_DIRECTORY, $XDG_RUNTIME_DIR/jobgate, /run/jobgate (root) or "
		"/tmp/jobgate-<uid>. At most 99 bytes: beside it lie <control.socket>.workers, by "
		"which workers tell of sessions, and <control.socket>.gateway."},
    {"control.host", TEXT_OF(DOMAIN, control.host), .example = "control.example.org",
	.help = "A host at which the workers serve the control API, besides the jobs' hosts. Each "
		"request needs a token of role operator, as at control.listen. Off when left out. "
		"Under jobs.domain no job may have the id of this host. "
		"The workers forward calls from here and from control.listen to the control "
		"process, over the Unix socket <control.socket>.gateway."},
    {"control.metrics", TEXT_OF(ADDRESS, control.metrics), .example = "127.0.0.1:9180",
	.help = "Where /metrics, /healthz and /readyz are served as well, without a token; off "
		"when left out. The workers answer /healthz and /readyz without the control "
		"process, and gRPC's health check, too (services: readiness, liveness), unless "
		"http2.clients is false."},
    {"control.metrics_tokens", COUNT(control.metrics_tokens), .default_value = "0", .max = 10000,
	.help = "How many tokens with limits have samples of their own in /metrics "
		"(jobgate_token_requests_total, jobgate_token_running), labelled with the token's "
		"id: those that were used last. Of the others only the number is shown. 0: none."},
    {"control.listen", TEXT_OF(ADDRESS, control.listen), .example = "127.0.0.1:9181",
	.help = "Where the control API is served as well. Each request needs a token of role "
		"operator, whose label selector limits what it can reach. Off when left out. The "
		"timeouts and limits of `listen` apply here too; one address gets at most a "
		"quarter of the connections."},
    {"control.certificate", TEXT(control.certificate), .example = "/etc/jobgate/control.pem",
	.help = "TLS at control.listen: a certificate with its chain, PEM. Required beyond "
		"loopback. SIGHUP loads it again."},
    {"control.key", TEXT(control.key), .example = "/etc/jobgate/control.key",
	.help = "The key of that certificate, PEM."},
    {"control.client_ca", TEXT(control.client_ca), .example = "/etc/jobgate/operators.pem",
	.help = "Clients must have a certificate from one of these CAs, besides their token."},
    {"control.allow_plain", BOOL(control.allow_plain), .default_value = "false",
	.help = "Listen without TLS beyond loopback: others on the network can read tokens."},
    {"control.scoped_urls", RANGES(control.process.scoped_urls), .default_value = "[]",
	.help = "Addresses or ranges, such as 10.0.6.0/24, to which job URLs may lead that "
		"operators with a label selector give by control.listen or control.host. Through "
		"the gateway such operators then reach everything that listens there, even what "
		"others run, since no label says where a URL leads. Host names are allowed only "
		"with \"::/0\", which is every address. Empty: they register jobs without a URL, "
		"and change labels."},
    {"control.scope_tokens", COUNT(control.process.scope.most[RECORD_TOKEN]),
	.default_value = "1000", .min = 1, .max = 100000,
	.help = "How many tokens may exist that operators with one label selector created; more "
		"get 403. Operators that they created share their quota. Tokens that were created "
		"without such a token (by the administrator of this machine, or by plain HSET) do "
		"not count."},
    {"control.scope_jobs", COUNT(control.process.scope.most[RECORD_JOB]), .default_value = "1000",
	.min = 1, .max = 100000, .help = "The same for jobs."},

    {"metrics", SECTION},
    {"metrics.jobs_max", COUNT(metrics.jobs_max), .default_value = "0", .max = 1000,
	.help = "How many jobs have samples of their own in /metrics (jobgate_job_requests_total "
		"and others): the first ones; a job that was idle for an hour gives its place to "
		"another. The others are counted together, as job_id=\"other\". 0: none."},

    {"log", SECTION},
    {"log.level", LEVEL(log.level), .default_value = "info",
	.help = "error, warning, info or debug; to standard error. The gateway never waits for the "
		"program that reads it: lines that do not fit into the buffer are dropped and "
		"counted in jobgate_service_log_lines_dropped_total, and a later line reports how "
		"many."},
    {"log.format", LOG(log.json), .default_value = "text",
	.help = "text or json: how the lines to standard error look. With json each is an object "
		"with the members time, level, process and message. The lines of log.access are "
		"always JSON."},
    {"log.access", TEXT_OF(OPTIONAL_PATH, log.access), .default_value = "\"off\"",
	.help = "One JSON line for each exchange: a file (SIGUSR1 opens it again by its name, "
		"after it was moved away), - (standard output), syslog, syslog:/path (another "
		"socket than /dev/log) or off. Requests never wait for it: lines that do not fit "
		"into the buffer are counted in jobgate_log_lines_dropped_total. Start the reader "
		"of a FIFO before the gateway. With `user`, root opens the file and gives it to "
		"that user: it must not be a link, and must belong to root or to that user."},
};

const size_t config_key_count = sizeof(config_keys) / sizeof(config_keys[0]);

_Static_assert(sizeof(config_keys) / sizeof(config_keys[0]) <= KEYS_MAX, "KEYS_MAX is too small");
