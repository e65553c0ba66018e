/* complete_listeners.c - every address that workers listen at, in one list. */
#include <string.h>

#include "config/loading.h"

#define OF_CONTROL 2

/* One more listener, for an address that has been checked when it was read. */
static bool
add_listener(struct loading *loading, const char *address, struct listener_config kind)
{
	struct config *config = &loading->config;
	struct listener_config *to = &config->listeners[config->listener_count];

	if (address == NULL)
		return true;
	*to = kind;
	if (assign_listener(loading, address, to) != NULL)
		return loading_out_of_memory(loading);
	config->listener_count++;
	return true;
}

bool
complete_listeners(struct loading *loading)
{
	struct config *config = &loading->config;
	struct listener_config *all =
	    loading_own(loading, (config->listener_count + OF_CONTROL) * sizeof(*all));

	if (all == NULL)
		return loading_out_of_memory(loading);
	for (size_t i = 0; i < config->listener_count; i++) {
		all[i] = config->listeners[i];
		all[i].setting = "listen";
	}
	config->listeners = all;
	return add_listener(loading, config->control.listen,
		   (struct listener_config){.purpose = FOR_CONTROL,
		       .setting = "control.listen",
		       .tls = config->control.certificate != NULL}) &&
	       add_listener(loading, config->control.metrics,
		   (struct listener_config){.purpose = FOR_METRICS, .setting = "control.metrics"});
}
