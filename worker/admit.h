/*
 * The connection tests in the life of a session: what is asked, how long it
 * is waited for, and what is spoken at the greeting and at RCPT.
 */
#ifndef LICTOR_ADMIT_H
#define LICTOR_ADMIT_H

#include <stdbool.h>

#include "worker/settings.h"

struct finding;
struct reason;
struct session;

/*
 * Make the tests for a new client. held is how many sessions it holds. True:
 * it is to be greeted; a refusal that waits for RCPT, or is not known yet,
 * comes with admit_settle. False: it was refused, and the session is over.
 */
bool admit_client(struct session *, unsigned held);

/* A thing that DNS lists may be asked about has become known; "": none. */
void admit_learn(struct session *, enum zone_of, const char *name);

/*
 * Wait for the answers that can still change what a recipient hears, up to
 * their deadlines, and judge anew; session->held is the refusal. For a foreign
 * one, whether the client may relay is among that.
 */
void admit_settle(struct session *, bool foreign);

/* Fill in what is to be said about a DNS listing; its TXT is asked here. */
void admit_word(struct session *, struct reason *);

/*
 * At the end: what is only rehearsed (mode warn) is not worth a client's time,
 * so it is waited for when the client has gone.
 */
void admit_rehearse(struct session *);

#endif
