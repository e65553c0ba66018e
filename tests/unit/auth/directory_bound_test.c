/*
 * directory_bound_test.c - the staleness bound in random runs: a store that changes, and a link
 * whose two connections lag, stall and break at random times. Every answer is compared with what
 * was true, and when.
 */
#include "directory_fake.h"

#define KEYS 6
#define CHANGES_MAX 4096
#define QUEUE_MAX 4096
#define WATCHERS 8
#define STEPS 4000
#define SEEDS 40

/* Odd versions are records, even ones are their absence; changed[v] is when version v began. */
struct truth {
	uint64_t version;
	uint64_t changed[CHANGES_MAX];
	bool tracked; /* the link is to be told of the next change */
};

/* What travels: requests to the store, its replies, its pushes. */
enum parcel_kind { PARCEL_READ, PARCEL_PING, PARCEL_CHANGE, PARCEL_FLUSH };

struct parcel {
	enum parcel_kind kind;
	unsigned key;
	uint64_t version; /* of the reply to a read */
	struct directory_entry *entry;
};

struct queue {
	size_t first, end;
	struct parcel parcels[QUEUE_MAX];
};

struct watcher {
	struct observer observer;
	struct world *world;
	bool known; /* as it last saw */
	uint64_t version;
};

struct world {
	struct directory *directory;
	uint32_t random;
	uint64_t now_ms;
	bool up;
	struct truth keys[KEYS];
	struct queue requests, replies, push_requests, pushes;
	uint64_t data_stalled_ms, push_stalled_ms; /* until then */
	uint64_t ping_ms;			   /* 0: none is under way */
	unsigned pongs;
	struct watcher watchers[WATCHERS];
	struct asker askers[WATCHERS];
	/* How often what was to be tested came about. */
	size_t answers, stale, unknown, overtaken, told;
};

static unsigned
roll(struct world *world, unsigned sides)
{
	world->random = world->random * 1664525 + 1013904223;
	return (world->random >> 8) % sides;
}

static void
put(struct queue *queue, struct parcel parcel)
{
	assert_true(queue->end < QUEUE_MAX);
	queue->parcels[queue->end++] = parcel;
}

static struct parcel *
take(struct queue *queue)
{
	struct parcel *parcel = &queue->parcels[queue->first];

	if (queue->first == queue->end)
		return NULL;
	if (++queue->first == queue->end)
		queue->first = queue->end = 0; /* what was taken stays where it is */
	return parcel;
}

static const char *
key_name(unsigned key)
{
	static const char *const names[KEYS] = {"k0", "k1", "k2", "k3", "k4", "k5"};

	return names[key];
}

static bool
send_read(void *ctx, enum record_kind kind, struct slice id, struct directory_entry *entry)
{
	struct world *world = ctx;

	assert_int_equal(kind, RECORD_TOKEN);
	if (!world->up)
		return false;
	put(&world->requests, (struct parcel){
				  .kind = PARCEL_READ,
				  .key = (unsigned)(id.at[1] - '0'),
				  .entry = entry,
			      });
	return true;
}

/* ---- the store ---- */

static void
begin_version(struct world *world, unsigned key)
{
	struct truth *truth = &world->keys[key];

	assert_true(truth->version + 1 < CHANGES_MAX);
	truth->changed[++truth->version] = world->now_ms;
}

static void
change_key(struct world *world, unsigned key)
{
	struct truth *truth = &world->keys[key];

	begin_version(world, key);
	if (truth->tracked)
		put(&world->pushes, (struct parcel){.kind = PARCEL_CHANGE, .key = key});
	truth->tracked = false;
}

static void
flush_store(struct world *world)
{
	for (unsigned key = 0; key < KEYS; key++) {
		if (world->keys[key].version % 2 == 1)
			begin_version(world, key);
		world->keys[key].tracked = false;
	}
	if (world->up)
		put(&world->pushes, (struct parcel){.kind = PARCEL_FLUSH});
}

/* The store works off one request of each connection. */
static void
serve(struct world *world)
{
	struct parcel *parcel;

	if (world->now_ms >= world->data_stalled_ms && (parcel = take(&world->requests)) != NULL) {
		if (parcel->kind == PARCEL_READ) {
			parcel->version = world->keys[parcel->key].version;
			world->keys[parcel->key].tracked = true;
		}
		put(&world->replies, *parcel);
	}
	if (world->now_ms >= world->push_stalled_ms &&
	    (parcel = take(&world->push_requests)) != NULL)
		put(&world->pushes, *parcel);
}

/* ---- the link ---- */

