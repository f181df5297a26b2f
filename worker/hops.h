/*
 * What next hops said to EHLO last, noted by all workers in the clients
 * mapping: a word for each address and port, kept while the master lives, so
 * that what we offer does not change with a hop's outage. A word that is lost
 * or a lie costs at most a 5.6.7 or a parameter that is not passed on.
 */
#ifndef LICTOR_HOPS_H
#define LICTOR_HOPS_H

#include <stdint.h>

#include "lists/list.h"

struct clients;

/* Keywords of a hop, and what we offer because of them. */
#define HOP_DSN	  1
#define HOP_UTF8  2
#define HOP_KNOWN 128 /* it has been asked */

/* Note the keywords of a hop; clients NULL: nowhere. */
void hops_note(struct clients *, const struct addr *, uint16_t port,
    unsigned keywords);

/*
 * What all next hops have in common: HOP_DSN, HOP_UTF8. hops is the list of
 * them that list routes keeps (struct list_info), or NULL. One that was never
 * asked does not count, but somebody must have been. A Maildir has SMTPUTF8,
 * and knows nothing of DSN.
 */
unsigned hops_common(const struct clients *, const char *hops);

#endif
