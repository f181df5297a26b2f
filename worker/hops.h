/*
 * What is known of next hops. All workers note it in the clients mapping: a
 * note for each, by its text as routes have it, kept while the master lives,
 * so that what we offer does not change with a hop's outage. A note that is
 * lost or a lie costs at most a 5.6.7, a parameter that is not passed on or a
 * 4xx.
 */
#ifndef LICTOR_HOPS_H
#define LICTOR_HOPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lists/list.h"

struct clients;
struct hop_note;
struct state;

/* What a hop said to EHLO; the first two are offered because of it. */
#define HOP_DSN	       1
#define HOP_UTF8       2
#define HOP_PIPELINING 4
#define HOP_8BIT       8
#define HOP_SIZE       16
#define HOP_STARTTLS   256 /* this and what follows is not noted */
#define HOP_CHUNKING   512
#define HOP_KNOWN      128 /* it has been asked */
#define HOP_NOTABLE    63  /* what a note has room for */

/*
 * Walk over hops as list routes tells them (struct list_info), or NULL: go to
 * the next one. Its length, which is to be added to go on; 0: no more.
 */
size_t hops_next(const char **hops);
/* How mail goes to one of them; its target is what its route has. */
enum list_action hops_scheme(const char *hop, const char **target);

/* The note of a hop; where there is none, one is made. NULL: no room. */
struct hop_note *hops_take(struct clients *, const char *hop);

/* Note the keywords of a hop; clients NULL: nowhere. */
void hops_note(struct clients *, const char *hop, unsigned keywords);
/* Its keywords and HOP_KNOWN, or 0: it was never asked. */
unsigned hops_keywords(const struct clients *, const char *hop);

/*
 * What all next hops have in common: HOP_DSN, HOP_UTF8. hops is the list of
 * them that list routes keeps (struct list_info), or NULL. One that was never
 * asked does not count, but somebody must have been. A Maildir has SMTPUTF8,
 * and knows nothing of DSN; nor does what is handed over by LMTP. What workers
 * have heard counts before what the probe helper has; both may be NULL.
 */
unsigned
hops_common(const struct clients *, const struct state *, const char *hops);

/* Did the probe helper find it dead? */
bool hops_seen_down(const struct state *, const char *hop);

#endif
