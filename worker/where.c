/*
 * From a route to addresses. Its names are asked about together; then the
 * places are put down host by host, so that no host with many addresses takes
 * the room of the others.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/hops.h"
#include "worker/route.h"
#include "worker/text.h"
#include "worker/where_names.h"

/* The targets of a route; name is NULL where it has none. */
struct targets {
	struct list_target item[TARGETS_MOST];
	struct where_name *name[TARGETS_MOST];
	size_t order[TARGETS_MOST]; /* in which they are to be tried */
	size_t n;
	bool in_turn; /* some share the load */
};

/* ----------------------------------------------------------------- targets */

static int
read_targets(struct targets *t, const struct route *r)
{
	const char *rest = route_argument(r);

	for (t->n = 0; t->n == 0 || *rest != '\0'; t->n++) {
		if (t->n == TARGETS_MOST)
			return -1;
		rest = list_target(&t->item[t->n], rest);
		if (rest == NULL)
			return -1;
		t->in_turn |= t->item[t->n].joint == '|';
	}
	return 0;
}

/* Hosts with | between them begin with another one each time. */
static void
order_targets(struct targets *t, struct where_cache *c)
{
	size_t first, last, i, n;

	if (t->in_turn && !c->begun) {
		c->turn = arc4random(); /* else all workers begin with one */
		c->begun = true;
	}
	for (first = 0; first < t->n; first = last + 1) {
		for (last = first; t->item[last].joint == '|'; last++)
			;
		n = last - first + 1;
		for (i = 0; i < n; i++)
			t->order[first + i] = first + (i + c->turn) % n;
	}
	if (t->in_turn)
		c->turn++;
}

static void
find_names(struct targets *t, bool mx, const struct where *w)
{
	struct where_names names = { .n = 0 };
	size_t i;

	for (i = 0; i < t->n; i++)
		t->name[i] = t->item[i].host[0] == '\0' ?
		    NULL :
		    where_name_ask(&names, w, t->item[i].host, mx);
	where_names_wait(&names, w);
}

/* ------------------------------------------------------------------ places */

static void
add_place(struct places *to, const struct route *r, const char *named,
    const struct addr *addr, uint16_t port)
{
	char text[ADDR_TEXT_MAX];
	struct place *at = &to->item[to->n];
	size_t i;

	if (to->n == PLACES_MAX)
		return;
	text_set(at->text, sizeof(at->text),
	    addr->family == 6 ? "[%s]:%u" : "%s:%u", addr_format(addr, text),
	    port);
	text_set(at->named, sizeof(at->named), "%s%s",
	    r->scheme == ACT_MX ? LIST_MX : "", named);
	at->addr = *addr;
	at->port = port;
	at->lmtp = r->scheme == ACT_LMTP;
	for (i = 0; i < to->n; i++)
		if (strcmp(to->item[i].text, at->text) == 0)
			return; /* two names of one host */
	to->n++;
}

static void
add_socket(struct places *to, const char *path)
{
	struct place *at = &to->item[to->n];

	if (to->n == PLACES_MAX)
		return;
	memset(at, 0, sizeof(*at));
	strlcpy(at->text, path, sizeof(at->text));
	strlcpy(at->named, path, sizeof(at->named));
	at->lmtp = true;
	to->n++;
}

/* Up to share addresses of a host, of both families if it has both. */
static void
add_host(struct places *to, const struct route *r, const struct list_target *t,
    const struct where_host *h, size_t share)
{
	size_t n4 = h->n[0], n6 = h->n[1], i;

	if (n6 > share / 2)
		n6 = n4 < share - share / 2 ? share - n4 : share / 2;
	if (n6 > h->n[1])
		n6 = h->n[1];
	if (n4 > share - n6)
		n4 = share - n6;
	for (i = 0; i < n4; i++)
		add_place(to, r, t->text, &h->addr[0][i], t->port);
	for (i = 0; i < n6; i++)
		add_place(to, r, t->text, &h->addr[1][i], t->port);
}

/* By preference, and by lot where that is the same (RFC 5321, section 5.1). */
static void
order_hosts(const struct where_name *n, size_t order[DNS_NAMES])
{
	size_t i, k, at;

	for (i = 0; i < n->nhosts; i++) {
		k = arc4random_uniform((uint32_t)i + 1);
		order[i] = order[k];
		order[k] = i;
	}
	for (i = 1; i < n->nhosts; i++) {
		at = order[i];
		for (k = i; k > 0 &&
		     n->hosts[order[k - 1]].preference >
			 n->hosts[at].preference;
		     k--)
			order[k] = order[k - 1];
		order[k] = at;
	}
}

static size_t
count_hosts(const struct targets *t)
{
	size_t i, n = 0;

	for (i = 0; i < t->n; i++)
		n += t->name[i] == NULL ? 1 : t->name[i]->nhosts;
	return n > 0 ? n : 1;
}

static void
add_target(struct places *to, const struct route *r, const struct targets *t,
    size_t i, size_t share)
{
	const struct where_name *n = t->name[i];
	size_t order[DNS_NAMES], k;

	if (n == NULL && t->item[i].addr.family == 0) {
		add_socket(to, t->item[i].text);
	} else if (n == NULL) {
		add_place(to, r, t->item[i].text, &t->item[i].addr,
		    t->item[i].port);
	} else {
		order_hosts(n, order);
		for (k = 0; k < n->nhosts; k++)
			add_host(to, r, &t->item[i], &n->hosts[order[k]],
			    share);
	}
}

/* One reason of several: rather that something is not known. */
static void
tell_why(const struct targets *t, char *why, size_t size)
{
	const struct where_name *n, *worst = NULL;
	size_t i;

	for (i = 0; i < t->n; i++) {
		n = t->name[i];
		if (n != NULL &&
		    (worst == NULL ||
			(where_name_unknown(n) && !where_name_unknown(worst))))
			worst = n;
	}
	if (worst != NULL)
		snprintf(why, size, "%.80s: %s", worst->name,
		    where_name_trouble(worst));
}

int
where_find(struct places *to, const struct route *r, const struct where *w,
    char *why, size_t size)
{
	struct targets t;
	size_t i, share;

	to->n = 0;
	memset(&t, 0, sizeof(t));
	snprintf(why, size, "the route cannot be read");
	if (read_targets(&t, r) == -1)
		return -1;
	find_names(&t, r->scheme == ACT_MX, w);
	order_targets(&t, w->cache);
	share = PLACES_MAX / count_hosts(&t);
	for (i = 0; i < t.n; i++)
		add_target(to, r, &t, t.order[i], share);
	if (to->n > 0)
		return 0;
	tell_why(&t, why, size);
	return -1;
}

void
where_key(char out[HOP_TEXT_MAX], const struct place *at)
{
	snprintf(out, HOP_TEXT_MAX, "%s%s", at->lmtp ? LIST_LMTP : "",
	    at->named);
}

void
where_note(const struct places *all, const struct place *at, struct clients *c)
{
	char key[HOP_TEXT_MAX];
	unsigned one, common = HOP_NOTABLE;
	size_t i;

	where_key(key, at);
	if (strcmp(at->text, key) == 0)
		return; /* it has been noted */
	for (i = 0; i < all->n; i++)
		if (strcmp(all->item[i].named, at->named) == 0 &&
		    (one = hops_keywords(c, all->item[i].text)) != 0)
			common &= one;
	hops_note(c, key, common);
}
