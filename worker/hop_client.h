/*
 * Telling a next hop whose mail it gets: setting client of section next_hop.
 *
 * proxy     a PROXY header, version 2, before anything else (HAProxy's
 *           proxy-protocol.txt)
 * xclient   XCLIENT behind EHLO (Postfix's XCLIENT_README): to the next hop we
 *           are the client
 * xforward  XFORWARD before MAIL (Postfix's XFORWARD_README): for its log
 *
 * A connection that was told one client's address by the first two must not be
 * used for another client; h->personal says so.
 */
#ifndef LICTOR_HOP_CLIENT_H
#define LICTOR_HOP_CLIENT_H

#include <stdbool.h>

struct hop;
struct settings;

/* Does any next hop want the address of ours that the client talks to? */
bool hop_wants_local(const struct settings *);

/* Gather the PROXY header, where one is wanted. */
void hop_say_proxy(struct hop *);

/* The attributes of a line of the answer to EHLO, into h->attributes. */
void hop_take_attributes(struct hop *, const char *line);

/*
 * Say XCLIENT, where it is wanted, and hear the second greeting. True: EHLO is
 * to be said again, and with h->hello as the name.
 */
bool hop_say_xclient(struct hop *);

/*
 * Gather XFORWARD, where it is wanted; how many commands that were, each of
 * which is answered.
 */
int hop_say_xforward(struct hop *);

#endif
