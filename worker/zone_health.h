/*
 * The health of DNS lists as master and workers share it: which are not to be
 * asked, and what the workers see of them. One atomic word at a time; what a
 * worker writes can at most have a list probed once more.
 */
#ifndef LICTOR_ZONE_HEALTH_H
#define LICTOR_ZONE_HEALTH_H

#include "worker/slot.h"
#include "worker/zone.h"

/* Is that family of the zone out of service? */
bool zone_is_out(const struct state *, const struct zone *, enum zone_family);
/* For the master. */
void zone_set_out(struct state *, unsigned entry, enum zone_family, bool out);

/*
 * Count an answer about something of this client. True: the list has begun to
 * list nearly everybody, clients from many networks, and the master has not
 * been told yet.
 */
bool zone_count(struct clients *, const struct zone *, const struct addr *,
    bool listed);
/* Note a reply that is no listing. True: the master does not know it yet. */
bool zone_note_error(struct clients *, const struct zone *, uint32_t reply);

/*
 * For the master: what was noted. A surge is told once; an error stays until
 * it is forgotten.
 */
bool zone_surged(struct clients *, unsigned entry);
bool zone_error(const struct clients *, unsigned entry, uint32_t *reply);
void zone_forget_error(struct clients *, unsigned entry);

#endif
