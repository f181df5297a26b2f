/*
 * The inside of the pool, shared by its three files: the loop (pool.c), the
 * workers as the master sees them (pool_workers.c), and what a child becomes
 * (pool_child.c).
 */
#ifndef LICTOR_POOL_STATE_H
#define LICTOR_POOL_STATE_H

#include <sys/types.h>

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/board.h"
#include "daemon/helper.h"
#include "daemon/service.h"

struct pidfh;
struct zones;

struct child {
	pid_t pid;	  /* 0: this slot is free */
	bool leaving;	  /* was told to go */
	uint64_t born;	  /* the how manieth worker it is */
	uint32_t trouble; /* list_trouble of its slot, as seen last */
};

/*
 * What the master notes down. Workers do not get a copy: what it writes after
 * a fork would cost each of them a page.
 */
struct book {
	unsigned high;	      /* slots below this have been in use */
	int owed;	      /* workers that were killed: to be replaced */
	int early_deaths;     /* in a row, before a first session's end */
	uint64_t births;      /* workers started so far */
	uint64_t early_birth; /* births at the last of those deaths */
	int64_t not_before;   /* no worker is started before */
	int64_t next_tick;    /* when idle ones are looked at; 0: never */
	int64_t stop_ms;      /* when stopping began; 0: serving */
	int hurried;	      /* how far stopping has gone */
	char list_error[520]; /* the trouble that was logged last */
	struct child children[SLOTS_MAX];
};

struct pool {
	pid_t pid; /* of the master */
	struct service now;
	struct board board;
	struct zones *zones;
	char *hops; /* what the probe helper visits, or NULL */
	struct helper probe, keys;
	struct pidfh *pidfile;
	sigset_t waiting; /* the signals held back while it sleeps: none */
	int wake[2];
	struct book *book; /* not there in a worker */
};

/* ------------------------------------------------------------ pool_workers.c */

struct slot *pool_slot(const struct pool *, unsigned i);
/* Workers that are to stay, and the idle ones among them. */
void pool_count(const struct pool *, int *total, int *idle);
/* New workers begin with the lists that are in force now. */
void pool_refresh_lists(struct pool *);
/* Log what a worker has found wrong with its lists, once. */
void pool_see_trouble(struct pool *, unsigned i);
/* 0, or -1: no slot or no process was to be had. */
int pool_start_worker(struct pool *);
void pool_dismiss(struct pool *, unsigned i);
void pool_dismiss_all(struct pool *, int sig);
/* Idle ones from the end of the slots: the ones that are used least. */
void pool_dismiss_idle(struct pool *, int n);
/* A worker has ended: log it where it was no good end, free its slot. */
void pool_bury(struct pool *, unsigned i, int status);

/* -------------------------------------------------------------- pool_child.c */

/* Start the probe helper, if there is anything to probe. */
void pool_start_probe(struct pool *);
/* Hear what it says. */
void pool_hear_probe(struct pool *);
/* The lists may lead elsewhere now: it is to visit what there is. */
void pool_see_hops(struct pool *);

/* In a fresh child: be a worker; the exit code. */
int pool_be_worker(const struct pool *, unsigned i);

/* Start the keys helper of these settings, if they have keys. */
void
pool_start_keys(struct helper *, const struct pool *, const struct service *);
/* Start one and wait for it. 0, or -1: these settings cannot be used. */
int
pool_open_keys(struct helper *, const struct pool *, const struct service *);
/* One that was started later, in place of one that died, speaks. */
void pool_hear_keys(struct helper *);

/* -------------------------------------------------------------------- pool.c */

/* A message about settings. */
void pool_report(void *arg, const char *message);

#endif
