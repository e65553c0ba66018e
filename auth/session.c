/* session.c - the words for states of sessions. */
#include "jobgate/session.h"

const char *
jg_session_state_name(enum session_state state)
{
	switch (state) {
	case SESSION_WAITING:
		return "waiting";
	case SESSION_CONNECTING:
		return "connecting";
	case SESSION_AWAITING:
		return "awaiting";
	case SESSION_RELAYING:
		return "relaying";
	case SESSION_TUNNEL:
		return "tunnel";
	}
	return "other";
}
