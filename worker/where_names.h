/*
 * From names of next hops to addresses: the hosts file first, then the DNS,
 * with a small memory. For worker/where.c.
 */
#ifndef LICTOR_WHERE_NAMES_H
#define LICTOR_WHERE_NAMES_H

#include "worker/dns.h"
#include "worker/where.h"

#define HOST_ADDRS 8 /* of each family */

/* A host and its addresses: IPv4, IPv6. */
struct where_host {
	char name[NAME_TEXT_MAX];
	uint16_t preference; /* of a mail host */
	enum dns_state state[2];
	struct addr addr[2][HOST_ADDRS];
	size_t n[2];
};

/* What a name leads to: itself, or the mail hosts of a domain. */
struct where_name {
	char name[NAME_TEXT_MAX];
	bool mx; /* it is a domain whose mail hosts are meant */
	int64_t until_ms;
	const struct where *asking; /* while it is */
	enum dns_state exchanges;   /* the answer to the MX question */
	const char *none;	    /* why there can be no host, or NULL */
	struct where_host hosts[DNS_NAMES];
	size_t nhosts;
};

#define NAMES_KEPT 16 /* at least TARGETS_MOST */

struct where_cache {
	unsigned turn; /* of hosts that share the load */
	bool begun;
	struct where_name names[NAMES_KEPT];
};

/* The names of one route, each once, in the cache until the next route. */
struct where_names {
	struct where_name *item[TARGETS_MOST];
	size_t n;
};

/*
 * Have a name among them: it is known from before, or it is asked about. NULL:
 * there are too many.
 */
struct where_name *where_name_ask(struct where_names *, const struct where *,
    const char *name, bool mx);
/* Wait for all answers. What is open then is unknown. */
void where_names_wait(struct where_names *, const struct where *);

/* What is wrong with a name that leads to no address. */
const char *where_name_trouble(const struct where_name *);
/* Is it that something is not known? */
bool where_name_unknown(const struct where_name *);

#endif
