/*
 * The sender of MAIL FROM: list senders, then whether its domain could get an
 * answer back. The list is the administrator's word on an address and holds
 * for everybody; the domain is not asked about where a client may relay.
 */
#include "worker/check.h"
#include "worker/maildom.h"
#include "worker/peer.h"

static enum verdict
answer(struct reason *why, enum verdict v, const char *code, const char *status,
    const char *text)
{
	why->code = code;
	why->status = status;
	why->text = text;
	return v;
}

static enum verdict
by_domain(const struct maildom *m, struct reason *why)
{
	switch (maildom_state(m)) {
	case MAILDOM_GOOD:
		break;
	case MAILDOM_ASKED:
		return V_PENDING;
	case MAILDOM_NULL_MX: /* RFC 7505, section 4.2 */
		return answer(why, V_REJECT, "sender-null-mx", "5.7.27",
		    "the domain of the sender takes no mail");
	case MAILDOM_NONE:
		return answer(why, V_REJECT, "sender-domain", "5.1.8",
		    "the domain of the sender has no mail host and no address");
	case MAILDOM_UNKNOWN:
		return answer(why, V_UNKNOWN, "sender-unknown", "4.4.3",
		    "the domain of the sender is not known now, "
		    "try again later");
	}
	return V_NEXT;
}

static enum verdict
by_entry(const struct settings *set, struct reason *why,
    const struct list_entry *entry)
{
	if (entry->action == ACT_ALLOW)
		return V_NEXT;
	why->code = "sender-list";
	why->text = "mail from this sender is refused here";
	why->relays_too = true;
	return reason_refusal(why, set, entry);
}

enum verdict
check_sender(const struct peer *peer, const struct settings *set,
    struct reason *why)
{
	enum list_found found = LIST_NONE;
	struct list_entry entry;
	struct list_info senders;

	if (peer->maildom == NULL)
		return V_LATER;
	if (peer->banned)
		return V_NEXT;
	if (peer->lists == NULL)
		return reason_damaged(why);
	generation_info(peer->lists, LIST_SENDERS, &senders);
	if (senders.count > 0)
		found = list_find_mailbox(peer->lists, LIST_SENDERS,
		    peer->sender.local, peer->sender.domain, peer->now, &entry);
	if (found == LIST_FOUND)
		return by_entry(set, why, &entry);
	if (found == LIST_DAMAGED)
		return reason_damaged(why);
	return peer->relay ? V_NEXT : by_domain(peer->maildom, why);
}
