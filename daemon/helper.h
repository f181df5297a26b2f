/*
 * A helper: one process beside the workers, at the other end of a channel of
 * records (SOCK_SEQPACKET, non-blocking). It ends when the channel does.
 */
#ifndef LICTOR_HELPER_H
#define LICTOR_HELPER_H

#include <sys/types.h>

#include <stdint.h>

struct helper {
	const char *name;
	pid_t pid;	    /* 0: there is none */
	int fd;		    /* its channel, or -1 */
	int deaths;	    /* in a row, without a word between them */
	int64_t not_before; /* none is started before */
};

void helper_init(struct helper *, const char *name);

/*
 * Fork, unless there is one or it is too early. In the child, run is called
 * with the channel's other end, and its result is the exit code.
 */
void helper_start(struct helper *, int (*run)(void *arg, int fd), void *arg);

/* Let it end. A new one may be started at once. */
void helper_stop(struct helper *);

/* It has died: log that; the next comes later with each death in a row. */
void helper_bury(struct helper *, int status);

/* What it said made sense (or was the end of the channel). */
void helper_heard(struct helper *, int made_sense);

#endif
