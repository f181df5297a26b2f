/*
 * Guards against the slip of a hand: lists that are well formed and yet would
 * shut out the administrator, lose mail or half a list. Each names the entry
 * and says how to override it; none looks at anything but the lists and what
 * it was given. Expired entries do no harm and are passed over.
 */
#include <string.h>

#include "lists/guard.h"
#include "lists/key.h"
#include "lists/lookup.h"
#include "lists/suffix.h"
#include "lists/table.h"

#define HALF_LEAST  50
#define WIDEST_V4   8
#define WIDEST_V6   19
#define HOPS_SEEN   64
#define INSIDE_SAID 5 /* warnings for one entry and list */

#define BAN_LISTS (BIT(LIST_BANNED) | BIT(LIST_BANS))

/* Something that no ban may meet. */
struct protected
{
	struct prefix prefix;
	const char *what; /* "protect", "next hop", ... */
	const char *file; /* or NULL */
	unsigned line;
	bool whole; /* a ban of a part of it is but worth a warning */
};

/* The lists of bans. */
struct bans {
	const struct source *list;
	struct list *quiet; /* instead: looked at only for what it allows */
	bool lens[2][129];
};

unsigned
guard_needs(unsigned changed)
{
	unsigned need = changed;

	if (changed & BIT(LIST_BANNED))
		need |= BAN_LISTS | BIT(LIST_RELAY) | BIT(LIST_ROUTES);
	if (changed & BIT(LIST_BANS))
		need |= BIT(LIST_RELAY) | BIT(LIST_ROUTES);
	if (changed & (BIT(LIST_RELAY) | BIT(LIST_ROUTES)))
		need |= BAN_LISTS | BIT(LIST_RELAY) | BIT(LIST_ROUTES);
	if (changed & (BIT(LIST_DOMAINS) | BIT(LIST_ROUTES)))
		need |= BIT(LIST_DOMAINS) | BIT(LIST_ROUTES);
	return need;
}

/* The entry is in force already, and nothing was said of it then. */
static bool
is_known(const struct guard *g, const struct entry *e)
{
	struct list_entry was;

	return g->known != NULL &&
	    list_get(g->known, e->key, strlen(e->key), &was) == LIST_FOUND &&
	    was.action == e->rule->action &&
	    (was.until == 0 || was.until > g->now);
}

struct allows {
	const struct source *new;
	int64_t now;
	bool gone;
};

/* Does an exception that is in force still hold, and as long? */
static bool
keep_allow(void *arg, const char *key, size_t len, const struct list_entry *e)
{
	struct allows *a = arg;
	const struct entry *kept;
	char text[KEY_MAX];

	if (e->action != ACT_ALLOW || (e->until != 0 && e->until <= a->now))
		return true;
	snprintf(text, sizeof(text), "%.*s", (int)len, key);
	kept = source_find(a->new, text);
	a->gone = kept == NULL || kept->rule->action != ACT_ALLOW ||
	    (kept->rule->until != 0 &&
		(e->until == 0 || kept->rule->until < e->until));
	return !a->gone;
}

struct list *
guard_known(struct list *in_force, const struct source *new, int64_t now)
{
	struct allows a = { new, now, false };

	if (in_force == NULL || list_each(in_force, keep_allow, &a) == -1)
		return NULL;
	return a.gone ? NULL : in_force;
}

void
guard_loss(struct report *r, enum list_id id, size_t before, size_t after)
{
	if (id == LIST_BANS)
		return; /* what is taken out there is meant to go */
	if (before > 0 && after == 0)
		report_error(r, list_name(id), 0,
		    "the list would become empty: it has %zu entries in force " OVERRIDE,
		    before);
	else if (before >= HALF_LEAST && after < before - before / 2)
		report_error(r, list_name(id), 0,
		    "more than half would go: %zu entries in force, %zu now " OVERRIDE,
		    before, after);
}

/* --------------------------------------------------------------- networks */

static bool
holds_shorter(const bool lens[129], int most)
{
	int len;

	for (len = 0; len < most; len++)
		if (lens[len])
			return true;
	return false;
}

