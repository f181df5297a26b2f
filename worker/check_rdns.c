/*
 * Reverse DNS: the client's names in list names, and the level that setting
 * require asks for. An entry that refuses counts for any PTR name, one that
 * allows only for a confirmed one. Among several names a confirmed allow comes
 * first, then reject, then defer.
 */
#include <string.h>

#include "worker/check.h"
#include "worker/peer.h"
#include "worker/settings.h"

/* What all names together say. */
struct tally {
	bool allow, allow_open, allow_unknown;
	bool refused, damaged;
	struct list_entry entry; /* of the allow, or of the refusal */
};

static void
tally_name(const struct peer *peer, const struct rdns_name *name,
    struct tally *t)
{
	struct list_entry entry;

	switch (list_find_name(peer->lists, LIST_NAMES, name->name, peer->now,
	    &entry)) {
	case LIST_NONE:
		return;
	case LIST_DAMAGED:
		t->damaged = true;
		return;
	case LIST_FOUND:
		break;
	}
	if (entry.action != ACT_ALLOW) {
		if (t->allow || (t->refused && t->entry.action <= entry.action))
			return; /* reject stands before defer */
		t->refused = true;
		t->entry = entry;
	} else if (name->forward == FORWARD_CONFIRMED) {
		t->allow = true;
		t->entry = entry;
	} else {
		t->allow_open |= name->forward == FORWARD_ASKED;
		t->allow_unknown |= name->forward == FORWARD_UNKNOWN;
	}
}

/* Is the level reached: V_NEXT yes, V_REJECT no, or not known (yet)? */
static enum verdict
check_level(const struct rdns *r, enum rdns_require require)
{
	bool asked = false, unknown = r->more;
	unsigned i;

	if (require == RDNS_NONE || (require == RDNS_NAME && r->n > 0))
		return V_NEXT;
	for (i = 0; i < r->n; i++) {
		switch (r->names[i].forward) {
		case FORWARD_CONFIRMED:
			return V_NEXT;
		case FORWARD_OTHER:
			if (require == RDNS_RESOLVES)
				return V_NEXT;
			break;
		case FORWARD_NONE:
			break;
		case FORWARD_ASKED:
			asked = true;
			break;
		case FORWARD_UNKNOWN:
			unknown = true;
			break;
		}
	}
	return asked ? V_PENDING : unknown ? V_UNKNOWN : V_REJECT;
}

/* What is to come may be an allow only where list names holds any name. */
static enum verdict
pending(struct reason *why, bool may_allow)
{
	why->may_allow = may_allow;
	return V_PENDING;
}

static enum verdict
unknown(struct reason *why)
{
	why->code = "rdns-unknown";
	why->status = "4.4.3";
	why->text = "your address's name is not known now, try again later";
	return V_UNKNOWN;
}

/* RFC 7372: 5.7.25, reverse DNS validation failed. */
static enum verdict
level_failed(struct reason *why, enum rdns_require require)
{
	why->status = "5.7.25";
	switch (require) {
	case RDNS_NONE:
		break;
	case RDNS_NAME:
		why->code = "rdns-none";
		why->text = "your address has no name";
		break;
	case RDNS_RESOLVES:
		why->code = "rdns-unresolved";
		why->text = "the name of your address does not resolve";
		break;
	case RDNS_MATCHES:
		why->code = "rdns-mismatch";
		why->text = "your address's name does not lead back to it";
		break;
	}
	return V_REJECT;
}

static enum verdict
entry_refuses(struct reason *why, const struct settings *set,
    const struct list_entry *entry)
{
	why->code = "rdns-list";
	why->text = "the name of your address is refused here";
	return reason_refusal(why, set, entry);
}

static bool
list_has_names(const struct peer *peer)
{
	struct list_info names = { .has_names = true };

	if (peer->lists != NULL)
		generation_info(peer->lists, LIST_NAMES, &names);
	return names.has_names;
}

enum verdict
check_rdns(const struct peer *peer, const struct settings *set,
    struct reason *why)
{
	const struct test_settings *t = &set->tests[TEST_RDNS];
	const struct rdns *r = peer->rdns;
	struct tally tally = { .damaged = peer->lists == NULL };
	enum verdict level;
	unsigned i;

	if (peer->relay || peer->banned)
		return V_NEXT;
	if (t->require == RDNS_NONE && !list_has_names(peer))
		return V_NEXT; /* no answer can make a difference */
	if (r->ptr == DNS_ASKED)
		return pending(why, list_has_names(peer));
	if (r->ptr == DNS_UNKNOWN)
		return unknown(why);
	for (i = 0; i < r->n && !tally.damaged; i++)
		tally_name(peer, &r->names[i], &tally);
	if (tally.damaged)
		return unknown(why);
	if (tally.allow) {
		why->code = "rdns";
		reason_entry(why, set, &tally.entry);
		return V_ALLOW;
	}
	level = check_level(r, t->require);
	if (tally.allow_open || level == V_PENDING)
		return pending(why, tally.allow_open);
	if (!tally.refused && level == V_NEXT)
		return V_NEXT;
	if (tally.allow_unknown || (!tally.refused && level == V_UNKNOWN))
		return unknown(why);
	return tally.refused ? entry_refuses(why, set, &tally.entry) :
			       level_failed(why, t->require);
}
