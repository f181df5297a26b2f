/*
 * Relay: may this client send anywhere? An address entry of list relay is
 * final, relay or deny; else a confirmed name may have one. Nothing else ever
 * grants it, and it is decided anew for every session.
 */
#include "worker/check.h"
#include "worker/peer.h"

/* Only where no address matches: the names that lead back to the client. */
static enum verdict
by_name(const struct peer *peer, const struct settings *set, struct reason *why)
{
	const struct rdns *r = peer->rdns;
	struct list_info info;
	struct list_entry entry;
	bool asked, unknown;
	unsigned i;

	generation_info(peer->lists, LIST_RELAY, &info);
	if (!info.has_names)
		return V_NEXT;
	asked = r->ptr == DNS_ASKED;
	unknown = r->ptr == DNS_UNKNOWN || r->more;
	for (i = 0; i < r->n; i++) {
		asked |= r->names[i].forward == FORWARD_ASKED;
		unknown |= r->names[i].forward == FORWARD_UNKNOWN;
		if (r->names[i].forward != FORWARD_CONFIRMED)
			continue;
		switch (list_find_name(peer->lists, LIST_RELAY,
		    r->names[i].name, peer->now, &entry)) {
		case LIST_DAMAGED:
			return V_UNKNOWN;
		case LIST_NONE:
			break;
		case LIST_FOUND:
			reason_entry(why, set, &entry);
			return entry.action == ACT_RELAY ? V_RELAY : V_NEXT;
		}
	}
	return asked ? V_PENDING : unknown ? V_UNKNOWN : V_NEXT;
}

enum verdict
check_relay(const struct peer *peer, const struct settings *set,
    struct reason *why)
{
	struct list_entry entry;

	why->code = "relay";
	if (peer->lists == NULL)
		return V_UNKNOWN;
	switch (list_find_addr(peer->lists, LIST_RELAY, &peer->addr, peer->now,
	    &entry)) {
	case LIST_DAMAGED:
		return V_UNKNOWN;
	case LIST_NONE:
		return by_name(peer, set, why);
	case LIST_FOUND:
		break;
	}
	reason_entry(why, set, &entry);
	return entry.action == ACT_RELAY ? V_RELAY : V_NEXT;
}
