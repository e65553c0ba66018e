/* grpc_health.c - the messages of gRPC's health service. */
#include "http/grpc_health.h"

#include <stdint.h>

#define PREFIX_LEN 5 /* a byte of flags, four of length, the highest first */

/* Wire types (https://protobuf.dev/programming-guides/encoding). Those of groups are refused:
 * proto3 has none. */
enum wire_type { WIRE_VARINT, WIRE_64, WIRE_BYTES, WIRE_32 = 5 };

#define FIELD_NUMBER(tag) ((tag) >> 3)
#define WIRE_TYPE(tag) ((tag)&7)

/* `string service = 1` of the request. */
#define SERVICE_NUMBER 1

/* Take a number of at most ten bytes from the front of *rest. False when it is cut or longer. */
static bool
take_varint(struct slice *rest, uint64_t *number)
{
	*number = 0;
	for (size_t i = 0; i < rest->len && i < 10; i++) {
		unsigned char byte = (unsigned char)rest->at[i];

		*number |= (uint64_t)(byte & 0x7f) << (7 * i);
		if ((byte & 0x80) == 0) {
			*rest = slice_after(*rest, i + 1);
			return true;
		}
	}
	return false;
}

static bool
take_bytes(struct slice *rest, uint64_t len, struct slice *bytes)
{
	if (len > rest->len)
		return false;
	*bytes = (struct slice){rest->at, (size_t)len};
	*rest = slice_after(*rest, (size_t)len);
	return true;
}

/* Take a field's value. *bytes is set for values of WIRE_BYTES. */
static bool
take_value(struct slice *rest, unsigned type, struct slice *bytes)
{
	uint64_t number;

	switch (type) {
	case WIRE_VARINT:
		return take_varint(rest, &number);
	case WIRE_64:
		return take_bytes(rest, 8, bytes);
	case WIRE_BYTES:
		return take_varint(rest, &number) && take_bytes(rest, number, bytes);
	case WIRE_32:
		return take_bytes(rest, 4, bytes);
	default:
		return false;
	}
}

/* A tag has 32 bits, and no field has number 0. */
static bool
take_tag(struct slice *rest, uint64_t *tag)
{
	return take_varint(rest, tag) && *tag <= UINT32_MAX && FIELD_NUMBER(*tag) > 0;
}

enum grpc_health_request
grpc_health_read(struct slice content, struct slice *service)
{
	uint64_t len = 0, tag;
	struct slice value;

	*service = (struct slice){0};
	if (content.len < PREFIX_LEN)
		return GRPC_HEALTH_BROKEN;
	for (size_t i = 1; i < PREFIX_LEN; i++)
		len = len << 8 | (unsigned char)content.at[i];
	if (len != content.len - PREFIX_LEN || (unsigned char)content.at[0] > 1)
		return GRPC_HEALTH_BROKEN;
	if (content.at[0] == 1)
		return GRPC_HEALTH_COMPRESSED;
	content = slice_after(content, PREFIX_LEN);
	while (content.len > 0) {
		if (!take_tag(&content, &tag) || !take_value(&content, WIRE_TYPE(tag), &value))
			return GRPC_HEALTH_BROKEN;
		if (FIELD_NUMBER(tag) == SERVICE_NUMBER && WIRE_TYPE(tag) == WIRE_BYTES)
			*service = value;
	}
	return GRPC_HEALTH_OK;
}

/* `ServingStatus status = 1`, where 1 is SERVING and 2 is NOT_SERVING. */
size_t
grpc_health_write(bool serving, char out[GRPC_HEALTH_ANSWER_LEN])
{
	const char message[GRPC_HEALTH_ANSWER_LEN] = {
	    0, 0, 0, 0, 2, 1 << 3 | WIRE_VARINT, serving ? 1 : 2};

	for (size_t i = 0; i < sizeof(message); i++)
		out[i] = message[i];
	return sizeof(message);
}
