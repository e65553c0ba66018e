/* ask.h - the decision endpoint: another proxy asks whether a request it holds may pass. */
#ifndef JOBGATE_EXCHANGE_ASK_H
#define JOBGATE_EXCHANGE_ASK_H

#include "jobgate/message.h"

/* What is wrong with a question. */
enum ask_error {
	ASK_OK,
	ASK_NOT_FOUND, /* 404: the listener has nothing but /authorize */
	ASK_UNCLEAR,   /* 400: it describes no request, several, or one that can be read in two ways
			*/
};

/*
 * Turn the question into the request that is asked about: its method (method_id stays the
 * question's own), authority, path and query. It is described
 *
 *   by X-Forwarded-Uri, X-Forwarded-Host and X-Forwarded-Method (Traefik, Caddy),
 *   by X-Original-URL, or X-Original-URI and Host; and X-Original-Method (nginx),
 *   or by the question itself, behind /authorize (Envoy: /authorize/jobs/demo/).
 *
 * What is not described in exactly one of these ways is unclear, and so is a path that
 * is not its own normal form: the proxy that asks may have routed the other form.
 */
enum ask_error ask_read(struct request *request);

/*
 * In the path form the proxy that asks finds the job in the path as well: False when it might
 * decode an escape first, and find another one.
 */
bool ask_path_is_plain(struct slice path);

#endif
