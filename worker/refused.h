/*
 * Clients that were refused at the greeting, until they have gone. They need
 * no worker: whoever refused one looks after it beside the clients that it
 * serves. It may say QUIT (RFC 5321, section 3.1); all else is 503, for a
 * short while.
 */
#ifndef LICTOR_REFUSED_H
#define LICTOR_REFUSED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/lineio.h"
#include "worker/wait.h"

#define REFUSED_MOST BESIDE_MOST

struct refused {
	struct beside beside; /* their connections, for waiting */
	const char *hostname;
	uint64_t data; /* of the first place, in epoll */

	struct refused_client {
		int64_t until_ms;
		uint32_t octets; /* it has said so many since */
		bool silent;	 /* nothing it says is answered */
		uint8_t commands;
		char last;	      /* the last octet of its line */
		uint8_t len;	      /* of that; LINE_HEAD + 1: it is longer */
		char head[LINE_HEAD]; /* how its line begins */
	} client[REFUSED_MOST];
};

/*
 * There is nobody. hostname, of the settings, must stay. data is what events of
 * the first place have in epoll, and so on.
 */
void refused_start(struct refused *, const char *hostname, uint64_t data);

/*
 * Take over a connection on which the refusal was said; fd is closed here, now
 * or later, and is watched by epoll until then. octets are what the client has
 * said already. quits: it was told 554, and may say QUIT; else it was told
 * that we close, and is only waited for so that it can read that. Where there
 * is no place, whose time ends first has to go. epoll -1: until refused_see_off.
 */
void refused_take(struct refused *, int epoll, int fd, const char *octets,
    size_t len, bool quits);
/* The client in that place has said something, or has gone. */
void refused_hear(struct refused *, size_t place);
/* Let go of those whose time is over. */
void refused_expire(struct refused *);
/* How long until refused_expire is to be called, for poll(2); -1: never. */
int refused_ms(const struct refused *);
/* Let go of whose time ends first. False: there is nobody. */
bool refused_let_go(struct refused *);
/*
 * The worker leaves, and they have to go; but what was said to them just now
 * they may read, for a moment, unless the worker is hurried.
 */
void refused_see_off(struct refused *);

#endif
