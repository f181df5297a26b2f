/*
 * Routes: from an entry of list routes to something that can be connected to
 * or written into. lictor-compile has checked the argument; it is checked
 * again, since a list is a file.
 */
#include <string.h>

#include "worker/maildir_path.h"
#include "worker/peer.h"
#include "worker/route.h"
#include "worker/text.h"

const char *
route_argument(const struct route *r)
{
	return strchr(r->text, ':') + 1;
}

/* Hosts that SMTP or LMTP is spoken to: of mx one domain; or one socket. */
static bool
are_hosts(const struct list_entry *e)
{
	const char *rest = e->argument;
	struct list_target target;
	int n;

	for (n = 0; n == 0 || *rest != '\0'; n++) {
		rest = list_target(&target, rest);
		if (rest == NULL)
			return false;
		if (target.port == 0)
			return e->action == ACT_LMTP && n == 0 && *rest == '\0';
	}
	return n <= TARGETS_MOST &&
	    (e->action != ACT_MX || (n == 1 && target.host[0] != '\0'));
}

/* The argument as it is for this recipient. */
static int
take_argument(const struct list_entry *e, const struct mailbox *to,
    struct route *r)
{
	size_t n;

	text_set(r->text, sizeof(r->text), "%s:", list_action_name(e->action));
	n = strlen(r->text);
	switch (e->action) {
	case ACT_SMTP:
	case ACT_MX:
	case ACT_LMTP:
		return are_hosts(e) &&
			strlcpy(r->text + n, e->argument, sizeof(r->text) - n) <
			    sizeof(r->text) - n ?
		    0 :
		    -1;
	case ACT_MAILDIR:
		return maildir_path(r->text + n, sizeof(r->text) - n,
		    e->argument, to, &r->varies, &r->trouble);
	default:
		return -1;
	}
}

enum list_found
route_find(const struct generation *lists, const struct mailbox *to,
    int64_t now, struct route *r)
{
	struct list_entry entry;
	enum list_found found;

	memset(r, 0, sizeof(*r));
	found = list_find_mailbox(lists, LIST_ROUTES, to->local, to->domain,
	    now, &entry);
	if (found == LIST_NONE) {
		r->trouble = "no route";
		return found;
	}
	r->trouble = "list routes cannot be read";
	if (found == LIST_DAMAGED)
		return found;
	r->scheme = entry.action;
	if (take_argument(&entry, to, r) == -1)
		return LIST_DAMAGED;
	r->trouble = NULL;
	return found;
}

/* Is that target among those of the argument? */
static bool
is_among(const char *text, const char *argument)
{
	struct list_target t;

	while (*argument != '\0') {
		if ((argument = list_target(&t, argument)) == NULL)
			return false;
		if (strcmp(t.text, text) == 0)
			return true;
	}
	return false;
}

static bool
are_among(const char *targets, const char *argument)
{
	struct list_target t;

	while (*targets != '\0')
		if ((targets = list_target(&t, targets)) == NULL ||
		    !is_among(t.text, argument))
			return false;
	return true;
}

bool
route_same(const struct route *a, const struct route *b)
{
	if (a->scheme != b->scheme)
		return false;
	return a->scheme == ACT_MAILDIR || strcmp(a->text, b->text) == 0 ||
	    (are_among(route_argument(a), route_argument(b)) &&
		are_among(route_argument(b), route_argument(a)));
}
