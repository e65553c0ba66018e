/* downstream_state.h - what the files that make up a downstream share; nobody else includes it. */
#ifndef JOBGATE_GATEWAY_DOWNSTREAM_STATE_H
#define JOBGATE_GATEWAY_DOWNSTREAM_STATE_H

#include "gateway/downstream.h"
#include "gateway/receiver.h"
#include "gateway/sender.h"
#include "http/framing.h"
#include "jobgate/exchange.h"

/*
 * downstream.c           the connection: accept, read, wait, close
 * downstream_admit.c     whether a connection is taken, and whose it is
 * downstream_entrance.c  before the first request: the PROXY header, TLS
 * downstream_request.c   from bytes to the request that an exchange begins with
 * downstream_content.c   what follows a request's head: for the exchange, or for nobody
 * downstream_answer.c    what the exchange has us send
 */
enum downstream_state {
	DOWNSTREAM_PROXY,    /* waits for the PROXY header */
	DOWNSTREAM_SECURING, /* waits for the TLS handshake */
	DOWNSTREAM_HEAD,     /* waits for a request's head, or the rest of it */
	DOWNSTREAM_EXCHANGE, /* an exchange runs */
	DOWNSTREAM_SKIPPING, /* answered early: drops the rest of the request's content */
	DOWNSTREAM_CLOSING,  /* serves nothing more: sends what is left, then lingers */
	DOWNSTREAM_CLOSED,   /* waits for the end of the turn to be freed */
};

struct downstream {
	struct exchange_client client; /* the end that exchanges see */
	struct conn conn;
	struct gateway *gateway;
	uint32_t head_len; /* of the head that begins `in`, kept until the exchange has read it */
	uint32_t idle_since_ms; /* its low bits: when it was accepted, or, if it is known, its last
				   exchange ended, or its client last read of a cut answer */
	struct exchange *exchange; /* EXCHANGE only */
	struct receiver receiver;
	struct sender sender;
	struct timer timer; /* of the state: head, idle, content, linger */
	struct task task;   /* work to go on with in the next turn; once CLOSED, its burial */
	TAILQ_ENTRY(downstream) link; /* SECURING: among those; else among the connections */
	struct exchange_peer peer;
	union {
		uint64_t skipped;   /* SKIPPING, CLOSING: content dropped of this request */
		uint64_t answer_at; /* EXCHANGE: where its answer begins, counted as sender.sent */
	};
	union {
		uint64_t sent_before;	  /* HEAD, CLOSING: of sender.sent, when the timer was last
					     started */
		uint64_t unread;	  /* CLOSING with reset: bytes that the client's end had not
					     acknowledged when it was looked at last */
		uint64_t awaits_since_ms; /* EXCHANGE: more content; 0: it has other things to do */
	};
	struct entrance entrance;
	uint32_t owed;	     /* EXCHANGE: bytes of content by which the client lags behind */
	unsigned char minor; /* of the request's version */
	enum downstream_state state : 8;
	bool keep_alive;    /* after this exchange the connection may serve another */
	bool expects;	    /* the client waits for 100 and has sent no content yet */
	bool content_ended; /* the request's content has been handed on whole */
	/* Bits, as with one byte more each connection would take 16 more. */
	bool client_closes : 1; /* its first request is its last one, as it says itself */
	bool tunnel : 1;
	bool served : 1;       /* there was a request before this one */
	bool known : 1;	       /* one of its requests was allowed, or it is no stranger's */
	bool tunnel_shut : 1;  /* the backend has ended its side, ours ends after what is pending */
	bool half_closed : 1;  /* the client has closed its sending side */
	bool cut : 1;	       /* CLOSING: the last answer is not complete */
	bool working;	       /* further up the stack, downstream_work runs */
	bool finished_sending; /* CLOSING: our side of the stream has been ended */
};

#define OWNER(member, at) ((struct downstream *)((char *)(at)-offsetof(struct downstream, member)))

/* Those among which it is counted. */
static inline struct places *
downstream_places(const struct downstream *downstream)
{
	return &downstream->gateway->places[downstream->entrance.purpose];
}

