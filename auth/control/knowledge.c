/* knowledge.c - turns results of reads into evidence. */
#include "auth/control/knowledge.h"

enum knowledge
store_result_knowledge(enum store_result result)
{
	switch (result) {
	case STORE_OK:
		return RECORD_KNOWN;
	case STORE_ABSENT:
	case STORE_BROKEN:
	case STORE_TOO_LARGE:
		return RECORD_ABSENT;
	case STORE_CONFLICT:
	case STORE_TOO_MANY:
	case STORE_TOO_MANY_PORTS:
	case STORE_TOO_MANY_PUBLIC:
	case STORE_COLLIDES:
	case STORE_OUT_OF_SCOPE:
	case STORE_IS_PUBLIC:
	case STORE_REVOKED:
	case STORE_OVER_QUOTA:
	case STORE_OTHER_MINT:
	case STORE_CIRCLE:
	case STORE_UNAVAILABLE:
	case STORE_UNKNOWN:
		break;
	}
	return RECORD_UNKNOWN;
}