static void
guard_width(const struct guard *g, const struct source *s)
{
	const struct entry *e;
	char text[PREFIX_TEXT_MAX];
	struct prefix p;

	if (!holds_shorter(s->lens[0], WIDEST_V4) &&
	    !holds_shorter(s->lens[1], WIDEST_V6))
		return;
	for (e = s->entries; e < s->entries + s->n; e++) {
		if (key_to_prefix(&p, e->key, strlen(e->key)) == -1 ||
		    p.len >= (p.addr.family == 4 ? WIDEST_V4 : WIDEST_V6) ||
		    !guard_is_live(g, e) || is_known(g, e))
			continue;
		report_error(g->report, e->rule->file, e->line,
		    "%s is wider than /%d " OVERRIDE, prefix_format(&p, text),
		    p.addr.family == 4 ? WIDEST_V4 : WIDEST_V6);
	}
}

static void
report_ban(const struct guard *g, const struct entry *ban,
    const struct protected *p)
{
	char key[KEY_MAX], text[PREFIX_TEXT_MAX];

	if (is_known(g, ban))
		return;
	key_format(key, LIST_BANNED, ban->key, strlen(ban->key));
	prefix_format(&p->prefix, text);
	if (p->file == NULL)
		report_error(g->report, ban->rule->file, ban->line,
		    "the ban %s meets %s %s " OVERRIDE, key, p->what, text);
	else
		report_error(g->report, ban->rule->file, ban->line,
		    "the ban %s meets %s %s (%s:%u) " OVERRIDE, key, p->what,
		    text, p->file, p->line);
}

/* What the entry of that key does and holds; false: there is none. */
static bool
find_ban(const struct guard *g, const struct bans *b, const char *key,
    enum list_action *action, const struct entry **e)
{
	struct list_entry found;

	*e = NULL;
	if (b->quiet != NULL) {
		if (list_get(b->quiet, key, strlen(key), &found) !=
			LIST_FOUND ||
		    (found.until != 0 && found.until <= g->now))
			return false;
		*action = found.action;
		return true;
	}
	*e = source_find(b->list, key);
	if (*e == NULL || !guard_is_live(g, *e))
		return false;
	*action = (enum list_action)(*e)->rule->action;
	return true;
}

/*
 * Bans as wide as the protected network or wider, most specific first: what
 * is allowed by a more specific entry is out of reach of the wider ones.
 */
static void
guard_wider(const struct guard *g, const struct bans bans[2],
    const struct protected *p)
{
	const struct entry *e;
	enum list_action action;
	char key[KEY_MAX];
	struct prefix q = p->prefix;
	bool allowed = false;
	int i, len, v6 = q.addr.family == 6;

	for (len = q.len; len >= 0 && !allowed; len--) {
		if (len < q.len)
			q.addr.bytes[len / 8] &= (uint8_t) ~(0x80 >> (len % 8));
		q.len = (uint8_t)len;
		key_from_prefix(key, &q);
		for (i = 1; i >= 0 && !allowed; i--) {
			if (!bans[i].lens[v6][len] ||
			    !find_ban(g, &bans[i], key, &action, &e))
				continue;
			if (action == ACT_ALLOW)
				allowed = true;
			else if (e != NULL)
				report_ban(g, e, p);
		}
	}
}

