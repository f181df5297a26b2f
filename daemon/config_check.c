/*
 * Settings that are right one by one, and must be so together. Each mistake is
 * told at the line that says it.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/config_check.h"
#include "daemon/config_hop.h"
#include "daemon/config_rows.h"
#include "daemon/config_value.h"
#include "daemon/config_zone.h"
#include "worker/settings.h"

static void
check_hostname(struct loader *l)
{
	char name[NAME_TEXT_MAX] = "", canonical[NAME_TEXT_MAX];

	if (config_scan_find(&l->scan, NULL, NULL, "hostname") != NULL)
		return;
	if (gethostname(name, sizeof(name) - 1) == 0 &&
	    strchr(name, '.') != NULL &&
	    name_canonical(canonical, name, strlen(name)) == 0)
		l->set->hostname = config_need(strdup(canonical));
	else
		config_error(&l->log, 0,
		    "hostname: this machine calls itself \"%.80s\", which is "
		    "no full name: set hostname",
		    name);
}

/* A list that is set, and to nothing. */
static void
check_empty(struct loader *l, const char *name, size_t n)
{
	const struct scan_item *it = config_scan_find(&l->scan, NULL, NULL,
	    name);

	if (n == 0 && it != NULL && !it->bad)
		config_error(&l->log, it->line, "%s: at least one is wanted",
		    name);
}

/* Both settings, or what stands for them, are to be believed. */
static void
check_most(struct loader *l, const char *name, int value)
{
	const struct scan_item *it = config_scan_find(&l->scan, "workers", NULL,
	    name);
	const struct scan_item *max = config_scan_find(&l->scan, "workers",
	    NULL, "max");

	if ((it != NULL && it->bad) || (max != NULL && max->bad))
		return;
	if ((it != NULL || max != NULL) && value > l->set->workers.max)
		config_error(&l->log, (it != NULL ? it : max)->line,
		    "workers: %s %d is more than max %d", name, value,
		    l->set->workers.max);
}

static bool
same_place(const struct endpoint *a, const struct endpoint *b)
{
	return addr_equal(&a->addr, &b->addr) && a->port == b->port;
}

static bool
listens(const struct settings *set, const struct endpoint *e)
{
	size_t i;

	for (i = 0; i < set->nlisten; i++)
		if (same_place(&set->listen[i], e))
			return true;
	return false;
}

/* Whoever is named here says who the clients are: that is never everybody. */
static void
check_proxies(struct loader *l, const char *title, struct listener *at)
{
	const struct scan_item *it = config_scan_find(&l->scan, "listener",
	    title, "proxy_from");
	char buf[CONFIG_LABEL_MAX], text[PREFIX_TEXT_MAX];
	size_t i;

	if (it == NULL || it->bad)
		return;
	config_label("listener", title, it->name, buf);
	at->proxy_from_line = it->line;
	if (at->proxy_from.n == 0)
		config_error(&l->log, it->line, "%s: at least one is wanted",
		    buf);
	for (i = 0; i < at->proxy_from.n; i++)
		if (at->proxy_from.item[i].len == 0)
			config_error(&l->log, config_scan_line(&l->scan, it, i),
			    "%s: %s would take anybody for a proxy", buf,
			    prefix_format(&at->proxy_from.item[i], text));
}

static void
check_listener(struct loader *l, const struct scan_item *it,
    struct listener *at)
{
	bool has_tls = l->set->tls.certificate.n > 0;
	char why[CONFIG_WHY_MAX], buf[CONFIG_LABEL_MAX];
	const struct listener *other;

	config_label("listener", it->title, NULL, buf);
	if (config_endpoint(&at->at, it->title, why) == -1) {
		config_error(&l->log, it->line, "%s: %s", buf, why);
		return;
	}
	at->at.text = config_need(strdup(it->title));
	for (other = l->set->listeners; other < at; other++)
		if (same_place(&other->at, &at->at))
			config_error(&l->log, it->line, "%s is there twice",
			    buf);
	at->used = listens(l->set, &at->at);
	if (!at->used)
		config_warning(&l->log, it->line,
		    "%s is not among listen: it has no effect", buf);
	else if (at->tls == TLS_REQUIRED && !has_tls)
		config_error(&l->log, it->line,
		    "%s: tls = \"required\" wants a certificate in section "
		    "tls",
		    buf);
	check_proxies(l, it->title, at);
}

