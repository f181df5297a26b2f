/*
 * Rates: how many connections, messages and refused recipients a client
 * network may have in a minute. Clients that may relay have none.
 */
#ifndef LICTOR_RATE_H
#define LICTOR_RATE_H

#include <stdbool.h>

#include "worker/settings.h"

struct session;

/* Count one; true: that was beyond the rate, and the client was told so. */
bool rate_refuses(struct session *, enum rate);
/* Count one, whatever comes of it. */
void rate_count(struct session *, enum rate);
/*
 * May a recipient be taken at all, with what was counted so far? Where not,
 * it is waited for that the client may relay. True: no, and it was told so.
 */
bool rate_refuses_rcpt(struct session *, const char *to);

#endif
