/*
 * One thread beside the one that asks. What it does must touch nothing that
 * the other changes meanwhile, nor report anything: messages keep their order.
 */
#include <sched.h>
#include <signal.h>

#include "lists/parallel.h"

#define LITTLE 1000000 /* octets */

static void *
thread_main(void *arg)
{
	struct parallel *p = arg;

	p->fn(p->arg);
	return NULL;
}

static bool
is_worth(unsigned long size)
{
	cpu_set_t set;

	return size >= LITTLE && sched_getaffinity(0, sizeof(set), &set) == 0 &&
	    CPU_COUNT(&set) > 1;
}

/* Signals are for the thread that asks. */
static bool
start(struct parallel *p)
{
	sigset_t all, old;
	bool started;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	started = pthread_create(&p->thread, NULL, thread_main, p) == 0;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return started;
}

void
parallel_begin(struct parallel *p, void (*fn)(void *), void *arg,
    unsigned long size)
{
	p->fn = fn;
	p->arg = arg;
	p->running = is_worth(size) && start(p);
	if (!p->running)
		fn(arg);
}

void
parallel_end(struct parallel *p)
{
	if (p->running)
		pthread_join(p->thread, NULL);
	p->running = false;
}

void
parallel_both(void (*fn)(void *), void *one, void *other, unsigned long size)
{
	struct parallel p;

	parallel_begin(&p, fn, other, size);
	fn(one);
	parallel_end(&p);
}
