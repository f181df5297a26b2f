/*
 * The three mappings that master and workers share (worker/slot.h), in files
 * of the run folder so that tools can look at them.
 */
#ifndef LICTOR_BOARD_H
#define LICTOR_BOARD_H

#include "worker/slot.h"

struct board {
	void *slots;
	struct state *state;	     /* the master's, writable */
	const struct state *visible; /* the workers', never writable */
	struct clients *clients;
};

/*
 * Make the files anew, sparse and zero, and map them: workers of a master that
 * was killed keep the old ones. -1 with errno; *made names the file that
 * failed.
 */
int board_open(struct board *, const char *run_dir, const char **made);
void board_close(struct board *);

/* In a fresh worker: give up all but its own slot and what it may see. */
void board_keep_own(const struct board *, unsigned slot);
/* In a fresh helper: give up all. */
void board_keep_none(const struct board *);

#endif
