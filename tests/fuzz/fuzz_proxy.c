/*
 * fuzz_proxy.c - PROXY headers: lengths stay within the bytes that have come, and more bytes do not
 * change the result.
 */
#include "fuzz.h"
#include "net/proxy_header.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = exact_copy(data, size);
	struct proxy_header header, again;
	size_t len = 0, len_again = 0;
	enum proxy_status status = proxy_header_parse((struct slice){copy, size}, &header, &len);

	if (status == PROXY_COMPLETE) {
		CHECK(len > 0 && len <= size && len <= PROXY_HEADER_MAX);
		CHECK(header.direct || header.source.storage.ss_family == AF_INET ||
		      header.source.storage.ss_family == AF_INET6);
		/* Its own bytes alone say the same, and one fewer is not enough. */
		CHECK(proxy_header_parse((struct slice){copy, len}, &again, &len_again) ==
			  PROXY_COMPLETE &&
		      len_again == len && again.direct == header.direct);
		CHECK(proxy_header_parse((struct slice){copy, len - 1}, &again, &len_again) ==
		      PROXY_INCOMPLETE);
	}
	if (status == PROXY_INCOMPLETE)
		CHECK(size < PROXY_HEADER_MAX);
	if (status == PROXY_BAD && size > 0)
		CHECK(proxy_header_parse((struct slice){copy, size - 1}, &again, &len_again) !=
		      PROXY_COMPLETE);
	free(copy);
	return 0;
}
