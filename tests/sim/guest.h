/*
 * guest.h - a model of a browser that signs in at the sign-in host: it visits jobs with that, uses
 * codes again, too late, for another host or from another browser, and signs out.
 */
#ifndef SIM_GUEST_H
#define SIM_GUEST_H

#include "one_request.h"
#include "records.h"

struct world;

enum step {
	STEP_VISIT,    /* a job's page */
	STEP_SIGN_IN,  /* the page of the sign-in host */
	STEP_POST,     /* its form */
	STEP_BACK,     /* to the job, with a code */
	STEP_MISUSE,   /* of a code */
	STEP_SIGN_OUT, /* of all jobs */
};

#define GUEST_HOST "auth.localhost" /* where it signs in */
#define GUEST_COOKIE_MAX 128
#define GUEST_QUERY_MAX 1200

/* A cookie, and the sign-in that it stands for. */
struct guest_cookie {
	char text[GUEST_COOKIE_MAX]; /* "": it has none */
	unsigned sign_in;
	unsigned token, value;
	uint64_t ends_ns;
};

struct guest {
	struct world *world;
	unsigned number;
	struct host host;
	struct random random;
	struct one_request request;
	struct alarm act;
	bool stopped;
	enum step step;
	unsigned job;		     /* that it wants to visit */
	unsigned code_job;	     /* for which its last code was made */
	char query[GUEST_QUERY_MAX]; /* of the sign-in page, or behind the job's path */
	char code[160];		     /* the last one; "": it has none */
	bool code_used;
	struct guest_cookie host_cookie; /* of the sign-in host */
	struct guest_cookie signed_in[RECORDS_JOBS_MAX];
	struct guest_cookie pending; /* whose it will be that the code leads to */
	char nonce[RECORDS_JOBS_MAX][GUEST_COOKIE_MAX];
	uint64_t signed_in_count;
};

void guest_start(struct guest *guest, struct world *world, unsigned number);

/* No new requests. */
void guest_stop(struct guest *guest);

/* Long after it was stopped: nothing may be left of it. */
void guest_check_ended(const struct guest *guest);

/* ---- guest_request.c ---- */

/* What its next request asks for; returns when the cookie that it shows ends. */
uint64_t guest_draw_plan(struct guest *guest, struct exchange_plan *plan);

void guest_put_request(struct guest *guest, const struct exchange_plan *plan);

#endif
