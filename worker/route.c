/*
 * Routes: from an entry of list routes to something that can be connected to
 * or written into. lictor-compile has checked the argument; it is checked
 * again, since a list is a file.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/peer.h"
#include "worker/route.h"

#define SMTP_PORT 25

/* host[:port] or [IPv6][:port] */
static int
parse_target(const char *text, struct route *r)
{
	char host[ADDR_TEXT_MAX + 2], *h = host, *close;
	const char *colon, *errstr;
	size_t len;

	r->port = SMTP_PORT;
	colon = text[0] == '[' ? strchr(text, ']') : text;
	if (colon == NULL)
		return -1;
	colon = strchr(colon, ':');
	len = colon != NULL ? (size_t)(colon - text) : strlen(text);
	if (len == 0 || len >= sizeof(host))
		return -1;
	memcpy(host, text, len);
	host[len] = '\0';
	if (host[0] == '[') {
		h = host + 1;
		if ((close = strchr(h, ']')) == NULL || close[1] != '\0')
			return -1;
		*close = '\0';
	}
	if (colon != NULL) {
		r->port = (uint16_t)strtonum(colon + 1, 1, 65535, &errstr);
		if (errstr != NULL)
			return -1;
	}
	return addr_parse(&r->addr, h);
}

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
		return parse_target(e->argument, r);
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