/* One key for each certificate; their lines are for whoever reads them. */
static void
check_tls(struct loader *l)
{
	const struct scan_item *c, *k;
	struct settings *set = l->set;
	size_t i;

	c = config_scan_find(&l->scan, "tls", NULL, "certificate");
	k = config_scan_find(&l->scan, "tls", NULL, "key");
	if ((c != NULL && c->bad) || (k != NULL && k->bad))
		return;
	if (set->tls.certificate.n != set->tls.key.n)
		config_error(&l->log, (k != NULL ? k : c)->line,
		    "tls: %zu certificates and %zu keys: each certificate "
		    "wants its key, in the same order",
		    set->tls.certificate.n, set->tls.key.n);
	for (i = 0; i < set->tls.certificate.n; i++)
		set->tls.certificate_line[i] = config_scan_line(&l->scan, c, i);
	for (i = 0; i < set->tls.key.n; i++)
		set->tls.key_line[i] = config_scan_line(&l->scan, k, i);
}

static void
check_zone(struct loader *l, const struct scan_item *it, struct zone *z)
{
	char why[CONFIG_WHY_MAX], buf[CONFIG_LABEL_MAX];
	struct zone *other;

	config_label("dnsbl", it->title, NULL, buf);
	if (config_zone_name(z, it->title, why) == -1) {
		config_error(&l->log, it->line, "%s: %s", buf, why);
		return;
	}
	if (config_zone_check(z, why) == -1)
		config_error(&l->log, it->line, "%s: %s", buf, why);
	for (other = l->set->zones; other < z; other++)
		if (other->name != NULL && strcmp(other->name, z->name) == 0)
			config_error(&l->log, it->line, "%s is there twice",
			    buf);
}

/* What its settings of TLS make together, if all of them can be read. */
static void
check_hop_tls(struct loader *l, const struct scan_item *sec,
    struct next_hop *hop, const char *label_text)
{
	static const char *const names[] = { "tls", "tls_name", "pin",
		"tls_ca" };
	const struct scan_item *it = NULL;
	char why[CONFIG_WHY_MAX];
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		it = config_scan_find(&l->scan, "next_hop", sec->title,
		    names[i]);
		if (it != NULL && it->bad)
			return;
	}
	hop->tls_line = (it != NULL ? it : sec)->line;
	if (config_hop_check(hop, why) == -1)
		config_error(&l->log, sec->line, "%s: %s", label_text, why);
}

static void
check_hop(struct loader *l, const struct scan_item *it, struct next_hop *hop)
{
	char name[TARGET_TEXT_MAX], buf[CONFIG_LABEL_MAX];
	const struct next_hop *other;
	const char *why;

	config_label("next_hop", it->title, NULL, buf);
	if (list_target_parse(name, it->title, &why) == -1) {
		config_error(&l->log, it->line, "%s: %s", buf, why);
		return;
	}
	hop->name = config_need(strdup(name));
	for (other = l->set->next_hops; other < hop; other++)
		if (other->name != NULL && strcmp(other->name, name) == 0)
			config_error(&l->log, it->line, "%s is there twice",
			    buf);
	check_hop_tls(l, it, hop, buf);
}

/* Each section that has a struct of its own, in the order of the file. */
static void
check_sections(struct loader *l)
{
	struct scan_item *it = l->scan.items;
	size_t i, zone = 0, listener = 0, hop = 0;
	enum config_base base;

	for (i = 0; i < l->scan.nitems; i++, it++) {
		if (!it->is_section || it->bad)
			continue;
		base = config_section(it->name)->base;
		if (base == BASE_ZONE && zone < l->set->nzones)
			check_zone(l, it, &l->set->zones[zone++]);
		if (base == BASE_LISTENER && listener < l->set->nlisteners)
			check_listener(l, it, &l->set->listeners[listener++]);
		if (base == BASE_HOP && hop < l->set->nnext_hops)
			check_hop(l, it, &l->set->next_hops[hop++]);
	}
	if (l->set->nzones > ZONES_MAX)
		config_error(&l->log, 0, "more than %d sections dnsbl",
		    ZONES_MAX);
}

void
config_check(struct loader *l)
{
	check_hostname(l);
	check_empty(l, "listen", l->set->nlisten);
	check_empty(l, "nameservers", l->set->nnameservers);
	check_most(l, "min", l->set->workers.min);
	check_most(l, "spare", l->set->workers.spare);
	check_tls(l);
	check_sections(l);
}
