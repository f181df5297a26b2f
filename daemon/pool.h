/*
 * The pool of workers, and the master's one loop.
 */
#ifndef LICTOR_POOL_H
#define LICTOR_POOL_H

struct listeners;
struct settings;
struct pidfh;

/*
 * Serve with these settings (owned by the pool from now on) on these listeners
 * until SIGTERM or SIGINT. pidfile may be NULL; it is written when signals are
 * taken care of. Returns the exit code.
 */
int pool_run(struct settings *, struct listeners *, struct pidfh *pidfile);

#endif
