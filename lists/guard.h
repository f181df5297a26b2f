/* What a compiler refuses unless it is forced. */
#ifndef LICTOR_GUARD_H
#define LICTOR_GUARD_H

#include "lists/list.h"
#include "lists/report.h"
#include "lists/source.h"

struct guard {
	const struct list_compile *ask;
	struct report *report;
	int64_t now;
	/* All sorted. NULL where the guards need not look. */
	const struct source *lists[LIST_COUNT];
	struct list **in_force; /* all lists; NULL in it: none, or damaged */
	struct list *known;	/* what is the same there passes; or NULL */
};

/*
 * Lists whose content is needed to guard a change of these lists. Where only
 * bans changed, banned is looked up as it is in force and not needed.
 */
unsigned guard_needs(unsigned changed);

/*
 * The list in force, if what it holds needs no guard again in the new one:
 * what was let in once, by force or before a setting changed, must not keep
 * others out. NULL when an exception of it has gone.
 */
struct list *
guard_known(struct list *in_force, const struct source *new, int64_t now);

/* Report all that the guards find in the changed lists. */
void guard_lists(const struct guard *, unsigned changed);

/*
 * Report a list that became empty or lost more than half of its entries;
 * before and after count unexpired entries.
 */
void guard_loss(struct report *, enum list_id, size_t before, size_t after);

/* For the guards only: those of list routes, lists/guard_routes.c. */
#define OVERRIDE "(-f overrides)"

void guard_routes(const struct guard *, unsigned changed);

static inline bool
guard_is_live(const struct guard *g, const struct entry *e)
{
	return e->rule->until == 0 || e->rule->until > g->now;
}

/* Is it a route to hosts, which may be written as addresses? */
bool guard_leads_out(const struct entry *);

#endif
