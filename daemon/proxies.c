/*
 * The compiler has looked at this already, with the settings of its time and
 * unless it was forced; here it is looked at with the new settings.
 */
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "daemon/config_report.h"
#include "daemon/proxies.h"
#include "lists/list.h"
#include "worker/settings.h"

struct look {
	struct config_log log;
	const struct settings *set;
	int64_t now;
};

static void
check_listener(struct look *l, const struct listener *at,
    const struct prefix *relay, const struct list_entry *e)
{
	char proxy[PREFIX_TEXT_MAX], text[PREFIX_TEXT_MAX];
	size_t i;

	for (i = 0; i < at->proxy_from.n; i++)
		if (prefix_meets(&at->proxy_from.item[i], relay))
			config_error(&l->log, at->proxy_from_line,
			    "listener \"%s\": proxy_from: %s meets relay %s "
			    "(%s:%u)",
			    at->at.text,
			    prefix_format(&at->proxy_from.item[i], proxy),
			    prefix_format(relay, text), e->file, e->line);
}

static void
check_entry(void *arg, const char *key, const struct list_entry *e)
{
	struct look *l = arg;
	struct prefix relay;
	bool hostbits;
	size_t i;

	if (e->action != ACT_RELAY || (e->until != 0 && e->until <= l->now) ||
	    prefix_parse(&relay, key, &hostbits) == -1)
		return;
	for (i = 0; i < l->set->nlisteners; i++)
		if (l->set->listeners[i].used)
			check_listener(l, &l->set->listeners[i], &relay, e);
}

/* The list is long for some, and most have no proxies. */
static bool
has_proxies(const struct settings *set)
{
	size_t i;

	for (i = 0; i < set->nlisteners; i++)
		if (set->listeners[i].used && set->listeners[i].proxy_from.n)
			return true;
	return false;
}

int
proxies_check(const struct settings *set, void (*report)(void *, const char *),
    void *arg)
{
	struct look l = { { set->path, report, arg, 0 }, set, time(NULL) };
	struct generation *lists = NULL;
	struct list_error none;
	int fd;

	if (!has_proxies(set))
		return 0;
	fd = open(set->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1)
		return 0; /* who serves will say so */
	if (generation_refresh(&lists, fd, &none) == GENERATION_NEW) {
		list_walk(lists, LIST_RELAY, check_entry, &l);
		generation_close(lists);
	}
	close(fd);
	return l.log.errors > 0 ? -1 : 0;
}
