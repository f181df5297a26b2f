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
#include "worker/slot.h"

struct clients;
struct dns;
struct dns_servers;
struct route;
struct settings;
struct waiting;
struct where_cache;

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

/* What it takes to find them; the session's. */
struct where {
	const struct settings *set;
	struct waiting *waiting;
	struct dns_servers *servers;
	struct dns **dns; /* the session's context, begun where it is needed */
	struct where_cache *cache; /* the worker's; all zero when it begins */
	int64_t deadline_ms;	   /* of the session */
};

/*
 * Find them: hosts in the order of the route, those in turn beginning with
 * another one at each call; of a host its addresses as the hosts file or the
 * DNS has them, IPv4 first. For the DNS the session waits up to
 * dns_deadline_ms. 0, or -1 with why: there are none now.
 */
int where_find(struct places *, const struct route *, const struct where *,
    char *why, size_t size);

/* What is known of next hops is noted by this text: as list routes tells it. */
void where_key(char out[HOP_TEXT_MAX], const struct place *);

/*
 * A place has told its keywords, which were noted by its text: note by the
 * name that list routes has what all places of that name have in common.
 */
void where_note(const struct places *, const struct place *, struct clients *);

/* A cache, for who is no worker; or NULL: no memory. */
struct where_cache *where_cache_new(void);
void where_cache_free(struct where_cache *);

#endif
