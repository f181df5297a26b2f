/*
 * A name is asked about once, and all questions of a route go out together.
 * What was found is kept for a minute, answers being kept without the time for
 * which they are good; what was not found out, for seconds, so that a session
 * with many messages does not wait for each.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "worker/settings.h"
#include "worker/wait.h"
#include "worker/where_names.h"

#define KEEP_MS		60000
#define KEEP_UNKNOWN_MS 5000

static const int families[2] = { 4, 6 };

/* --------------------------------------------------------------- addresses */

static void
take_addrs(struct where_host *h, int k, const struct dns_answer *a)
{
	unsigned i;

	h->state[k] = a->state;
	for (i = 0; a->state == DNS_FOUND && i < a->n; i++)
		if (h->n[k] < HOST_ADDRS)
			h->addr[k][h->n[k]++] = a->addrs[i];
	/* One that is mapped into IPv6 has no family of its own. */
	if (a->state == DNS_FOUND && h->n[k] == 0)
		h->state[k] = DNS_NONE;
}

static void
take_a(void *arg, const struct dns_answer *a)
{
	take_addrs(arg, 0, a);
}

static void
take_aaaa(void *arg, const struct dns_answer *a)
{
	take_addrs(arg, 1, a);
}

static int
compare_host(const void *name, const void *host)
{
	return strcmp(name, ((const struct host *)host)->name);
}

/* All that the hosts file says of a name is meant, and nothing else. */
static bool
look_into_hosts(const struct settings *set, struct where_host *h)
{
	const struct host *at, *end = set->hosts + set->nhosts;
	int k;

	if (set->nhosts == 0 ||
	    (at = bsearch(h->name, set->hosts, set->nhosts, sizeof(*at),
		 compare_host)) == NULL)
		return false;
	while (at > set->hosts && strcmp(at[-1].name, h->name) == 0)
		at--;
	h->state[0] = h->state[1] = DNS_NONE;
	for (; at < end && strcmp(at->name, h->name) == 0; at++) {
		k = at->addr.family == 6;
		h->state[k] = DNS_FOUND;
		if (h->n[k] < HOST_ADDRS)
			h->addr[k][h->n[k]++] = at->addr;
	}
	return true;
}

/* The session's context, or NULL: nobody can be asked. */
static struct dns *
context(const struct where *w)
{
	if (*w->dns == NULL)
		*w->dns = dns_begin(w->servers, w->set, w->waiting);
	return *w->dns;
}

static void
ask_host(const struct where *w, struct where_host *h)
{
	static dns_done *const takers[2] = { take_a, take_aaaa };
	struct dns *dns;
	int k;

	if (look_into_hosts(w->set, h))
		return;
	dns = context(w);
	for (k = 0; k < 2; k++) {
		h->state[k] = DNS_ASKED;
		if (dns == NULL ||
		    dns_ask_addrs(dns, h->name, families[k], takers[k], h) ==
			-1)
			h->state[k] = DNS_UNKNOWN;
	}
}

static void
add_host(struct where_name *n, const char *name, uint16_t preference)
{
	struct where_host *h = &n->hosts[n->nhosts++];

	memset(h, 0, sizeof(*h));
	strlcpy(h->name, name, sizeof(h->name));
	h->preference = preference;
}

/* -------------------------------------------------------------- mail hosts */

/*
 * Mail must not go to a host that is less preferred than we are: it would come
 * back (RFC 5321, section 5.1). The preference to stay below.
 */
static unsigned
own_preference(const struct where_name *n, const struct dns_answer *a)
{
	const char *hostname = n->asking->set->hostname;
	unsigned i, own = UINT16_MAX + 1;

	for (i = 0; i < a->n; i++)
		if (strcasecmp(a->names[i], hostname) == 0 &&
		    a->preferences[i] < own)
			own = a->preferences[i];
	return own;
}

static void
take_hosts(struct where_name *n, const struct dns_answer *a)
{
	unsigned i, own = own_preference(n, a);

	for (i = 0; i < a->n; i++)
		if (a->names[i][0] != '\0' && a->preferences[i] < own)
			add_host(n, a->names[i], a->preferences[i]);
	if (n->nhosts > 0)
		return;
	n->none = "its mail hosts have no proper names";
	if (!a->names_host)
		n->none = "it takes no mail (null MX)";
	else if (own <= UINT16_MAX)
		n->none = "its first mail host is this gateway";
}

/* Without mail hosts a domain is its own (RFC 5321, section 5.1). */
static void
take_mx(void *arg, const struct dns_answer *a)
{
	struct where_name *n = arg;
	size_t i;

	n->exchanges = a->state;
	if (a->state == DNS_FOUND)
		take_hosts(n, a);
	else if (a->state == DNS_NONE)
		add_host(n, n->name, 0);
	for (i = 0; i < n->nhosts; i++)
		ask_host(n->asking, &n->hosts[i]);
}

/* --------------------------------------------------------------- the names */

