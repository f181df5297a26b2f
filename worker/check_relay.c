/*
 * Relay: may this client send anywhere? An address entry of list relay is
 * final, relay or deny. Nothing else ever grants it, and it is decided anew
 * for every session.
 */
#include "worker/check.h"
#include "worker/peer.h"

enum verdict
check_relay(const struct peer *peer, const struct settings *set,
    struct reason *why)
{
	struct list_entry entry;

	(void)set;
	if (peer->lists == NULL)
		return V_UNKNOWN;
	switch (list_find_addr(peer->lists, LIST_RELAY, &peer->addr, peer->now,
	    &entry)) {
	case LIST_DAMAGED:
		return V_UNKNOWN;
	case LIST_NONE:
		return V_NEXT;
	case LIST_FOUND:
		break;
	}
	why->code = "relay";
	reason_entry(why, &entry);
	return entry.action == ACT_RELAY ? V_RELAY : V_NEXT;
}