/* The first entry whose key is not less. */
static const struct entry *
lower_bound(const struct source *s, const char *key)
{
	size_t low = 0, high = s->n, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (strcmp(s->entries[middle].key, key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return s->entries + low;
}

/* The last address of a prefix. */
static void
last_of(struct prefix *p, uint8_t len)
{
	int i, size = p->addr.family == 4 ? 32 : 128;

	for (i = len; i < size; i++)
		p->addr.bytes[i / 8] |= (uint8_t)(0x80 >> (i % 8));
}

/* It may be meant: one host of a network that is let through. */
static void
warn_inside(const struct guard *g, const struct entry *ban,
    const struct protected *p)
{
	char key[KEY_MAX], text[PREFIX_TEXT_MAX];

	key_format(key, LIST_BANNED, ban->key, strlen(ban->key));
	prefix_format(&p->prefix, text);
	report_warning(g->report, ban->rule->file, ban->line,
	    "the ban %s is inside %s %s (%s:%u)", key, p->what, text, p->file,
	    p->line);
}

/* Bans inside the protected network: keys of one length sort by address. */
static void
guard_narrower(const struct guard *g, const struct bans *b,
    const struct protected *p)
{
	const struct entry *e, *end = b->list->entries + b->list->n;
	struct prefix first = p->prefix, last = p->prefix;
	char from[KEY_MAX], to[KEY_MAX];
	unsigned warned = 0;
	int len, v6 = p->prefix.addr.family == 6;

	last_of(&last, p->prefix.len);
	for (len = p->prefix.len + 1; len <= (v6 ? 128 : 32); len++) {
		if (!b->list->lens[v6][len])
			continue;
		first.len = last.len = (uint8_t)len;
		key_from_prefix(from, &first);
		key_from_prefix(to, &last);
		for (e = lower_bound(b->list, from);
		     e < end && strcmp(e->key, to) <= 0; e++) {
			if (e->rule->action == ACT_ALLOW ||
			    !guard_is_live(g, e))
				continue;
			if (!p->whole)
				report_ban(g, e, p);
			else if (++warned <= INSIDE_SAID)
				warn_inside(g, e, p);
		}
	}
	if (warned > INSIDE_SAID)
		report_warning(g->report, p->file, p->line,
		    "%u more bans are inside this %s entry",
		    warned - INSIDE_SAID, p->what);
}

static void
guard_protected(const struct guard *g, const struct bans bans[2],
    const struct protected *p)
{
	int i;

	if (p->prefix.addr.family == 0)
		return;
	guard_wider(g, bans, p);
	for (i = 0; i < 2; i++)
		if (bans[i].quiet == NULL)
			guard_narrower(g, &bans[i], p);
}

static struct prefix
whole_address(const struct addr *a)
{
	struct prefix p;

	p.addr = *a;
	p.len = a->family == 4 ? 32 : 128;
	return p;
}

static void
guard_relays(const struct guard *g, const struct bans bans[2])
{
	const struct source *s = g->lists[LIST_RELAY];
	const struct entry *e;
	struct protected p = { .what = "relay", .whole = true };

	for (e = s->entries; e < s->entries + s->n; e++) {
		if (e->rule->action != ACT_RELAY || !guard_is_live(g, e) ||
		    key_to_prefix(&p.prefix, e->key, strlen(e->key)) == -1)
			continue;
		p.file = e->rule->file;
		p.line = e->line;
		guard_protected(g, bans, &p);
	}
}

/* Remember an address; true when it is one of the last few that were seen. */
static bool
was_seen(struct addr seen[HOPS_SEEN], unsigned *n, const struct addr *a)
{
	unsigned i;

	for (i = 0; i < *n && i < HOPS_SEEN; i++)
		if (addr_equal(&seen[i], a))
			return true;
	seen[(*n)++ % HOPS_SEEN] = *a;
	return false;
}

/* Each next hop once: most routes go to few hosts. */
static void
guard_hops(const struct guard *g, const struct bans bans[2])
{
	const char *rest;
	const struct source *s = g->lists[LIST_ROUTES];
	const struct entry *e;
	struct protected p = { .what = "next hop" };
	struct addr seen[HOPS_SEEN];
	struct list_target t;
	unsigned n = 0;

	for (e = s->entries; e < s->entries + s->n; e++) {
		p.file = e->rule->file;
		p.line = e->line;
		rest = guard_leads_out(e) && guard_is_live(g, e) ?
		    e->rule->argument :
		    NULL;
		while (rest != NULL && *rest != '\0') {
			rest = list_target(&t, rest);
			if (rest == NULL || t.addr.family == 0 ||
			    was_seen(seen, &n, &t.addr))
				continue;
			p.prefix = whole_address(&t.addr);
			guard_protected(g, bans, &p);
		}
	}
}

/* Which prefix lengths are there. */
static void
note_lengths(struct bans *b)
{
	const struct list_meta *m;
	size_t j;

	if (b->quiet != NULL) {
		m = list_meta(b->quiet);
		for (j = 0; j < m->nv4; j++)
			b->lens[0][m->v4[j]] = true;
		for (j = 0; j < m->nv6; j++)
			b->lens[1][m->v6[j]] = true;
		return;
	}
	memcpy(b->lens, b->list->lens, sizeof(b->lens));
}

/*
 * Where only the list that programs keep has changed, what an administrator
 * once forced into the other must not refuse them; nor is the other, which
 * may be huge, read for it.
 */
static void
guard_bans(const struct guard *g, unsigned changed)
{
	static const enum list_id ids[2] = { LIST_BANNED, LIST_BANS };
	struct protected p = { .what = "protect" };
	struct bans bans[2];
	size_t i;

	memset(bans, 0, sizeof(bans));
	for (i = 0; i < 2; i++) {
		bans[i].list = g->lists[ids[i]];
		if (bans[i].list == NULL)
			bans[i].quiet = g->in_force[ids[i]];
		note_lengths(&bans[i]);
	}
	for (i = 0; i < g->ask->nprotect; i++) {
		p.prefix = g->ask->protect[i];
		guard_protected(g, bans, &p);
	}
	p.what = "our own address";
	for (i = 0; i < g->ask->nlisten; i++) {
		p.prefix = whole_address(&g->ask->listen[i]);
		guard_protected(g, bans, &p);
	}
	guard_hops(g, bans);
	if (changed & (BAN_LISTS | BIT(LIST_RELAY)))
		guard_relays(g, bans);
	if (bans[0].quiet != NULL && list_damaged(bans[0].quiet))
		report_error(g->report, list_name(LIST_BANNED), 0,
		    "the list in force is damaged: name it to compile it "
		    "again");
}

/* ----------------------------------------------------------------- entries */

static void
guard_null_sender(const struct guard *g)
{
	const struct entry *e = source_find(g->lists[LIST_SENDERS], "=<>");

	if (e != NULL && e->rule->action != ACT_ALLOW && guard_is_live(g, e))
		report_error(g->report, e->rule->file, e->line,
		    "refusing <> refuses all bounces " OVERRIDE);
}

/* The address of a proxy stands for anybody who once comes by it unnamed. */
static void
guard_proxies(const struct guard *g)
{
	const struct source *s = g->lists[LIST_RELAY];
	char text[PREFIX_TEXT_MAX], proxy[PREFIX_TEXT_MAX];
	const struct entry *e;
	struct prefix p;
	size_t i;

	for (e = s->entries; e < s->entries + s->n; e++) {
		if (e->rule->action != ACT_RELAY || !guard_is_live(g, e) ||
		    key_to_prefix(&p, e->key, strlen(e->key)) == -1)
			continue;
		for (i = 0; i < g->ask->nproxies; i++)
			if (prefix_meets(&g->ask->proxies[i], &p))
				report_error(g->report, e->rule->file, e->line,
				    "relay %s meets proxy_from %s " OVERRIDE,
				    prefix_format(&p, text),
				    prefix_format(&g->ask->proxies[i], proxy));
	}
}

/* A name below which anybody can register is everybody's. */
static void
guard_relay_names(const struct guard *g)
{
	const struct source *s = g->lists[LIST_RELAY];
	const struct entry *e;
	const char *name;

	for (e = s->entries; e < s->entries + s->n; e++) {
		if (e->key[0] != '=' || e->rule->action != ACT_RELAY ||
		    !guard_is_live(g, e))
			continue;
		name = e->key + (e->key[1] == '.' ? 2 : 1);
		if (suffix_is_public(name))
			report_error(g->report, e->rule->file, e->line,
			    "%.60s is a public suffix: anybody can have a "
			    "name below it " OVERRIDE,
			    e->key + 1);
	}
}

void
guard_lists(const struct guard *g, unsigned changed)
{
	static const enum list_id networks[] = { LIST_BANNED, LIST_BANS,
		LIST_RELAY };

	size_t i;

	for (i = 0; i < sizeof(networks) / sizeof(networks[0]); i++)
		if (changed & BIT(networks[i]))
			guard_width(g, g->lists[networks[i]]);
	if (changed & (BAN_LISTS | BIT(LIST_RELAY) | BIT(LIST_ROUTES)))
		guard_bans(g, changed);
	guard_routes(g, changed);
	if (changed & BIT(LIST_RELAY)) {
		guard_proxies(g);
		guard_relay_names(g);
	}
	if (changed & BIT(LIST_SENDERS))
		guard_null_sender(g);
}
