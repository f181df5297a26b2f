/*
 * What the bench programs share: addresses, sockets and the clock. Only
 * loopback addresses are taken, so that no bench ever loads a machine of
 * somebody else.
 */
#ifndef LICTOR_NET_H
#define LICTOR_NET_H

#include <sys/socket.h>

#include <stdbool.h>
#include <stdint.h>

/* Addresses to connect from, one after the other. n is 0: any. */
struct net_source {
	struct sockaddr_storage base;
	uint32_t first; /* host order, IPv4 only */
	uint32_t n, next;
};

/* Read "127.0.0.1:25" or "[::1]:25". 0, or -1 with errno; EPERM: not local. */
int net_endpoint(struct sockaddr_storage *, const char *text);

/* Read "127.0.1.0/24", "127.0.0.9" or "::1". 0, or -1 with errno. */
int net_source(struct net_source *, const char *text);

/* A listening socket, or -1 with errno. */
int net_listen(const struct sockaddr_storage *, bool nonblocking);

/* A non-blocking socket for datagrams to an address, or -1 with errno. */
int net_receive(const struct sockaddr_storage *);

/* A non-blocking socket on its way to an address, or -1 with errno. */
int net_connect(const struct sockaddr_storage *, struct net_source *);

/* Have what was read acknowledged now: a peer under Nagle waits for it. */
void net_quickack(int fd);

/* Allow as many descriptors as the hard limit says. */
void net_raise_nofile(void);

/* Microseconds of a clock that only goes forward. */
int64_t net_now_us(void);

#endif
