/*
 * fuzz_peer_response.c - answers: libhttp-parser reads each answer that our codec accepts in the
 * same way. The first byte says whether the answer is to GET or to HEAD, and whether the connection
 * has closed.
 */
#include <http_parser.h>

#include "fuzz.h"
#include "http/framing.h"
#include "reading.h"

/*
 * The peer takes "Transfer-EncodingX" and a "chunked" with a tab behind it for codings it does not
 * know, and so reads until the connection closes, and trailers for framing; that is its mistake.
 */
static bool
peer_is_mistaken(const struct reading *ours)
{
	return reading_ends_with_tab(ours, FIELD_TRANSFER_ENCODING) ||
	       reading_has_longer_name(ours, SLICE("transfer-encoding")) ||
	       reading_ends_with_tab(ours, FIELD_CONTENT_LENGTH) ||
	       reading_has_framing_trailer(ours);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct reading ours, peers;
	enum method_id method;
	struct slice bytes;
	bool closed;
	char *copy;

	if (size == 0)
		return 0;
	copy = exact_copy(data + 1, size - 1);
	bytes = (struct slice){copy, size - 1};
	method = data[0] & 1 ? METHOD_HEAD : METHOD_GET;
	closed = data[0] & 2;
	reading_of_response(bytes, method, closed, &ours);
	if ((ours.status == READING_BODY || ours.status == READING_WHOLE) &&
	    !peer_is_mistaken(&ours)) {
		peer_reading_of_response(bytes, method, closed, &peers);
		if (peers.error != HPE_INVALID_CHUNK_SIZE || !bytes_have_tab_behind_size(bytes))
			readings_compare(&ours, &peers);
	}
	free(copy);
	return 0;
}
