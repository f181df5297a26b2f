/*
 * The tests in the life of a session: what is asked, how long it is waited
 * for, and what is refused at the greeting and at RCPT.
 */
#ifndef LICTOR_ADMIT_H
#define LICTOR_ADMIT_H

#include <stdbool.h>

#include "worker/settings.h"

struct finding;
struct reason;
struct session;

/* Make the tests of a new client for the first time, and ask DNS. */
void admit_begin(struct session *);
/*
 * Wait for what can still change the greeting; the refusal in its place, or
 * NULL: one that waits for RCPT, or is not known yet, comes with admit_settle.
 */
const struct finding *admit_greeting(struct session *);

/* A thing that tests and DNS lists look at has become known; "": none. */
void admit_learn(struct session *, enum zone_of, const char *name);

/*
 * The transaction is over: what test sender would have done under mode warn is
 * told, if it is known. What is not is told at the end of the session, for the
 * last of its senders.
 */
void admit_forget(struct session *);

/*
 * Wait for the answers that can still change what a recipient hears, up to
 * their deadlines, and judge anew; session->held is the refusal. For a foreign
 * one, whether the client may relay is among that.
 */
void admit_settle(struct session *, bool foreign);

/* Fill in what is to be said about a DNS listing; its TXT is asked here. */
void admit_word(struct session *, struct reason *);

/* What mode warn would have done, when nothing more is to come. */
void admit_log_would(struct session *);

/*
 * At the end: what is only rehearsed (mode warn) is not worth a client's time,
 * so it is waited for when the client has gone.
 */
void admit_rehearse(struct session *);

#endif
