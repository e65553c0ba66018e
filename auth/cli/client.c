/* client.c - the control API's client on libcurl. */
#define _GNU_SOURCE 1 /* asprintf */
#include "auth/cli/client.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <curl/curl.h>
#include <openssl/crypto.h>

#include "auth/cli/cli.h"
#include "auth/cli/json_text.h"
#include "auth/cli/peer.h"
#include "jobgate/paths.h"

#define CONNECT_TIMEOUT_MS 5000L
#define TOTAL_TIMEOUT_MS 30000L
#define ANSWER_MAX (16u << 20) /* bytes; a page of 1000 jobs with 64 labels each stays below */

struct client {
	CURL *curl;
	char *base;   /* "http://localhost", without a slash at its end */
	char *where;  /* for messages */
	char *socket; /* path of a Unix socket, else NULL */
	int fd;	      /* the connection, with `socket` */
	bool told;    /* the user has been told why a call failed */
	struct curl_slist *headers;
	void (*on_idle)(void *ctx);
	void *idle_ctx;
};

/* The content of an answer; it may hold a token's value. */
struct body {
	char *at;
	size_t len, cap;
};

static void
body_free(struct body *body)
{
	if (body->at != NULL)
		OPENSSL_cleanse(body->at, body->cap);
	free(body->at);
}

/* realloc could leave a copy of a secret behind. */
static bool
body_grow(struct body *body, size_t need)
{
	struct body bigger = {.len = body->len, .cap = body->cap ? body->cap : 4096};

	while (bigger.cap < need)
		bigger.cap *= 2;
	bigger.at = malloc(bigger.cap);
	if (bigger.at == NULL)
		return false;
	if (body->len > 0)
		memcpy(bigger.at, body->at, body->len);
	body_free(body);
	*body = bigger;
	return true;
}

static size_t
body_add(char *data, size_t size, size_t count, void *ctx)
{
	struct body *body = ctx;
	size_t len = size * count;

	if (len > ANSWER_MAX - body->len)
		return 0;
	if (body->len + len > body->cap && !body_grow(body, body->len + len))
		return 0;
	memcpy(body->at + body->len, data, len);
	body->len += len;
	return len;
}

static bool
add_header(struct client *client, const char *line)
{
	struct curl_slist *longer = curl_slist_append(client->headers, line);

	if (longer == NULL)
		return false;
	client->headers = longer;
	return true;
}

static bool
add_token(struct client *client, const char *token)
{
	char line[4224];
	int len;
	bool added;

	if (token[0] == '\0') {
		fputs("jobgate: the token is empty\n", stderr);
		return false;
	}
	for (const char *c = token; *c != '\0'; c++)
		if (!isgraph((unsigned char)*c)) {
			fputs("jobgate: the token contains characters that are not allowed in a "
			      "token\n",
			    stderr);
			return false;
		}
	len = snprintf(line, sizeof(line), "Authorization: Bearer %s", token);
	added = len > 0 && (size_t)len < sizeof(line) && add_header(client, line);
	OPENSSL_cleanse(line, sizeof(line));
	return added;
}

static curl_socket_t
open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct client *client = ctx;

	(void)purpose;
	client->fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
	return client->fd;
}

/* Called when the connection is up and before anything is sent. */
static int
/* NOLINTNEXTLINE(readability-non-const-parameter): curl_prereq_callback has it */
check_peer(void *ctx, char *peer_address, char *own_address, int peer_port, int own_port)
{
	struct client *client = ctx;

	(void)peer_address;
	(void)own_address;
	(void)peer_port;
	(void)own_port;
	client->told = !peer_is_trusted(client->fd, client->socket);
	return client->told ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

static bool
use_socket(struct client *client, const char *path)
{
	CURL *curl = client->curl;

	client->socket = strdup(path);
	return client->socket != NULL &&
	       curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, path) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_PROXY, "") == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, open_socket) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, client) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_PREREQFUNCTION, check_peer) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_PREREQDATA, client) == CURLE_OK;
}

/* Set the URL of the handle. A Unix socket never uses the environment's proxies. */
static bool
set_url(struct client *client, const char *url)
{
	const char *socket = NULL;
	size_t len;

	if (strncmp(url, "unix:", 5) == 0)
		socket = url + 5;
	else if (url[0] == '/')
		socket = url;
	else if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0) {
		fprintf(stderr, "jobgate: '%s' is neither unix:/path nor http(s)://host\n", url);
		return false;
	}
	client->where = strdup(url);
	client->base = strdup(socket != NULL ? "http://localhost" : url);
	if (client->where == NULL || client->base == NULL)
		return false;
	len = strlen(client->base);
	while (len > 0 && client->base[len - 1] == '/')
		client->base[--len] = '\0';
	return socket == NULL || use_socket(client, socket);
}

