/*
 * The one door into the session's half of the program: what a worker is given
 * by the master, and the worker itself.
 */
#ifndef LICTOR_WORKER_H
#define LICTOR_WORKER_H

#include <stddef.h>
#include <stdint.h>

#include "worker/settings.h"

struct clients;
struct generation;
struct sandbox;
struct slot;
struct state;
struct tls_context;

struct worker_start {
	const struct settings *settings;
	const struct sandbox *sandbox;
	/* Non-blocking, listening; what they accept has wait_limit_recv(). */
	const int *listeners;
	const enum tls_level *tls; /* of each of them */
	const struct prefixes *const
	    *proxy_from; /* of each; NULL in it: none */
	size_t nlisteners;
	int state_dirfd;	  /* settings->state_dir, open for reading */
	struct generation *lists; /* the master's, or NULL; inherited */
	struct slot *slot;	  /* its own page, writable */
	unsigned slot_number;
	const struct state *state;
	struct clients *clients;
	int wake_fd;			 /* writing an octet wakes the master */
	struct tls_context *tls_context; /* NULL: no TLS */
	struct tls_clients *tls_clients; /* of next hops, or NULL */
	int keys;			 /* channel to the keys helper, or -1 */
};

/* Exit codes that the master tells apart. */
#define WORKER_DONE    0  /* it has served its sessions, or was asked to go */
#define WORKER_TROUBLE 71 /* it could not start: EX_OSERR */
#define WORKER_LISTS   74 /* a list was cut short under its feet: EX_IOERR */

/*
 * Serve until told to leave. Called in a fresh child that has its final user
 * already; privileges, signals and descriptors are the caller's until then.
 * Returns the exit code; the caller leaves through exit(3).
 */
int worker_main(const struct worker_start *);

#endif
