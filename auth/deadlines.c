/* deadlines.c - a pairing heap: trees are merged by making the later root a child of the sooner. */
#include "auth/deadlines.h"

#include <stddef.h>

#include "jobgate/check.h"

/* Merge two roots without siblings. */
static struct deadline *
merge(struct deadline *one, struct deadline *other)
{
	struct deadline *sooner = one->ms <= other->ms ? one : other;
	struct deadline *later = sooner == one ? other : one;

	later->next = sooner->child;
	later->before = sooner;
	if (later->next != NULL)
		later->next->before = later;
	sooner->child = later;
	return sooner;
}

/* Take the first of the siblings, as a root. */
static struct deadline *
detach(struct deadline **siblings)
{
	struct deadline *root = *siblings;

	*siblings = root->next;
	root->next = root->before = NULL;
	return root;
}

/* Merge siblings into one tree: in pairs first, then the pairs from the last to the first. */
static struct deadline *
merge_all(struct deadline *siblings)
{
	struct deadline *pairs = NULL, *root = NULL;

	while (siblings != NULL) {
		struct deadline *pair = detach(&siblings);

		if (siblings != NULL)
			pair = merge(pair, detach(&siblings));
		pair->next = pairs;
		pairs = pair;
	}
	while (pairs != NULL) {
		struct deadline *pair = detach(&pairs);

		root = root != NULL ? merge(root, pair) : pair;
	}
	return root;
}

void
deadlines_add(struct deadlines *deadlines, struct deadline *deadline, uint64_t ms)
{
	CHECK(ms != 0 && deadline->ms == 0);
	*deadline = (struct deadline){.ms = ms};
	deadlines->first = deadlines->first != NULL ? merge(deadlines->first, deadline) : deadline;
}

void
deadlines_remove(struct deadlines *deadlines, struct deadline *deadline)
{
	struct deadline *rest;

	if (deadline->ms == 0)
		return;
	CHECK(deadline == deadlines->first || deadline->before != NULL);
	rest = merge_all(deadline->child);
	if (deadline == deadlines->first) {
		deadlines->first = rest;
	} else {
		if (deadline->before->child == deadline)
			deadline->before->child = deadline->next;
		else
			deadline->before->next = deadline->next;
		if (deadline->next != NULL)
			deadline->next->before = deadline->before;
		if (rest != NULL)
			deadlines->first = merge(deadlines->first, rest);
	}
	*deadline = (struct deadline){0};
}
