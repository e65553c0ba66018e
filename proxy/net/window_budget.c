/* window_budget.c - what the windows of a worker's streams may cost, beyond their first size. */
#include "net/window_budget.h"

#include "jobgate/check.h"

/* A stream that has not used half of its window for this long may lend its share. */
#define LEND_MS 10000

/* How many streams are looked at for one that needs more. */
#define LEND_LOOKS 8

void
window_budget_init(struct window_budget *budget, uint64_t max)
{
	*budget = (struct window_budget){.max = max};
	TAILQ_INIT(&budget->shares);
}

bool
window_share_is_fast(const struct window_share *share, uint64_t now_ms)
{
	return share->bytes == 0 || now_ms - share->used_ms <= WINDOW_GROW_MS;
}

/* Its bytes do not count any more. */
static void
discount(struct window_share *share)
{
	struct window_account *account = share->account;

	CHECK(account->counted >= share->bytes && account->budget->counted >= share->bytes);
	account->counted -= share->bytes;
	account->budget->counted -= share->bytes;
	TAILQ_REMOVE(&account->budget->shares, share, link);
	share->counted = false;
}

/* Begin to lend. False: its connection lends enough already. */
static bool
lend(struct window_share *share)
{
	struct window_account *account = share->account;

	if (account->lent + share->bytes > account->lent_max)
		return false;
	discount(share);
	account->lent += share->bytes;
	share->lent = true;
	return true;
}

/* Let a stream lend that has not used its window for LEND_MS. Looks at no more than *looks streams,
 * which it counts down. False: none of these can lend. */
static bool
borrow(struct window_budget *budget, uint64_t now_ms, unsigned *looks)
{
	while (*looks > 0) {
		struct window_share *share = TAILQ_FIRST(&budget->shares);

		if (share == NULL || now_ms - share->used_ms < LEND_MS)
			return false;
		--*looks;
		if (lend(share))
			return true;
		share->used_ms = now_ms; /* it is looked at again after LEND_MS */
		TAILQ_REMOVE(&budget->shares, share, link);
		TAILQ_INSERT_TAIL(&budget->shares, share, link);
	}
	return false;
}

/* True when a stream of this connection may have this much more. */
static bool
may_have(const struct window_account *account, uint32_t bytes)
{
	const struct window_budget *budget = account->budget;
	uint64_t left = budget->max > budget->counted ? budget->max - budget->counted : 0;

	return account->counted + account->steps * (uint64_t)bytes <= left / account->part;
}

bool
window_share_grow(struct window_share *share, uint32_t bytes, uint64_t now_ms)
{
	struct window_account *account = share->account;
	unsigned looks = LEND_LOOKS;

	if (share->lent)
		return false;
	while (!may_have(account, bytes))
		if (!borrow(account->budget, now_ms, &looks) || share->lent)
			return false;
	account->counted += bytes;
	account->budget->counted += bytes;
	share->bytes += bytes;
	if (!share->counted)
		TAILQ_INSERT_TAIL(&account->budget->shares, share, link);
	share->counted = true;
	return true;
}

uint32_t
window_share_use(struct window_share *share, uint32_t bytes, uint64_t now_ms)
{
	struct window_shares *shares = &share->account->budget->shares;
	uint32_t less = bytes < share->bytes ? bytes : share->bytes;

	share->used_ms = now_ms;
	if (share->counted) {
		TAILQ_REMOVE(shares, share, link);
		TAILQ_INSERT_TAIL(shares, share, link);
	}
	if (!share->lent)
		return 0;
	share->bytes -= less;
	share->account->lent -= less;
	share->lent = share->bytes > 0;
	return less;
}

void
window_account_close(struct window_account *account)
{
	account->lent_max = 0;
}

void
window_share_hold(struct window_share *share)
{
	struct window_account *account = share->account;

	if (!share->lent)
		return;
	account->lent -= share->bytes;
	account->counted += share->bytes;
	account->budget->counted += share->bytes;
	TAILQ_INSERT_TAIL(&account->budget->shares, share, link);
	share->lent = false;
	share->counted = true;
}

void
window_share_give(struct window_share *share)
{
	if (share->counted)
		discount(share);
	if (share->lent)
		share->account->lent -= share->bytes;
	share->lent = false;
	share->bytes = 0;
}
