/*
 * Work beside other work, for a program that compiles: nothing that serves
 * clients starts a thread.
 */
#ifndef LICTOR_PARALLEL_H
#define LICTOR_PARALLEL_H

#include <stdbool.h>

#include <pthread.h>

struct parallel {
	pthread_t thread;
	void (*fn)(void *);
	void *arg;
	bool running;
};

/*
 * Have fn(arg) done by the time parallel_end returns: by a thread of its own
 * where there is a processor for it, else at once. The struct stays where it
 * is until then. size is in octets of what
 * is to be looked at: for little no thread is worth its while.
 */
void parallel_begin(struct parallel *, void (*fn)(void *), void *arg,
    unsigned long size);
void parallel_end(struct parallel *);

/* fn for the two halves of some work, side by side. */
void
parallel_both(void (*fn)(void *), void *one, void *other, unsigned long size);

#endif
