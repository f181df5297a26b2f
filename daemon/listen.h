/*
 * The listening sockets.
 */
#ifndef LICTOR_LISTEN_H
#define LICTOR_LISTEN_H

#include <stddef.h>

#include "worker/settings.h"

struct listeners {
	size_t n;
	int fds[LISTEN_MAX];
	char *names[LISTEN_MAX]; /* as written in the settings */
	enum tls_level tls[LISTEN_MAX];
	/* The proxies that name its clients, of the settings; or NULL. */
	const struct prefixes *proxy_from[LISTEN_MAX];
};

/*
 * Bind what the settings ask for; a socket of old with the same address is
 * taken over and never closed in between. report tells what is wrong. NULL
 * when any address cannot be bound; then old is untouched. An IPv6 address on
 * a host without IPv6 is reported and left out, unless nothing else is left.
 */
struct listeners *
listen_open(const struct settings *, const struct listeners *old,
    void (*report)(void *, const char *message), void *arg);

/* Close those that are not in kept (which may be NULL), and free. */
void listen_close(struct listeners *, const struct listeners *kept);

#endif