/* ---- downstream.c ---- */

/* Do whatever can be done now; the one place from which requests are read. */
void downstream_work(struct downstream *downstream);

/* The one place where a connection closes; an exchange that ran on it has ended before. */
void downstream_close(struct downstream *downstream, bool reset);

/* The connection is lost, or its client gone. */
void downstream_lost(struct downstream *downstream);

/* Wait for the next request. */
void downstream_await(struct downstream *downstream);

/* Serve nothing more; the client is to read what it has been sent before the connection goes. */
void downstream_finish(struct downstream *downstream);

/* ---- downstream_admit.c ---- */

/*
 * May one more connection come from this peer? Then *out describes it, and it is counted as one
 * of its address's. When all places are taken one that only waits closes for it, if there is one.
 */
bool downstream_admit(struct gateway *gateway, const struct sockaddr *peer,
    const struct entrance *entrance, struct exchange_peer *out);

/*
 * A proxy speaks for somebody at this address, who is the peer from now on, with its own rights.
 * False when that address has too many connections.
 */
bool downstream_introduce(struct downstream *downstream, const struct sockaddr *address);

/*
 * When handshakes are as many as there may be, the one that has been under way longest gives way.
 * False when it is too early for that.
 */
bool downstream_admit_handshake(struct places *places);

/* Count a connection that is not taken, and say so now and then. */
void downstream_refused(
    struct gateway *gateway, enum connection_refusal reason, const struct exchange_peer *peer);

/* ---- downstream_entrance.c ---- */

/* PROXY: look for the header. True when there is more to do at once. */
bool downstream_proxy(struct downstream *downstream);

/* Close, as the PROXY header is not one or does not come. */
void downstream_not_introduced(struct downstream *downstream);

/* Whose connection it is is known: on to TLS, or to the first request. */
void downstream_enter(struct downstream *downstream);

/* SECURING: go on with the handshake. True when there is more to do at once. */
bool downstream_handshake(struct downstream *downstream);

/* SECURING: close, as the handshake did not succeed. */
void downstream_not_secured(struct downstream *downstream, const char *reason);

/* The handshake has ended, one way or another: make room for the next. */
void downstream_secured(struct downstream *downstream);

/* ---- downstream_request.c ---- */

/* `head_len` bytes of a head have come: begin its exchange, or refuse it. */
void downstream_begin(struct downstream *downstream);

/* The head has served: what follows it is content. */
void downstream_drop_head(struct downstream *downstream);

/* Refuse what is not a request that we serve, and the rest of the connection with it. */
void downstream_reject(struct downstream *downstream, const struct request *request,
    unsigned status, struct slice title, struct slice detail);
void downstream_reject_head(struct downstream *downstream, enum head_status status);

/* The request whose head is at the beginning of `in`, read again (exchange_client_ops). */
struct request *downstream_request(struct exchange_client *client);

/* ---- downstream_content.c: each is true when there is more to do at once ---- */

/* EXCHANGE: hand content on as long as it is taken, else look out for the client's end. */
bool downstream_serve(struct downstream *downstream, size_t *budget);

/* SKIPPING: read content that nobody wants. */
bool downstream_skip(struct downstream *downstream, size_t *budget);

/* CLOSING: send what is left, end our side, and read until the client has closed as well. */
bool downstream_closing(struct downstream *downstream, size_t *budget);

/* True when the end of the connection ends the answer: then only a reset shows that it is cut. */
static inline bool
downstream_must_reset(const struct downstream *downstream)
{
	return downstream->cut && downstream->sender.framing == BODY_UNTIL_CLOSE;
}

/*
 * CLOSING, with all sent. If only a reset can show that the answer is cut: reset once the client's
 * TCP has acknowledged all bytes (a reset destroys unread ones), else wait.
 */
bool downstream_reset_when_read(struct downstream *downstream);

/* ---- downstream_answer.c ---- */

extern const struct exchange_client_ops downstream_ops;

/* In a tunnel whose backend has ended: end our side once all is sent. */
void downstream_shut_if_drained(struct downstream *downstream);

#endif
