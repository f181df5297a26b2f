/*
 * How much a worker insists on its turn. One that only refuses does not push
 * aside whoever runs when a client wakes it (SCHED_BATCH): under a flood of
 * refused clients workers would do little else to each other, and what serves
 * mail has its turn first. With the first client that it greets it is again as
 * any other process.
 */
#ifndef LICTOR_TURN_H
#define LICTOR_TURN_H

#include <stdbool.h>

struct turn {
	unsigned refused; /* clients in a row */
	bool gives_way;
};

void turn_refused(struct turn *);
void turn_greeted(struct turn *);

#endif
