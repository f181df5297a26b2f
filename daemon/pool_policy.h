/*
 * How many workers there should be. Pure arithmetic: no fork, no clock, no
 * log; the pool does what comes out of it.
 */
#ifndef LICTOR_POOL_POLICY_H
#define LICTOR_POOL_POLICY_H

struct pool_limits {
	int min, max; /* workers */
	int spare;    /* idle ones to be kept ready */
};

/* Idle workers are looked at for retirement this often, in milliseconds. */
#define POOL_TICK_MS 10000

/*
 * Workers to start now, with total there and idle of them idle. When none is
 * idle, clients may be waiting: then the pool grows by an eighth. owed of them
 * were killed and must be replaced, even where enough are idle.
 */
int pool_start(const struct pool_limits *, int total, int idle, int owed);

/*
 * Idle workers to retire now. Only what is above twice the spare line goes,
 * half of it at a time, so that a pool does not breathe with every burst.
 */
int pool_stop(const struct pool_limits *, int total, int idle);

/* Fewer idle workers than this must wake the master; 0: never. */
int pool_wake_below(const struct pool_limits *, int total);

/* The pause after deaths in a row before a first session's end. */
int pool_pause_ms(int early_deaths);

#endif
