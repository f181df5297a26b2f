/*
 * Routes: from an entry of list routes to something that can be connected to
 * or written into. lictor-compile has checked the argument; it is checked
 * again, since a list is a file.
 */
#include <stdio.h>
#include <string.h>

#include "worker/peer.h"
#include "worker/route.h"

static int
from_entry(const struct list_entry *e, struct route *r)
{
	memset(r, 0, sizeof(*r));
	r->scheme = e->action;
	if (snprintf(r->text, sizeof(r->text), "%s:%s",
		list_action_name(e->action),
		e->argument) >= (int)sizeof(r->text))
		return -1;
	switch (e->action) {
	case ACT_SMTP:
		return list_target(e->argument, &r->addr, &r->port);
	case ACT_MAILDIR:
		if (e->argument[0] != '/' ||
		    strlcpy(r->path, e->argument, sizeof(r->path)) >=
			sizeof(r->path))
			return -1;
		return 0;
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
	return a->scheme == ACT_MAILDIR ||
	    (addr_equal(&a->addr, &b->addr) && a->port == b->port);
}
