/*
 * All that a test may see: what is known of the client and of what it has
 * said so far. A test reads it, and answers with a verdict.
 */
#ifndef LICTOR_PEER_H
#define LICTOR_PEER_H

#include <stdbool.h>
#include <stdint.h>

#include "lists/list.h"
#include "worker/rdns.h"

struct dnsbl;
struct generation;
struct maildom;

/*
 * A mailbox of the envelope. local is what the local part means, unquoted;
 * text is the address as it goes on to the next hop, quoted where it must be.
 * local and text may be UTF-8 (RFC 6531); domain has A-labels.
 */
struct mailbox {
	char local[MAILBOX_TEXT_MAX];
	char domain[NAME_TEXT_MAX]; /* canonical, or an address literal */
	char text[MAILBOX_TEXT_MAX];
	bool postmaster; /* the bare <postmaster> of RFC 5321, 4.5.1 */
};

struct peer {
	struct addr addr;
	uint16_t port;
	char addr_text[ADDR_TEXT_MAX];
	const struct generation *lists; /* NULL: there are none to be had */
	int64_t now; /* seconds since 1970 UTC, of the session's start */
	const struct rdns *rdns;   /* its names, or why there are none */
	const struct dnsbl *dnsbl; /* what DNS lists say; NULL: none is asked */

	bool listened;	    /* the time before the greeting is over */
	bool early;	    /* it spoke in that time */
	bool banned;	    /* refused by address: DNS has no say any more */
	bool allowed;	    /* rdns allows it: clears dnsbl */
	bool relay;	    /* the relay test granted it: may send anywhere */
	bool relay_unknown; /* it could not be found out whether it may */

	/*
	 * Ours that it talks to, once somebody had to know, or the one at which
	 * its proxy took it; family 0: not yet.
	 */
	struct addr local;
	uint16_t local_port;
	char helo[NAME_TEXT_MAX];      /* as the client said it; "" before */
	bool esmtp;		       /* it was EHLO */
	struct mailbox sender;	       /* of the last MAIL */
	const struct maildom *maildom; /* its domain; NULL: no MAIL yet */
};

#endif
