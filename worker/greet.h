/*
 * The greeting of a new client.
 */
#ifndef LICTOR_GREET_H
#define LICTOR_GREET_H

#include <stdbool.h>

struct session;

/*
 * Make the tests for a new client, and greet it or refuse it. held is how many
 * sessions it holds. True: it was greeted; a refusal that waits for RCPT, or
 * is not known yet, comes with admit_settle. False: it was refused, and the
 * session is over.
 */
bool greet_client(struct session *, unsigned held);

#endif
