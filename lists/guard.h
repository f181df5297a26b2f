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
};

/* Lists whose content is needed to guard a change of these lists. */
unsigned guard_needs(unsigned changed);

/* Report all that the guards find in the changed lists. */
void guard_lists(const struct guard *, unsigned changed);

/*
 * Report a list that became empty or lost more than half of its entries;
 * before and after count unexpired entries.
 */
void guard_loss(struct report *, enum list_id, size_t before, size_t after);

#endif
