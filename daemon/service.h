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

struct service {
	struct settings *settings;
	struct listeners *listeners;
	struct sandbox *sandbox;       /* around a worker */
	struct sandbox *probe_sandbox; /* around the probe helper */
	struct privs privs;
	int state_dirfd;
	struct generation *lists; /* what new workers begin with */
};

/*
 * Open what the settings, which are there already, ask for. On failure the
 * message is logged as that event, -1, and what was opened is the caller's to
 * close.
 */
int service_open(struct service *, const char *event);

/* Close all, but for sockets that kept (may be NULL) has too. */
void service_close(struct service *, const struct service *kept);

#endif
