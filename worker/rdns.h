/*
 * The names of a client: its PTR names, and for each whether it leads back to
 * the client (forward-confirmed). Facts only; worker/check_rdns.c judges.
 */
#ifndef LICTOR_RDNS_H
#define LICTOR_RDNS_H

#include "worker/dns.h"

enum forward {
	FORWARD_ASKED,
	FORWARD_CONFIRMED, /* among its addresses is the client's */
	FORWARD_OTHER,	   /* it has addresses, none the client's */
	FORWARD_NONE,	   /* it has no address */
	FORWARD_UNKNOWN
};

struct rdns_name {
	char name[NAME_TEXT_MAX];
	enum forward forward;
	struct rdns *owner;
};

struct rdns {
	enum dns_state ptr;
	unsigned n;
	bool more; /* names beyond the bound were left unasked */
	struct rdns_name names[DNS_NAMES];
	struct dns *dns;
	struct addr client;
	/* Called once: the first confirmed name; "": none; NULL: unknown. */
	void (*known)(void *arg, const char *name);
	void *known_arg;
};

/*
 * What is known where nobody wants it, before anything is asked, and where it
 * is not asked although it would matter.
 */
extern const struct rdns rdns_nothing, rdns_asked, rdns_unasked;

/*
 * Ask for the names, and for the addresses of each as they come in. known is
 * filled already.
 */
void rdns_ask(struct rdns *, struct dns *, const struct addr *client);
/* Nothing more is waited for: what is open is unknown. */
void rdns_settle(struct rdns *);

/* The first confirmed name, or NULL. */
const char *rdns_confirmed(const struct rdns *);
/* For the log, when none is confirmed: unconfirmed, none, unknown. */
const char *rdns_state_name(const struct rdns *);

#endif
