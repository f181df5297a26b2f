/*
 * The three mappings that master and workers share (worker/slot.h), in files
 * of the run folder so that tools can look at them.
 */
#ifndef LICTOR_BOARD_H
#define LICTOR_BOARD_H

#include "worker/slot.h"

struct board {
	void *slots;
	int slots_fd;		     /* the master's alone */
	unsigned reserved;	     /* slots that have their room on disk */
	struct state *state;	     /* the master's, writable */
	const struct state *visible; /* the workers', never writable */
	struct clients *clients;
};

/*
 * Make the files anew, zero and slots sparse, and map them: workers of a
 * master that was killed keep the old ones. -1 with errno; *made names the
 * file that failed.
 */
int board_open(struct board *, const char *run_dir, const char **made);
void board_close(struct board *);

/*
 * See to it that there is room on disk for a slot, before anybody writes to
 * it: where the disk is full, that would be the writer's end. -1 with errno.
 */
int board_reserve(struct board *, unsigned slot);

/* In a fresh worker: give up all but its own slot and what it may see. */
void board_keep_own(const struct board *, unsigned slot);
/* In a fresh helper: give up all. */
void board_keep_none(const struct board *);

#endif
