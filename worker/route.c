/*
 * Routes: from an entry of list routes to something that can be connected to
 * or written into. lictor-compile has checked the argument; it is checked
 * again, since a list is a file.
 */
#include <stdio.h>
#include <string.h>

#include "worker/peer.h"
#include "worker/route.h"

const char *
route_argument(const struct route *r)
{
	return strchr(r->text, ':') + 1;
}

static int
from_entry(const struct list_entry *e, struct route *r)
{
	struct list_target target;
	const char *rest = e->argument;

	r->scheme = e->action;
	if (snprintf(r->text, sizeof(r->text), "%s:%s",
		list_action_name(e->action),
		e->argument) >= (int)sizeof(r->text))
		return -1;
	switch (e->action) {
	case ACT_SMTP:
		do
			rest = list_target(&target, rest);
		while (rest != NULL && *rest != '\0');
		return rest == NULL ? -1 : 0;
	case ACT_MAILDIR:
		return e->argument[0] == '/' ? 0 : -1;
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

	found = list_find_mailbox(lists, LIST_ROUTES, to->local, to->domain,
	    now, &entry);
	if (found == LIST_FOUND && from_entry(&entry, r) == -1)
		return LIST_DAMAGED;
	return found;
}

bool
route_same(const struct route *a, const struct route *b)
{
	if (a->scheme != b->scheme)
		return false;
	return a->scheme == ACT_MAILDIR || strcmp(a->text, b->text) == 0;
}
