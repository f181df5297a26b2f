/*
 * A worker's turn on the processor. Where the system does not let us choose,
 * nothing is lost but speed.
 */
#include <sched.h>

#include "worker/turn.h"

#define REFUSALS 8 /* so many in a row, and it does nothing else */

static void
choose(struct turn *t, bool gives_way)
{
	const struct sched_param none = { .sched_priority = 0 };

	sched_setscheduler(0, gives_way ? SCHED_BATCH : SCHED_OTHER, &none);
	t->gives_way = gives_way;
}

void
turn_refused(struct turn *t)
{
	if (!t->gives_way && ++t->refused >= REFUSALS)
		choose(t, true);
}

void
turn_greeted(struct turn *t)
{
	t->refused = 0;
	if (t->gives_way)
		choose(t, false);
}
