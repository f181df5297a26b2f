/*
 * Guards against routes that lead nowhere: a domain without one, a path that
 * workers are kept from, and the gateway itself.
 */
#include <string.h>

#include "lists/guard.h"
#include "lists/key.h"
#include "lists/lookup.h"
#include "lists/table.h"

bool
guard_leads_out(const struct entry *e)
{
	return e->rule->action == ACT_SMTP || e->rule->action == ACT_LMTP;
}

static bool
has_route(const struct guard *g, const char *key)
{
	const struct entry *e = source_find(g->lists[LIST_ROUTES], key);

	return e != NULL && guard_is_live(g, e);
}

/* name is a domain key without its '=': domain or .domain */
static bool
is_routed(const struct guard *g, const char *name)
{
	char key[KEY_MAX];
	const char *dot = name;

	if (has_route(g, "=*"))
		return true;
	if (name[0] != '.') {
		snprintf(key, sizeof(key), "=%s", name);
		if (has_route(g, key))
			return true;
		snprintf(key, sizeof(key), "=.%s", name);
		if (has_route(g, key))
			return true;
	}
	for (; (dot = strchr(dot, '.')) != NULL; dot++) {
		snprintf(key, sizeof(key), "=%s", dot);
		if (has_route(g, key))
			return true;
	}
	return false;
}

static void
guard_domains(const struct guard *g)
{
	const struct source *s = g->lists[LIST_DOMAINS];
	const struct entry *e;

	for (e = s->entries; e < s->entries + s->n; e++)
		if (e->rule->action == ACT_ACCEPT && guard_is_live(g, e) &&
		    !is_routed(g, e->key + 1))
			report_error(g->report, e->rule->file, e->line,
			    "%.60s has no route in list routes " OVERRIDE,
			    e->key + 1);
}

static bool
is_below(const char *root, const char *path)
{
	size_t n = strlen(root);

	while (n > 0 && root[n - 1] == '/')
		n--;
	return strncmp(root, path, n) == 0 &&
	    (path[n] == '/' || path[n] == '\0');
}

/* The folders above whatever a placeholder stands for. */
static void
fixed_part(char out[ROUTE_PATH_MAX], const char *path)
{
	char *p;

	strlcpy(out, path, ROUTE_PATH_MAX);
	if ((p = strchr(out, '%')) == NULL)
		return;
	*p = '\0';
	*(strrchr(out, '/') + 1) = '\0'; /* of another name, it begins only */
}

static bool
has_root(const struct guard *g, const struct entry *e)
{
	char path[ROUTE_PATH_MAX];
	size_t i;

	fixed_part(path, e->rule->argument);
	for (i = 0; i < g->ask->nmaildir_roots; i++)
		if (is_below(g->ask->maildir_roots[i], path))
			return true;
	return false;
}

static bool
has_socket(const struct guard *g, const char *path)
{
	size_t i;

	for (i = 0; i < g->ask->nlmtp_sockets; i++)
		if (strcmp(g->ask->lmtp_sockets[i], path) == 0)
			return true;
	return false;
}

/* Workers are kept from all other paths. */
static void
guard_paths(const struct guard *g)
{
	const struct source *s = g->lists[LIST_ROUTES];
	const struct entry *e;

	for (e = s->entries; e < s->entries + s->n; e++) {
		if (e->rule->action == ACT_MAILDIR && !has_root(g, e))
			report_error(g->report, e->rule->file, e->line,
			    "maildir:%.120s is not below one of maildir_roots " OVERRIDE,
			    e->rule->argument);
		if (e->rule->action == ACT_LMTP &&
		    e->rule->argument[0] == '/' &&
		    !has_socket(g, e->rule->argument))
			report_error(g->report, e->rule->file, e->line,
			    "lmtp:%s is none of lmtp_sockets " OVERRIDE,
			    e->rule->argument);
	}
}

static bool
is_ours(const struct guard *g, const struct addr *a, uint16_t port)
{
	const struct list_own *own = g->ask->own;
	size_t i;

	for (i = 0; i < g->ask->nown; i++)
		if (own[i].port == port && prefix_contains(&own[i].net, a))
			return true;
	return false;
}

/* Mail that comes back to us goes round in a loop. */
static void
guard_loops(const struct guard *g)
{
	const struct source *s = g->lists[LIST_ROUTES];
	const struct entry *e;
	const char *rest;
	struct list_target t;

	for (e = s->entries; e < s->entries + s->n; e++) {
		rest = guard_leads_out(e) && guard_is_live(g, e) ?
		    e->rule->argument :
		    NULL;
		while (rest != NULL && *rest != '\0') {
			rest = list_target(&t, rest);
			if (rest == NULL || !is_ours(g, &t.addr, t.port))
				continue;
			report_error(g->report, e->rule->file, e->line,
			    "%s:%s leads to the gateway itself " OVERRIDE,
			    list_action_name((enum list_action)e->rule->action),
			    t.text);
		}
	}
}

void
guard_routes(const struct guard *g, unsigned changed)
{
	if (changed & (BIT(LIST_DOMAINS) | BIT(LIST_ROUTES)))
		guard_domains(g);
	if (changed & BIT(LIST_ROUTES)) {
		guard_paths(g);
		guard_loops(g);
	}
}
