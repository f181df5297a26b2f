/*
 * Banned addresses: the client's address in lists banned and bans. The most
 * specific entry of both wins; where both have the same prefix, bans does: it
 * is what an administrator said last. allow is an exception within these two
 * lists and no more.
 */
#include <string.h>

#include "worker/check.h"
#include "worker/peer.h"

static const struct {
	enum list_action action;
	enum verdict verdict;
	const char *status;
} actions[] = {
	{ ACT_REJECT, V_REJECT, "5.7.1" },
	{ ACT_DEFER, V_DEFER, "4.7.1" },
	{ ACT_DROP, V_DROP, "5.7.1" },
	{ ACT_ALLOW, V_NEXT, NULL },
};

enum verdict
check_banned(const struct peer *peer, const struct settings *set,
    struct reason *why)
{
	static const enum list_id lists[] = { LIST_BANS, LIST_BANNED };
	struct list_entry entry, best;
	bool found = false;
	size_t i;

	if (peer->lists == NULL)
		return reason_damaged(why);
	for (i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		switch (list_find_addr(peer->lists, lists[i], &peer->addr,
		    peer->now, &entry)) {
		case LIST_DAMAGED:
			return reason_damaged(why);
		case LIST_NONE:
			break;
		case LIST_FOUND:
			if (!found || entry.prefix_len > best.prefix_len)
				best = entry;
			found = true;
		}
	}
	for (i = 0; found && i < sizeof(actions) / sizeof(actions[0]); i++) {
		if (actions[i].action != best.action)
			continue;
		why->code = "banned";
		why->status = actions[i].status;
		why->text = "your address is banned here";
		reason_entry(why, set, &best);
		return actions[i].verdict;
	}
	return V_NEXT;
}