static bool
is_open(const struct where_name *n)
{
	size_t i;

	if (n->exchanges == DNS_ASKED)
		return true;
	for (i = 0; i < n->nhosts; i++)
		if (n->hosts[i].state[0] == DNS_ASKED ||
		    n->hosts[i].state[1] == DNS_ASKED)
			return true;
	return false;
}

bool
where_name_unknown(const struct where_name *n)
{
	size_t i;

	if (n->exchanges == DNS_UNKNOWN)
		return true;
	for (i = 0; i < n->nhosts; i++)
		if (n->hosts[i].n[0] + n->hosts[i].n[1] == 0 &&
		    (n->hosts[i].state[0] == DNS_UNKNOWN ||
			n->hosts[i].state[1] == DNS_UNKNOWN))
			return true;
	return false;
}

const char *
where_name_trouble(const struct where_name *n)
{
	if (where_name_unknown(n))
		return "the DNS gave no answer";
	if (n->none != NULL)
		return n->none;
	return n->mx ? "no address of a mail host" : "no address";
}

static void
start(struct where_name *n, const struct where *w, const char *name, bool mx)
{
	struct dns *dns;

	n->asking = w;
	strlcpy(n->name, name, sizeof(n->name));
	n->mx = mx;
	n->none = NULL;
	n->nhosts = 0;
	n->exchanges = DNS_NONE;
	if (!mx) {
		add_host(n, name, 0);
		ask_host(w, &n->hosts[0]);
		return;
	}
	n->exchanges = DNS_ASKED;
	dns = context(w);
	if (dns == NULL || dns_ask_mx(dns, name, take_mx, n) == -1)
		n->exchanges = DNS_UNKNOWN;
}

static bool
is_in_use(const struct where_names *of, const struct where_name *n)
{
	size_t i;

	for (i = 0; i < of->n; i++)
		if (of->item[i] == n)
			return true;
	return false;
}

/* That of this name, or else the oldest that this route does not need. */
static struct where_name *
pick(const struct where_names *of, struct where_cache *c, const char *name,
    bool mx)
{
	struct where_name *n, *oldest = NULL;

	for (n = c->names; n < c->names + NAMES_KEPT; n++) {
		if (n->mx == mx && strcmp(n->name, name) == 0)
			return n;
		if (!is_in_use(of, n) &&
		    (oldest == NULL || n->until_ms < oldest->until_ms))
			oldest = n;
	}
	return oldest;
}

struct where_name *
where_name_ask(struct where_names *of, const struct where *w, const char *name,
    bool mx)
{
	struct where_name *n = pick(of, w->cache, name, mx);

	if (is_in_use(of, n))
		return n;
	if (of->n == TARGETS_MOST)
		return NULL;
	of->item[of->n++] = n;
	if (n->until_ms > clock_ms() && strcmp(n->name, name) == 0 &&
	    n->mx == mx)
		return n;
	if (*w->dns != NULL)
		dns_step(*w->dns);
	start(n, w, name, mx);
	return n;
}

static bool
any_open(const struct where_names *of)
{
	size_t i;

	for (i = 0; i < of->n; i++)
		if (of->item[i]->asking != NULL && is_open(of->item[i]))
			return true;
	return false;
}

/* What did not come is unknown, and is asked again by the next message. */
static void
give_up(struct where_name *n, struct dns *dns)
{
	size_t i, k;

	dns_forget(dns, n);
	if (n->exchanges == DNS_ASKED)
		n->exchanges = DNS_UNKNOWN;
	for (i = 0; i < n->nhosts; i++) {
		dns_forget(dns, &n->hosts[i]);
		for (k = 0; k < 2; k++)
			if (n->hosts[i].state[k] == DNS_ASKED)
				n->hosts[i].state[k] = DNS_UNKNOWN;
	}
}

/* It is known now, as well as it can be. */
static void
finish(struct where_name *n)
{
	n->asking = NULL;
	n->until_ms = clock_ms() +
	    (where_name_unknown(n) ? KEEP_UNKNOWN_MS : KEEP_MS);
}

void
where_names_wait(struct where_names *of, const struct where *w)
{
	size_t i;

	if (any_open(of))
		dns_send(*w->dns);
	while (any_open(of) && dns_is_open(*w->dns) &&
	    wait_for(w->waiting, WAIT_DNS, POLLIN, w->deadline_ms) ==
		WAIT_READY)
		;
	for (i = 0; i < of->n; i++) {
		if (of->item[i]->asking == NULL)
			continue;
		if (is_open(of->item[i])) {
			give_up(of->item[i], *w->dns);
			of->item[i]->until_ms = 0;
			of->item[i]->asking = NULL;
		} else {
			finish(of->item[i]);
		}
	}
}

struct where_cache *
where_cache_new(void)
{
	return calloc(1, sizeof(struct where_cache));
}

void
where_cache_free(struct where_cache *c)
{
	free(c);
}
