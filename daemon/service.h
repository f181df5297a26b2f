/*
 * Everything that a reload replaces as a whole: the settings, and what stands
 * between them and a worker.
 */
#ifndef LICTOR_SERVICE_H
#define LICTOR_SERVICE_H

#include "daemon/privs.h"

struct generation;
struct listeners;
struct sandbox;
struct settings;
struct tls_clients;
struct tls_context;

struct service {
	struct settings *settings;
	struct listeners *listeners;
	struct sandbox *sandbox;       /* around a worker */
	struct sandbox *probe_sandbox; /* around the probe helper */
	struct sandbox *keys_sandbox;  /* around the keys helper */
	struct privs privs;
	int state_dirfd;
	struct tls_context *tls;	 /* NULL: no certificate is set */
	struct tls_clients *tls_clients; /* NULL: no next hop has TLS */
	/*
	 * The channel to the keys helper: its end and that of the workers. Both
	 * stay open here, so that a helper that died is replaced on the same
	 * channel and requests wait for it; -1 without TLS.
	 */
	int keys[2];
	struct generation *lists; /* what new workers begin with */
};

/* One that holds nothing yet but its settings. */
void service_init(struct service *, struct settings *);

/*
 * Open what the settings, which are there already, ask for. On failure the
 * message is logged as that event, -1, and what was opened is the caller's to
 * close.
 */
int service_open(struct service *, const char *event);

/* Make the channel to the keys helper. 0, or -1 with errno. */
int service_call(struct service *);

/* Workers that have gone need no signature: let the keys helper end. */
void service_hang_up(struct service *);

/* In a child that is to be the keys helper of another: let go of all. */
void service_let_go(const struct service *);

/* Close all, but for sockets that kept (may be NULL) has too. */
void service_close(struct service *, const struct service *kept);

#endif
