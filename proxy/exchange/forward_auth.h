/* forward_auth.h - another proxy holds a request, and asks /authorize whether it may pass. */
#ifndef JOBGATE_EXCHANGE_FORWARD_AUTH_H
#define JOBGATE_EXCHANGE_FORWARD_AUTH_H

#include "jobgate/message.h"

/* What is wrong with the other proxy's request. */
enum forward_auth_error {
	FORWARD_AUTH_OK,
	FORWARD_AUTH_NOT_FOUND, /* 404: the listener has nothing but /authorize */
	FORWARD_AUTH_UNCLEAR,	/* 400: it describes no request, several, or one that can be read in
				   two ways */
};

/*
 * Replace method, authority, path and query by those of the request that the other proxy holds;
 * method_id stays. That request is described
 *
 *   by X-Forwarded-Uri, X-Forwarded-Host and X-Forwarded-Method (Traefik, Caddy),
 *   by X-Original-URL, or X-Original-URI and Host; and X-Original-Method (nginx),
 *   or by what follows /authorize (Envoy: /authorize/jobs/demo/).
 *
 * A description in none of these ways, or in two, is unclear. So is a path that is not its own
 * normal form: the other proxy may have routed the other form.
 */
enum forward_auth_error forward_auth_read(struct request *request);

/*
 * In the path form the other proxy finds the job in the path, too. False when it might decode an
 * escape first, and find another job.
 */
bool forward_auth_path_is_plain(struct slice path);

#endif