static void
pong(struct world *world)
{
	if (++world->pongs < 2)
		return;
	jg_directory_good(world->directory, world->ping_ms);
	world->ping_ms = 0;
}

static void
deliver_reply(struct world *world)
{
	struct parcel *at, parcel;
	bool there;

	if (world->now_ms < world->data_stalled_ms || (at = take(&world->replies)) == NULL)
		return;
	parcel = *at;
	if (parcel.kind == PARCEL_PING) {
		pong(world);
		return;
	}
	there = parcel.version % 2 == 1;
	world->overtaken += parcel.version != world->keys[parcel.key].version;
	jg_directory_feed(world->directory, parcel.entry, there ? FEED_RECORD : FEED_ABSENT,
	    there ? fake_record(RECORD_TOKEN, parcel.version) : NULL, world->now_ms);
}

static void
deliver_push(struct world *world)
{
	struct parcel *parcel;

	if (world->now_ms < world->push_stalled_ms || (parcel = take(&world->pushes)) == NULL)
		return;
	if (parcel->kind == PARCEL_PING)
		pong(world);
	else if (parcel->kind == PARCEL_FLUSH)
		jg_directory_invalidate_all(world->directory, world->now_ms);
	else
		jg_directory_invalidate(
		    world->directory, RECORD_TOKEN, slice_of(key_name(parcel->key)), world->now_ms);
}

static void
ping(struct world *world)
{
	if (world->ping_ms != 0)
		return;
	world->ping_ms = world->now_ms;
	world->pongs = 0;
	put(&world->requests, (struct parcel){.kind = PARCEL_PING});
	put(&world->push_requests, (struct parcel){.kind = PARCEL_PING});
}

static void
fail_reads(struct world *world, struct queue *queue)
{
	struct parcel *parcel;

	while ((parcel = take(queue)) != NULL)
		if (parcel->kind == PARCEL_READ)
			jg_directory_feed(
			    world->directory, parcel->entry, FEED_FAILED, NULL, world->now_ms);
}

static void
break_link(struct world *world)
{
	world->up = false;
	fail_reads(world, &world->replies);
	fail_reads(world, &world->requests);
	world->push_requests.first = world->push_requests.end = 0;
	world->pushes.first = world->pushes.end = 0;
	world->data_stalled_ms = world->push_stalled_ms = world->ping_ms = 0;
	for (unsigned key = 0; key < KEYS; key++)
		world->keys[key].tracked = false;
	jg_directory_link_down(world->directory, world->now_ms);
}

static void
make_link(struct world *world)
{
	world->up = true;
	jg_directory_link_up(world->directory, world->now_ms);
}

/* ---- holding answers against the truth ---- */

/* What was answered now was true at some moment less than STALENESS ago. */
static void
check_answer(struct world *world, unsigned key, const struct directory_answer *answer)
{
	const struct truth *truth = &world->keys[key];
	uint64_t version;

	if (answer->pending || answer->known == RECORD_UNKNOWN) {
		world->unknown++;
		return;
	}
	world->answers++;
	if (answer->known == RECORD_KNOWN) {
		version = version_of(*answer);
	} else {
		/* The latest absence there was: if that is too old, all were. */
		version = truth->version - truth->version % 2;
	}
	if (version == truth->version)
		return;
	world->stale++;
	if (truth->changed[version + 1] + STALENESS <= world->now_ms)
		fail_msg("at %llu ms key %u is given as version %llu, which ended at %llu",
		    (unsigned long long)world->now_ms, key, (unsigned long long)version,
		    (unsigned long long)truth->changed[version + 1]);
}

static unsigned
key_of(const struct watcher *watcher)
{
	return (unsigned)(watcher - watcher->world->watchers) % KEYS;
}

static void
see(struct watcher *watcher)
{
	struct world *world = watcher->world;
	struct directory_answer answer =
	    jg_directory_watched(world->directory, &watcher->observer.watch, world->now_ms);

	check_answer(world, key_of(watcher), &answer);
	watcher->known = answer.known != RECORD_UNKNOWN;
	watcher->version = version_of(answer);
}

static void
told(struct observer *observer)
{
	struct watcher *watcher = (struct watcher *)observer;

	watcher->world->told++;
	see(watcher);
	/* As one who runs does when it is cut. */
	if (roll(watcher->world, 8) == 0)
		jg_directory_unwatch(&watcher->observer.watch);
}

/* After a tick, each watcher whose knowledge differs from the current answer has been told. */
static void
check_watchers(struct world *world)
{
	for (size_t i = 0; i < WATCHERS; i++) {
		struct watcher *watcher = &world->watchers[i], before = *watcher;

		if (watcher->observer.watch.entry == NULL)
			continue;
		see(watcher);
		if (before.known && (!watcher->known || watcher->version != before.version))
			fail_msg("at %llu ms watcher %zu has not been told",
			    (unsigned long long)world->now_ms, i);
	}
}

