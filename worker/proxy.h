/*
 * The header of the PROXY protocol, versions 1 and 2, with which a proxy tells
 * whose connection it hands on.
 */
#ifndef LICTOR_PROXY_H
#define LICTOR_PROXY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lists/list.h"

struct lineio;

#define PROXY_MS 5000 /* in which the header must have come */

enum proxy_state {
	PROXY_DONE,  /* the header is there, and right */
	PROXY_MORE,  /* right so far */
	PROXY_WRONG, /* it is none, or not one that is taken */
	/* proxy_read alone: */
	PROXY_LATE, /* the deadline has passed */
	PROXY_LOST, /* the connection has ended within the header */
	PROXY_GONE  /* it has ended without one octet */
};

struct proxy_header {
	size_t len; /* its octets */
	bool local; /* it names no client: the proxy itself talks */
	/* Else the client, which is no group of hosts, and whom it called. */
	struct addr source, destination;
	uint16_t source_port, destination_port;
};

/*
 * Look at what a connection begins with. Reads no octet that can be behind the
 * header; the header is filled with PROXY_DONE only.
 */
enum proxy_state
proxy_parse(const char *buf, size_t len, struct proxy_header *);

/*
 * Read the header off a connection, and take exactly its octets; what came
 * with them stays. Never PROXY_MORE.
 */
enum proxy_state
proxy_read(struct lineio *, int64_t deadline_ms, struct proxy_header *);

#endif
