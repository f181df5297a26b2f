/*
 * A message as a whole: what speaks against it, and how it is handed over.
 */
#ifndef LICTOR_MESSAGE_H
#define LICTOR_MESSAGE_H

#include <stdbool.h>

struct session;

/* What is wrong with a message, as it is refused. */
struct message_fault {
	int code;
	const char *status, *word, *text;
};

/* The first thing that speaks against what is there of it; false: nothing. */
bool message_fault(const struct session *, struct message_fault *);
/* Is what is there good so far? If not, it has been refused. */
bool message_acceptable(struct session *);
/* The message is complete: refuse it or hand it over, and forget it. */
void message_end(struct session *);

#endif
