/* directory_watch_world.h - watches of a directory. */
#ifndef JOBGATE_TEST_DIRECTORY_WATCH_WORLD_H
#define JOBGATE_TEST_DIRECTORY_WATCH_WORLD_H

#include "directory_fake.h"

static inline void
watch_another(struct observer *observer)
{
	struct observer *other = observer->ctx;
	struct directory_entry *entry = observer->watch.entry;

	jg_directory_unwatch(&observer->watch);
	jg_directory_watch(entry, &other->watch);
}

struct exchange_like {
	struct asker asker;
	struct observer observer;
	struct fake *fake;
};

static inline void
look_up_and_watch(struct asker *asker)
{
	struct exchange_like *one = asker->ctx;

	watch(one->fake, "a", START, &one->observer);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_setup, fake_teardown)

#endif
