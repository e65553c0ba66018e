/* fuzz_target.c - targets, authorities and paths: resolving twice changes nothing more. */
#include "fuzz.h"
#include "http/target.h"

/* True when a segment of the path is "." or "..", as a backend without escapes would see it. */
static bool
has_dot_segment(struct slice path)
{
	for (size_t i = 0; i < path.len; i++) {
		size_t end = i + 1;

		if (path.at[i] != '/')
			continue;
		while (end < path.len && path.at[end] != '/')
			end++;
		if ((end - i == 2 && path.at[i + 1] == '.') ||
		    (end - i == 3 && path.at[i + 1] == '.' && path.at[i + 2] == '.'))
			return true;
	}
	return false;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = exact_copy(data, size), *first = malloc(size + 1), *second = malloc(size + 1);
	struct slice text = {copy, size}, path;
	struct authority authority;
	struct target target;
	size_t len;

	CHECK(first != NULL && second != NULL);
	authority_parse(text, &authority);
	if (target_parse(text, &target) != TARGET_BAD && target.path.len > 0) {
		CHECK(target.path.at[0] == '/');
		path = target.path;
		if (path_resolve(path, first, &len) != PATH_BAD) {
			CHECK(len >= 1 && len <= path.len && first[0] == '/');
			path = (struct slice){first, len};
			CHECK(!has_dot_segment(path));
			CHECK(path_resolve(path, second, &len) == PATH_CLEAN);
			CHECK(slice_equal(path, (struct slice){second, len}));
		}
	}
	free(copy);
	free(first);
	free(second);
	return 0;
}