static void
ask(struct world *world, size_t i)
{
	struct watcher *watcher = &world->watchers[i];
	struct asker *asker = &world->askers[i];
	unsigned key = key_of(watcher);
	struct directory_answer answer =
	    jg_directory_lookup(world->directory, RECORD_TOKEN, slice_of(key_name(key)),
		world->now_ms, asker->waiter.entry == NULL ? &asker->waiter : NULL);

	check_answer(world, key, &answer);
	if (answer.entry == NULL || watcher->observer.watch.entry != NULL)
		return;
	jg_directory_watch(answer.entry, &watcher->observer.watch);
	see(watcher);
}

static void
step(struct world *world)
{
	unsigned what = roll(world, 1000);
	size_t who = roll(world, WATCHERS);

	world->now_ms += roll(world, 10) == 0 ? roll(world, 200) : roll(world, 3);
	if (what < 300) {
		ask(world, who);
	} else if (what < 400) {
		change_key(world, roll(world, KEYS));
	} else if (what < 560) {
		serve(world);
	} else if (what < 720) {
		deliver_reply(world);
	} else if (what < 850) {
		deliver_push(world);
	} else if (what < 890 && world->up) {
		ping(world);
	} else if (what < 950) {
		jg_directory_tick(world->directory, world->now_ms);
		check_watchers(world);
	} else if (what < 980) {
		jg_directory_unwatch(&world->watchers[who].observer.watch);
		jg_directory_forget(&world->askers[who].waiter);
	} else if (what < 984) {
		world->data_stalled_ms = world->now_ms + roll(world, 2 * STALENESS);
	} else if (what < 988) {
		world->push_stalled_ms = world->now_ms + roll(world, 2 * STALENESS);
	} else if (what < 990) {
		flush_store(world);
	} else if (world->up && what < 992) {
		break_link(world);
	} else if (!world->up) {
		make_link(world);
	}
}

/* All is well again: in the end each watcher knows the truth. */
static void
settle(struct world *world)
{
	if (!world->up)
		make_link(world);
	world->data_stalled_ms = world->push_stalled_ms = 0;
	for (unsigned i = 0; i < 500; i++) {
		world->now_ms += 10;
		for (size_t who = 0; who < WATCHERS; who++)
			ask(world, who);
		ping(world);
		for (unsigned k = 0; k < 20; k++) {
			serve(world);
			deliver_push(world);
			deliver_reply(world);
		}
		jg_directory_tick(world->directory, world->now_ms);
		check_watchers(world);
	}
	for (size_t i = 0; i < WATCHERS; i++) {
		const struct watcher *watcher = &world->watchers[i];
		uint64_t version = world->keys[key_of(watcher)].version;

		assert_non_null(watcher->observer.watch.entry);
		assert_null(world->askers[i].waiter.entry);
		assert_true(watcher->known);
		assert_int_equal(watcher->version, version % 2 == 1 ? version : 0);
	}
}

static void
no_answer_is_older_than_the_bound(void **state)
{
	const struct directory_options options = {
	    .max_staleness_ms = STALENESS, .entries_max = KEYS - 1};
	size_t answers = 0, stale = 0, unknown = 0, overtaken = 0, called = 0;

	(void)state;
	for (uint32_t seed = 1; seed <= SEEDS; seed++) {
		struct world *world = calloc(1, sizeof(*world));
		const struct directory_store store = {.ctx = world, .read = send_read};
		/* Half of the runs with a key more than there is room for. */
		struct directory_options chosen = options;

		assert_non_null(world);
		chosen.entries_max += seed % 2;
		world->directory = jg_directory_new(&chosen, &store);
		world->random = seed;
		world->now_ms = START;
		for (size_t i = 0; i < WATCHERS; i++) {
			world->watchers[i].observer = OBSERVER;
			world->watchers[i].observer.then = told;
			world->watchers[i].world = world;
			world->askers[i] = ASKER;
		}
		for (unsigned i = 0; i < STEPS; i++)
			step(world);
		if (seed % 2 == 1)
			settle(world);
		answers += world->answers;
		stale += world->stale;
		unknown += world->unknown;
		overtaken += world->overtaken;
		called += world->told;
		jg_directory_free(world->directory);
		free(world);
	}
	/* It has not been easy. */
	assert_true(answers > 10000 && stale > 1000 && unknown > 10000);
	assert_true(overtaken > 100 && called > 1000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(no_answer_is_older_than_the_bound),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
