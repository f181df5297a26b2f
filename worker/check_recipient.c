/*
 * Recipients: what list recipients says of an address at one of our domains.
 * Names that must always be reachable (setting open, and the bare
 * <postmaster>) exist and are open even where the list is silent on them or
 * refuses their whole domain; only an entry of their own can refuse them.
 */
#include <string.h>
#include <strings.h>

#include "worker/check.h"
#include "worker/peer.h"

static const struct {
	enum list_action action;
	enum verdict verdict;
	int reply;
	const char *code, *status, *text;
} actions[] = {
	{ ACT_ACCEPT, V_NEXT, 250, "recipient", "2.1.5", NULL },
	{ ACT_OPEN, V_ALLOW, 250, "recipient", "2.1.5", NULL },
	{ ACT_REJECT, V_REJECT, 550, "recipient-refused", "5.7.1",
	    "this recipient does not take mail" },
	{ ACT_DEFER, V_DEFER, 450, "recipient-deferred", "4.2.1",
	    "this recipient takes no mail now, try again later" },
	{ ACT_MOVED, V_MOVED, 550, "recipient-moved", "5.1.6", NULL },
	{ ACT_FORWARD, V_FORWARD, 251, "recipient-forwarded", "2.1.5", NULL },
};

bool
recipient_always_open(const struct settings *set, const struct mailbox *to)
{
	size_t i;

	if (to->postmaster)
		return true;
	for (i = 0; i < set->open.n; i++)
		if (strcasecmp(set->open.item[i], to->local) == 0)
			return true;
	return false;
}

static enum verdict
by_entry(const struct settings *set, const struct list_entry *entry,
    struct reason *why)
{
	size_t i;

	for (i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		if (actions[i].action != entry->action)
			continue;
		why->code = actions[i].code;
		why->reply = actions[i].reply;
		why->status = actions[i].status;
		why->text = actions[i].text;
		reason_entry(why, set, entry);
		return actions[i].verdict;
	}
	return V_UNKNOWN; /* an action that this list does not have */
}

enum verdict
check_recipient(const struct peer *peer, const struct settings *set,
    const struct mailbox *to, struct reason *why)
{
	bool open = recipient_always_open(set, to);
	struct list_entry entry;
	enum verdict v;

	switch (list_find_mailbox(peer->lists, LIST_RECIPIENTS, to->local,
	    to->domain, peer->now, &entry)) {
	case LIST_FOUND:
		v = by_entry(set, &entry, why);
		if (!open || entry.match <= MATCH_EXTENSION)
			return open && v == V_NEXT ? V_ALLOW : v;
		return v == V_FORWARD ? v : V_ALLOW;
	case LIST_NONE:
		if (open)
			return V_ALLOW;
		why->code = "recipient-unknown";
		why->reply = 550;
		why->status = "5.1.1";
		why->text = "no such recipient here";
		return V_REJECT;
	case LIST_DAMAGED:
		break;
	}
	return reason_damaged(why);
}
