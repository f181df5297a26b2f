/*
 * Visits to next hops, for the probe helper: one at a time it is connected to,
 * greeted, asked what it can do, and left.
 */
#ifndef LICTOR_VISIT_H
#define LICTOR_VISIT_H

#include <stddef.h>
#include <stdint.h>

#include "worker/hop.h"

struct visit;

struct visitor {
	const struct settings *set;
	struct waiting *waiting;
	int fd; /* where what is news is told */
	struct visit *visits;
	size_t n;
	struct hop hop;
	struct where where; /* how they are found */
};

/* Next hops as list routes tells them, or NULL. 0, or -1: no memory. */
int visit_init(struct visitor *, const char *hops);
void visit_free(struct visitor *);

/* Pay the visit that is due longest, if one is. */
void visit_one(struct visitor *);
/* When the next one is due; INT64_MAX: never. */
int64_t visit_next(const struct visitor *);

/* Is there anything to visit? */
int visit_wanted(const struct settings *, const char *hops);

#endif
