/*
 * Where mail for a recipient goes: one entry of list routes, taken apart.
 */
#ifndef LICTOR_ROUTE_H
#define LICTOR_ROUTE_H

#include <stdbool.h>

#include "lists/list.h"

struct mailbox;

#define ROUTE_TEXT_MAX 600 /* of a Maildir: the path of its recipient */

struct route {
	enum list_action scheme;   /* ACT_SMTP, ACT_MX, ACT_LMTP, ACT_MAILDIR */
	char text[ROUTE_TEXT_MAX]; /* for the log: "smtp:192.0.2.1:25" */
	const char *trouble;	   /* why there is none, or NULL */
	/*
	 * In the path of a Maildir: where the name of the first folder begins
	 * that placeholders stand in. From there on folders may be made; 0:
	 * there are no placeholders.
	 */
	size_t varies;
};

/* What stands behind the scheme: next hops, or the path of a Maildir. */
const char *route_argument(const struct route *);

/*
 * Find the route of a recipient. LIST_NONE: there is none; LIST_DAMAGED: not
 * known now, or the entry is one this program cannot read, or there can be no
 * such Maildir; trouble says so.
 */
enum list_found route_find(const struct generation *, const struct mailbox *,
    int64_t now, struct route *);

/*
 * Do both go to the same next hop? All Maildirs are one, and so are the same
 * hosts in whatever order.
 */
bool route_same(const struct route *, const struct route *);

#endif
