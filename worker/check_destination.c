/*
 * Destination: is the recipient's domain ours, or may this client send
 * anywhere? This is what keeps the gateway from being an open relay; it has
 * no mode and cannot be switched off.
 */
#include <string.h>

#include "worker/check.h"
#include "worker/peer.h"

static enum verdict
answer(struct reason *why, enum verdict v, const char *code, int reply,
    const char *status, const char *text)
{
	why->code = code;
	why->reply = reply;
	why->status = status;
	why->text = text;
	return v;
}

/* It has no setting for the unknown: that is never yes. */
static enum verdict
damaged(struct reason *why)
{
	reason_damaged(why);
	return V_DEFER;
}

/*
 * A local part that another mail server might read as a route: the percent
 * hack, bang paths, a pipe or a file.
 */
static bool
smells_of_routing(const char *local)
{
	return local[0] == '|' || strpbrk(local, "%!@/") != NULL;
}

/* From strangers such a local part must stand in list recipients exactly. */
static enum verdict
check_local_part(const struct peer *peer, const struct mailbox *to,
    struct reason *why)
{
	struct list_entry entry;

	if (peer->relay || !smells_of_routing(to->local))
		return V_NEXT;
	switch (list_find_mailbox(peer->lists, LIST_RECIPIENTS, to->local,
	    to->domain, peer->now, &entry)) {
	case LIST_FOUND:
		if (entry.match == MATCH_EXACT)
			return V_NEXT;
		break;
	case LIST_NONE:
		break;
	case LIST_DAMAGED:
		return damaged(why);
	}
	return answer(why, V_REJECT, "local-part", 550, "5.1.3",
	    "this local part is not accepted here");
}

enum verdict
check_destination(const struct peer *peer, const struct settings *set,
    const struct mailbox *to, struct reason *why)
{
	enum list_found found = LIST_DAMAGED;
	struct list_entry entry;

	if (peer->lists != NULL)
		found = list_find_name(peer->lists, LIST_DOMAINS, to->domain,
		    peer->now, &entry);
	if (found == LIST_FOUND && entry.action == ACT_ACCEPT)
		return check_local_part(peer, to, why);
	if (peer->relay && found != LIST_DAMAGED)
		return V_RELAY;
	if (found == LIST_DAMAGED)
		return damaged(why);
	if (peer->relay_unknown)
		return answer(why, V_DEFER, "relay-unknown", 451, "4.4.3",
		    "whether you may relay is not known now, try again later");
	answer(why, V_REJECT, "relay-denied", 550, "5.7.1",
	    "relaying is denied: not a domain of ours");
	if (found == LIST_FOUND)
		reason_entry(why, set, &entry);
	return V_REJECT;
}
