/*
 * What DNS says of a mail domain: whether mail could be sent to it. Its mail
 * hosts (MX) and its addresses (A, AAAA) are asked for at once. Facts only;
 * worker/check_sender.c judges.
 */
#ifndef LICTOR_MAILDOM_H
#define LICTOR_MAILDOM_H

#include "worker/dns.h"

enum maildom_state {
	MAILDOM_ASKED,
	MAILDOM_GOOD,	 /* it has mail hosts, or addresses */
	MAILDOM_NULL_MX, /* it says that it takes no mail (RFC 7505) */
	MAILDOM_NONE,	 /* neither mail hosts nor addresses */
	MAILDOM_UNKNOWN
};

struct maildom {
	char domain[NAME_TEXT_MAX]; /* "": nothing was asked */
	enum dns_state mx, a, aaaa;
	bool null_mx;
	struct dns *dns;
};

/* What is known where nobody wants it, and before it is asked. */
extern const struct maildom maildom_nothing, maildom_asked;

/*
 * Ask for a domain. Its questions stay open when another is asked for, and
 * count no more; the same domain is not asked again but where it is unknown.
 */
void maildom_ask(struct maildom *, struct dns *, const char *domain);
/* Nothing more is waited for: what is open is unknown. */
void maildom_settle(struct maildom *);

enum maildom_state maildom_state(const struct maildom *);

#endif
