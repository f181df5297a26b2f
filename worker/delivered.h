/*
 * Who has a message already, for the time that its sender tries again because
 * others do not have it: a bounded table in the clients mapping, written by all
 * workers. What is forgotten, or lost with the mapping, costs a message that
 * arrives twice. Nothing is taken for another: an entry stands for a keyed hash
 * of sender, recipient and message of more than 100 bits.
 */
#ifndef LICTOR_DELIVERED_H
#define LICTOR_DELIVERED_H

#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

#include "worker/digest.h"

struct clients;

/* How long it is known: as long as a sender keeps trying. */
#define DELIVERED_DAYS 5
/* A claim that nobody took back holds no longer. */
#define CLAIM_MINUTES 11

/* One recipient of one message. */
struct delivered_key {
	uint64_t who;
	uint64_t tag;
};

enum delivered_state {
	DELIVERED_NOT, /* as far as is known */
	DELIVERED_NOW, /* another worker is at it */
	DELIVERED_YES
};

void delivered_key(struct delivered_key *, const struct clients *,
    const uint8_t digest[DIGEST_OCTETS], const char *sender, const char *rcpt);

/* Is there anything to be found? Else nobody needs a digest. */
bool delivered_any(const struct clients *);

/* now_ms is of the monotonic clock in all of these. */
enum delivered_state
delivered_find(struct clients *, const struct delivered_key *, int64_t now_ms);

/*
 * Claim a delivery for a worker, so that no other begins the same. False:
 * another has it, or it has been made. Where the table has no room, true
 * without one.
 */
bool delivered_claim(struct clients *, const struct delivered_key *, pid_t,
    int64_t now_ms);
/* The worker's claim is over, and the message was not delivered. */
void delivered_release(struct clients *, const struct delivered_key *, pid_t);
/*
 * It was, and others are to come; the claim is over. Without room the oldest
 * is forgotten.
 */
void delivered_note(struct clients *, const struct delivered_key *, pid_t,
    int64_t now_ms);
/* It was, and nobody will ask. */
void delivered_forget(struct clients *, const struct delivered_key *);

/* The master's part: give back what a worker has claimed that died. */
void delivered_take_back(struct clients *, pid_t);

#endif
