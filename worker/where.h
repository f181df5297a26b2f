/*
 * Where a route leads just now: the addresses of its next hops, in the order
 * in which they are to be tried.
 */
#ifndef LICTOR_WHERE_H
#define LICTOR_WHERE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lists/list.h"

struct route;

/* One address that can be connected to. */
struct place {
	char text[TARGET_TEXT_MAX];  /* "192.0.2.1:25" or a socket's path */
	char named[TARGET_TEXT_MAX]; /* the same as its route names it */
	struct addr addr;	     /* family 0: it is a socket */
	uint16_t port;
	bool lmtp;
};

#define PLACES_MAX 16

struct places {
	struct place item[PLACES_MAX];
	size_t n;
};

/*
 * Find them. 0, or -1 with why: there are none now.
 */
int where_find(struct places *, const struct route *, char *why, size_t size);

#endif
