/*
 * fuzz_peer_request.c - requests: libhttp-parser reads each request that our codec accepts in the
 * same way.
 */
#include <http_parser.h>

#include "fuzz.h"
#include "http/framing.h"
#include "http/target.h"
#include "reading.h"

/* The rules of the gateway over those of the codec: which form of target goes with which method. */
static bool
is_served(const struct reading *reading)
{
	struct target target;

	switch (target_parse(reading->target, &target)) {
	case TARGET_ORIGIN:
	case TARGET_ABSOLUTE:
		return !slice_equal(reading->method, SLICE("CONNECT"));
	case TARGET_ASTERISK:
		return slice_equal(reading->method, SLICE("OPTIONS"));
	case TARGET_AUTHORITY: /* CONNECT alone, which is answered with 405 */
	case TARGET_BAD:
		break;
	}
	return false;
}

static bool
method_is_known_to_peer(struct slice method)
{
#define KNOWN(number, name, text) || slice_equal(method, SLICE(#text))
	return false HTTP_METHOD_MAP(KNOWN);
}

/* The peer may refuse what we accept for reasons that are named here, and no others. */
static bool
may_be_refused(struct slice bytes, const struct reading *ours, unsigned error)
{
	switch (error) {
	case HPE_INVALID_METHOD:
		return !method_is_known_to_peer(ours->method);
	case HPE_INVALID_CONTENT_LENGTH:
		return reading_ends_with_tab(ours, FIELD_CONTENT_LENGTH) ||
		       reading_has_framing_trailer(ours);
	case HPE_UNEXPECTED_CONTENT_LENGTH:
		return reading_has_longer_name(ours, SLICE("transfer-encoding")) ||
		       reading_has_framing_trailer(ours);
	case HPE_INVALID_TRANSFER_ENCODING:
		return reading_ends_with_tab(ours, FIELD_TRANSFER_ENCODING) ||
		       reading_has_longer_name(ours, SLICE("transfer-encoding")) ||
		       reading_has_framing_trailer(ours);
	case HPE_INVALID_CHUNK_SIZE:
		return bytes_have_tab_behind_size(bytes);
	default:
		return false;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct reading ours, peers;
	char *copy = exact_copy(data, size);
	struct slice bytes = {copy, size};

	reading_of_request(bytes, &ours);
	if ((ours.status == READING_BODY || ours.status == READING_WHOLE) && is_served(&ours)) {
		peer_reading_of_request(bytes, &peers);
		if (peers.status != READING_REFUSED || !may_be_refused(bytes, &ours, peers.error))
			readings_compare(&ours, &peers);
	}
	free(copy);
	return 0;
}
