/*
 * Next hops are visited in the way in which mail goes there, so that what
 * would keep mail from them is seen.
 */
#include <sys/socket.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/probe.h"
#include "daemon/visit.h"
#include "worker/hop_rules.h"
#include "worker/hops.h"
#include "worker/log.h"
#include "worker/settings.h"
#include "worker/wait.h"

#define VISIT_MS  15000 /* one visit at most */
#define SOON_SECS 30	/* until one that is down is visited again */

struct visit {
	char hop[HOP_TEXT_MAX];
	struct route route;
	int secs; /* between two visits */
	int64_t due_ms;
	bool told;
	struct probe_visit last; /* as it was told */
};

/* ------------------------------------------------------------ the next hops */

/*
 * Make it a route of its own. False: it is none that could be visited, or that
 * the settings want visited.
 */
static bool
take_hop(struct visit *v, const struct settings *set, const char *hop,
    size_t len)
{
	struct place at;
	const char *name;

	memset(v, 0, sizeof(*v));
	memset(&at, 0, sizeof(at));
	if (len >= sizeof(v->hop))
		return false;
	memcpy(v->hop, hop, len);
	v->hop[len] = '\0';
	if (strchr(v->hop, ':') == NULL)
		return false; /* "maildir", "many", "other" */
	v->route.scheme = hops_scheme(v->hop, &name);
	snprintf(v->route.text, sizeof(v->route.text), "%s:%s",
	    list_action_name(v->route.scheme), name);
	if (v->route.scheme == ACT_MX)
		name = v->hop; /* as sections have it */
	strlcpy(at.text, name, sizeof(at.text));
	v->secs = hop_rules(set, &at)->probe_secs;
	return v->secs > 0;
}

int
visit_wanted(const struct settings *set, const char *hops)
{
	struct visit v;
	size_t len;

	for (; (len = hops_next(&hops)) > 0; hops += len)
		if (take_hop(&v, set, hops, len))
			return 1;
	return 0;
}

int
visit_init(struct visitor *o, const char *hops)
{
	const char *p = hops;
	size_t len, most = 0;

	o->n = 0;
	o->visits = NULL;
	o->where.cache = NULL;
	for (; (len = hops_next(&p)) > 0; p += len)
		most++;
	if (most == 0)
		return 0;
	o->where.cache = where_cache_new();
	o->visits = calloc(most, sizeof(*o->visits));
	if (o->where.cache == NULL || o->visits == NULL)
		return -1;
	for (p = hops; (len = hops_next(&p)) > 0; p += len)
		if (take_hop(&o->visits[o->n], o->set, p, len))
			o->n++;
	return 0;
}

void
visit_free(struct visitor *o)
{
	where_cache_free(o->where.cache);
	free(o->visits);
}

/* ---------------------------------------------------------------- one visit */

/* All its places: what those that answer have in common is what it can do. */
static void
pay(struct visitor *o, const struct visit *v, struct probe_visit *seen)
{
	struct hop *h = &o->hop;
	int64_t now = clock_ms(), until = now + VISIT_MS;
	struct places to;
	size_t i;

	memset(seen, 0, sizeof(*seen));
	strlcpy(seen->hop, v->hop, sizeof(seen->hop));
	o->where.deadline_ms = until;
	if (where_find(&to, &v->route, &o->where, seen->why,
		sizeof(seen->why)) == -1)
		return;
	h->set = o->set;
	h->waiting = o->waiting;
	seen->keywords = HOP_NOTABLE;
	for (i = 0; i < to.n && (now = clock_ms()) < until; i++) {
		/* A silent one leaves time for the others. */
		h->until_ms = now + (until - now) / (int64_t)(to.n - i);
		hop_open(h, &to.item[i]);
		if (!h->failed) {
			seen->up = true;
			seen->keywords &= h->keywords;
		} else if (!seen->up) {
			strlcpy(seen->why, h->why, sizeof(seen->why));
		}
		hop_quit(h);
	}
	if (seen->up)
		seen->why[0] = '\0';
	else
		seen->keywords = 0;
}

static void
tell(struct visitor *o, struct visit *v, const struct probe_visit *seen)
{
	if (v->told && v->last.up == seen->up &&
	    v->last.keywords == seen->keywords)
		return;
	if (send(o->fd, seen, sizeof(*seen), MSG_NOSIGNAL) == -1)
		return; /* the master is busy: told with the next visit */
	v->told = true;
	v->last = *seen;
}

void
visit_one(struct visitor *o)
{
	struct visit *v, *due = NULL;
	struct probe_visit seen;
	int secs;

	for (v = o->visits; v < o->visits + o->n; v++)
		if (due == NULL || v->due_ms < due->due_ms)
			due = v;
	if (due == NULL || due->due_ms > clock_ms())
		return;
	pay(o, due, &seen);
	if (wait_hurried())
		return;
	secs = seen.up || due->secs < SOON_SECS ? due->secs : SOON_SECS;
	due->due_ms = clock_ms() + (int64_t)secs * 1000;
	tell(o, due, &seen);
}

int64_t
visit_next(const struct visitor *o)
{
	int64_t due = INT64_MAX;
	size_t i;

	for (i = 0; i < o->n; i++)
		if (o->visits[i].due_ms < due)
			due = o->visits[i].due_ms;
	return due;
}
