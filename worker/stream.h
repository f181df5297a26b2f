/*
 * A large message on its way to the next hop while the client still sends it.
 *
 * It begins when the spool's memory is full, so that neither the spool's file
 * nor a second pass is needed; before that a message can still be said again
 * on a new connection. What is found wrong with it later costs the next hop a
 * connection: only losing that undoes half a message. Nothing is passed on
 * before it was looked at, so no bare CR or LF is.
 */
#ifndef LICTOR_STREAM_H
#define LICTOR_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/data.h"
#include "worker/deliver.h"

struct session;

struct stream {
	bool on;	/* the message does not go into the spool any more */
	bool refused;	/* answer says why it does not go on */
	bool cut;	/* it goes nowhere, for what it is */
	int64_t passed; /* octets of the message that were handed over */
	size_t ntail;	/* octets that may be the end of data */
	char tail[DATA_END_OCTETS];
	struct hop_answer answer;
};

/* A message begins. */
void stream_start(struct session *);
/* Its next octets, for the spool or the next hop; arg is the session. */
void stream_put(void *arg, const char *, size_t);
bool stream_is_on(const struct session *);
/* It is complete and good. HOP_OK: the next hop has it. */
void stream_end(struct session *, struct hop_answer *);

#endif
