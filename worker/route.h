/*
 * Where mail for a recipient goes: one entry of list routes, taken apart.
 */
#ifndef LICTOR_ROUTE_H
#define LICTOR_ROUTE_H

#include <netinet/in.h>
#include <stdbool.h>

#include "lists/list.h"

struct mailbox;

struct route {
	enum list_action scheme; /* ACT_SMTP or ACT_MAILDIR */
	struct addr addr;	 /* smtp */
	uint16_t port;
	char path[ROUTE_PATH_MAX]; /* maildir */
	char text[280];		   /* for the log: "smtp:192.0.2.1:25" */
};

/*
 * Find the route of a recipient. LIST_NONE: there is none; LIST_DAMAGED: not
 * known now, or the entry is one this program cannot read.
 */
enum list_found route_find(const struct generation *, const struct mailbox *,
    int64_t now, struct route *);

/* Do both go to the same next hop? All Maildirs are one. */
bool route_same(const struct route *, const struct route *);

#endif
