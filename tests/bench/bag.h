/*
 * The messages of a run, and the ledger of what became of them. With a
 * ledger a message that was not told 250 goes back into the bag and is sent
 * again under the same id; without one each message is tried once.
 */
#ifndef LICTOR_BAG_H
#define LICTOR_BAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define BAG_ID_MAX 40

struct message {
	uint32_t number;
	int tries; /* finished so far */
};

struct bag {
	uint32_t total, fresh; /* fresh: the next new number */
	uint32_t accepted, gave_up;
	int retries;
	FILE *ledger; /* or NULL */
	char run[20]; /* tells the ids of this run from any other's */
	struct message *returned;
	size_t nreturned, room;
};

/* ledger is a path to append to, or NULL. Exits when it cannot be opened. */
void bag_open(struct bag *, uint32_t total, int retries, const char *ledger);
void bag_close(struct bag *);

/* Take a message out; false: there is none to send now. */
bool bag_take(struct bag *, struct message *);
bool bag_empty(const struct bag *);

/* The end of data was answered. */
void bag_told(struct bag *, struct message *, int code);

/* The connection ended after the dot, without an answer. */
void bag_lost(struct bag *, struct message *);

/* The message never came as far as its dot. */
void bag_return(struct bag *, struct message *);

/* The text of a message's id; always of the same length within a run. */
const char *
bag_id(const struct bag *, const struct message *, char buf[BAG_ID_MAX]);

#endif
