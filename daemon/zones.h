/*
 * The master's care for DNS lists: it gives each its place in the shared
 * state, believes the probe helper, and logs what changes, once.
 */
#ifndef LICTOR_ZONES_H
#define LICTOR_ZONES_H

#include <stdint.h>

#include "worker/slot.h"

struct probe_answer;
struct settings;
struct zones;

struct zones *zones_new(struct state *, struct clients *);
void zones_free(struct zones *);

/*
 * Give every zone of next its place: that of the same zone of old (may be
 * NULL), or one that nobody has used for long.
 */
void
zones_place(struct zones *, struct settings *next, const struct settings *old);

/* Is there anything to probe? */
int zones_are_probed(const struct settings *);

/* The helper's word, of which nothing is trusted beyond its meaning. */
void zones_take(struct zones *, const struct settings *,
    const struct probe_answer *);

/*
 * Look at what the workers have seen; zones that need it are probed at once by
 * the helper behind fd, or -1 while there is none.
 */
void zones_look(struct zones *, const struct settings *, int fd);

#endif
