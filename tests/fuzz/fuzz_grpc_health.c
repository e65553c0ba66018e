/* fuzz_grpc_health.c - requests of gRPC's health service: what is read lies inside, and a message
 * that is written back by hand reads the same. */
#include "fuzz.h"
#include "http/grpc_health.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = exact_copy(data, size), again[7 + 127] = {0};
	struct slice content = {copy, size}, service, same;

	if (grpc_health_read(content, &service) == GRPC_HEALTH_OK) {
		CHECK(slice_within(service, content));
		if (service.len <= 127) {
			again[4] = (char)(2 + service.len);
			again[5] = 0x0a;
			again[6] = (char)service.len;
			for (size_t i = 0; i < service.len; i++)
				again[7 + i] = service.at[i];
			CHECK(grpc_health_read((struct slice){again, 7 + service.len}, &same) ==
			      GRPC_HEALTH_OK);
			CHECK(slice_equal(service, same));
		}
	}
	free(copy);
	return 0;
}