static bool
default_url(char *url, size_t cap)
{
	char path[256];

	if (!jg_control_socket_find(JG_SERVICE_SOCKET, path, sizeof(path))) {
		fputs("jobgate: the control socket has no default path here; give --control-url\n",
		    stderr);
		return false;
	}
	return (size_t)snprintf(url, cap, "unix:%s", path) < cap;
}

static int
on_progress(void *ctx, curl_off_t down_all, curl_off_t down, curl_off_t up_all, curl_off_t up)
{
	struct client *client = ctx;

	(void)down_all;
	(void)down;
	(void)up_all;
	(void)up;
	client->on_idle(client->idle_ctx);
	return 0;
}

const char *
client_socket(const struct client *client)
{
	return client->socket;
}

void
client_on_idle(struct client *client, void (*on_idle)(void *ctx), void *ctx)
{
	client->on_idle = on_idle;
	client->idle_ctx = ctx;
	curl_easy_setopt(client->curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(client->curl, CURLOPT_XFERINFODATA, client);
	curl_easy_setopt(client->curl, CURLOPT_NOPROGRESS, on_idle == NULL ? 1L : 0L);
}

/* True when the host is this machine. */
static bool
is_loopback(const char *host)
{
	size_t number = strspn(host, "0123456789.");

	return (strncmp(host, "127.", 4) == 0 && strchr(":/", host[number]) != NULL) ||
	       (strncmp(host, "localhost", 9) == 0 && strchr(":/", host[9]) != NULL) ||
	       strncmp(host, "[::1]", 5) == 0;
}

/* Warn before a token is sent in clear text. */
static void
warn_if_plain(const char *url)
{
	if (strncmp(url, "http://", 7) == 0 && !is_loopback(url + 7))
		fprintf(stderr,
		    "jobgate: warning: %s is not https: others on the network can read the token\n",
		    url);
}

struct client *
client_new(const char *url, const char *token)
{
	struct client *client = calloc(1, sizeof(*client));
	const char *authorities = getenv("SSL_CERT_FILE");
	char found[512];

	if (client == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		free(client);
		return NULL;
	}
	client->curl = curl_easy_init();
	if (client->curl == NULL)
		goto fail;
	if (url == NULL) {
		if (!default_url(found, sizeof(found)))
			goto fail;
		url = found;
	}
	if (!set_url(client, url))
		goto fail;
	if (token != NULL) {
		if (!add_token(client, token))
			goto fail;
		warn_if_plain(url);
	}
	/* "Expect: 100-continue" would cost a round trip for each large body. */
	if (!add_header(client, "Expect:") || !add_header(client, "Content-Type: application/json"))
		goto fail;
	/* Programs of OpenSSL honour SSL_CERT_FILE; libcurl does not by itself. */
	if (authorities != NULL && authorities[0] != '\0')
		curl_easy_setopt(client->curl, CURLOPT_CAINFO, authorities);
	curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, client->headers);
	curl_easy_setopt(client->curl, CURLOPT_USERAGENT, "jobgate");
	curl_easy_setopt(client->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(client->curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(client->curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
	curl_easy_setopt(client->curl, CURLOPT_TIMEOUT_MS, TOTAL_TIMEOUT_MS);
	curl_easy_setopt(client->curl, CURLOPT_WRITEFUNCTION, body_add);
	return client;
fail:
	client_free(client);
	return NULL;
}

void
client_free(struct client *client)
{
	if (client == NULL)
		return;
	for (struct curl_slist *header = client->headers; header != NULL; header = header->next)
		OPENSSL_cleanse(header->data, strlen(header->data));
	curl_slist_free_all(client->headers);
	curl_easy_cleanup(client->curl);
	curl_global_cleanup();
	free(client->base);
	free(client->socket);
	free(client->where);
	free(client);
}

/* Print why there was no answer, and what to do about it. */
static void
tell_unreachable(const struct client *client, CURLcode result, const char *error)
{
	const char *advice = NULL;
	long number = 0;

	curl_easy_getinfo(client->curl, CURLINFO_OS_ERRNO, &number);
	if (error[0] == '\0')
		error = curl_easy_strerror(result);
	if (result == CURLE_COULDNT_CONNECT && client->socket != NULL) {
		/* libcurl's text names a port of localhost, which the user did not give. */
		if (number != 0)
			error = strerror((int)number);
		advice = number == EACCES
			     ? "Run this as the gateway's user or as root."
			     : "Is a gateway running here (jobgate serve)? For another one give "
			       "--control-url or JOBGATE_URL.";
	} else if (result == CURLE_PEER_FAILED_VERIFICATION) {
		advice = "Its certificate must name this host, and be from an authority that the "
			 "system or SSL_CERT_FILE names.";
	} else if (result == CURLE_RECV_ERROR || result == CURLE_GOT_NOTHING ||
		   result == CURLE_SSL_CONNECT_ERROR) {
		advice = "Is it http:// in place of https://, or the other way round?";
	}
	fprintf(
	    stderr, "jobgate: the control API at %s does not answer: %s\n", client->where, error);
	if (advice != NULL)
		fprintf(stderr, "%s\n", advice);
}

/* The answer's JSON. False after printing that memory is short. */
static bool
read_answer(struct client *client, const struct body *got, json_t **out)
{
	if (json_text_read(got->at, got->len, out))
		return true;
	client->told = true;
	fprintf(stderr,
	    "jobgate: the answer of the control API at %s cannot be read: memory is short. A "
	    "change may have been made: look before you repeat it.\n",
	    client->where);
	return false;
}

bool
client_call(struct client *client, const char *method, const char *path, const json_t *body,
    struct answer *answer)
{
	char *text = body != NULL ? json_text_write(body, JSON_COMPACT) : NULL;
	char error[CURL_ERROR_SIZE] = "";
	struct body got = {0};
	char *url = NULL;
	CURLcode result = CURLE_OUT_OF_MEMORY;

	*answer = (struct answer){0};
	client->told = false;
	if ((body != NULL && text == NULL) || asprintf(&url, "%s%s", client->base, path) < 0)
		goto done;
	curl_easy_setopt(client->curl, CURLOPT_URL, url);
	curl_easy_setopt(client->curl, CURLOPT_HTTPGET, 1L);
	if (body != NULL || strcmp(method, "POST") == 0) {
		curl_easy_setopt(client->curl, CURLOPT_POSTFIELDS, text != NULL ? text : "");
		curl_easy_setopt(
		    client->curl, CURLOPT_POSTFIELDSIZE, text != NULL ? (long)strlen(text) : 0L);
	}
	curl_easy_setopt(client->curl, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(client->curl, CURLOPT_ERRORBUFFER, error);
	curl_easy_setopt(client->curl, CURLOPT_WRITEDATA, &got);
	result = curl_easy_perform(client->curl);
	curl_easy_setopt(client->curl, CURLOPT_ERRORBUFFER, NULL);
	if (result != CURLE_OK)
		goto done;
	curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &answer->status);
	if (!read_answer(client, &got, &answer->body))
		result = CURLE_OUT_OF_MEMORY;
done:
	if (result != CURLE_OK && !client->told)
		tell_unreachable(client, result, error);
	if (text != NULL) {
		OPENSSL_cleanse(text, strlen(text));
		free(text);
	}
	body_free(&got);
	free(url);
	return result == CURLE_OK;
}

void
answer_clear(struct answer *answer)
{
	json_decref(answer->body);
	answer->body = NULL;
}

/* Print a server's text without control characters, which could fool a terminal. */
static void
tell(const char *text)
{
	for (; *text != '\0'; text++)
		fputc(iscntrl((unsigned char)*text) ? '?' : *text, stderr);
}

int
answer_refused(const struct answer *answer)
{
	const char *detail = json_string_value(json_object_get(answer->body, "detail"));
	const char *title = json_string_value(json_object_get(answer->body, "title"));
	const char *field = json_string_value(json_object_get(answer->body, "field"));

	fputs("jobgate: ", stderr);
	if (field != NULL) {
		tell(field);
		fputs(": ", stderr);
	}
	if (detail != NULL)
		tell(detail);
	else if (title != NULL)
		tell(title);
	else
		fprintf(stderr, "the server answered %ld", answer->status);
	fputc('\n', stderr);
	if (answer->status == 401)
		fputs("Give an operator's token by --token-file FILE or JOBGATE_TOKEN.\n", stderr);
	return answer->status == 503 ? CLI_UNREACHABLE : CLI_REFUSED;
}

char *
client_path(const char *prefix, const char *text, const char *suffix)
{
	char *escaped = curl_easy_escape(NULL, text, 0);
	char *path = NULL;

	if (escaped != NULL && asprintf(&path, "%s%s%s", prefix, escaped, suffix) < 0)
		path = NULL;
	curl_free(escaped);
	return path;
}
