/* page.h - pages for people: sign-in, sign-out, and refusals. */
#ifndef JOBGATE_BROWSER_PAGE_H
#define JOBGATE_BROWSER_PAGE_H

#include "browser/frame.h"

#define PAGE_MAX (12 * 1024)

/* Paths at a job's own host that are the gateway's begin with it. */
#define OUR_PATHS "/.jobgate/"

/* Where to go after signing in, in bytes; "/" takes the place of a longer path. */
#define PAGE_TO_MAX 1024

/* All texts but `to`, `job` and `help` are fixed ones. */
struct page {
	struct slice title, message; /* what happened, in a sentence */
	struct slice advice;	     /* what to do next; or empty */
	struct slice help; /* where tokens come from, from the operator, escaped here; or empty */
	struct slice job;  /* as the client named it, escaped here; or empty */
	bool is_error;
	unsigned status;
	struct slice request_id;
	const char *action; /* where the form is sent, "": to the page's own URL; NULL: no form */
	const char *button;
	bool asks_token;
	struct slice to; /* path and query; from the client, escaped here */
	bool in_frame;	 /* instead of a form: links that open `to` in a window and in the frame */
};

/* The Content-Security-Policy for all pages: nothing is loaded, no script but page_script runs,
 * no other page frames them.
 */
extern const char page_policy[];

/*
 * The same for a page of the sign-in host: what its form sends may lead to this site
 * ("https://host[:port]"), because browsers check the redirects of a form, too; and no script runs.
 * Returns the length; the site must have been parsed.
 */
#define PAGE_POLICY_MAX 640
size_t page_policy_to(struct slice site, char out[PAGE_POLICY_MAX]);

/* The same for a page without a form at a job's host, which these may frame ("frame-ancestors
 * ..."). */
#define PAGE_POLICY_FRAMED_MAX (FRAME_ANCESTORS_MAX + 256)
size_t page_policy_framed(struct slice ancestors, char out[PAGE_POLICY_FRAMED_MAX]);

/* The style of all pages, and the script of those that ask for a token: page_policy contains their
 * hashes. Without the script, signing in leads to the page without its URL's fragment.
 */
extern const char page_style[], page_script[];

/* Write the page; returns its length. Where it does not fit, texts are left out. */
size_t page_write(const struct page *page, char *out, size_t cap);

/* True when every browser takes this for a path (and query) of the same host. */
bool page_to_is_local(struct slice to);

/*
 * Take a field out of a form (application/x-www-form-urlencoded), decoded into out; at is NULL when
 * it is missing, there twice, or longer than cap.
 */
struct slice form_field(struct slice form, struct slice name, char *out, size_t cap);

#endif
