/*
 * The nameserver lines of resolv.conf(5), and nothing else of it: we ask for
 * full names only, and no environment variable has a say. At most as many as
 * udns takes; the rest is passed over, as the system's own resolver does.
 */
#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config_report.h"
#include "daemon/lines.h"
#include "daemon/resolv.h"
#include "worker/settings.h"

#define DNS_PORT 53
#define BLANKS	 " \t\r\n\f\v"

static void
add(struct settings *set, const struct addr *addr)
{
	struct endpoint *e;
	size_t i;

	for (i = 0; i < set->nnameservers; i++)
		if (addr_equal(&set->nameservers[i].addr, addr))
			return;
	if (set->nnameservers == NAMESERVERS_MAX)
		return;
	set->nameservers = reallocarray(set->nameservers, i + 1, sizeof(*e));
	if (set->nameservers == NULL)
		err(1, NULL);
	e = &set->nameservers[set->nnameservers++];
	memset(e, 0, sizeof(*e));
	e->addr = *addr;
	e->port = DNS_PORT;
}

/* What is being read into, and who is told. */
struct reading {
	struct settings *set;
	struct config_log log;
};

/* "nameserver" and an address, with blanks between; what follows is free. */
static void
read_line(void *arg, unsigned line, char *text)
{
	struct reading *r = arg;
	struct addr addr;
	char *word = strsep(&text, BLANKS);

	if (strcmp(word, "nameserver") != 0)
		return;
	if (text == NULL)
		text = word + strlen(word);
	text += strspn(text, BLANKS);
	word = strsep(&text, BLANKS);
	if (addr_parse(&addr, word) == 0) {
		add(r->set, &addr);
		return;
	}
	lines_printable(word);
	config_warning(&r->log, line, "nameserver \"%.80s\" is passed over: %s",
	    word,
	    strchr(word, '%') != NULL ? "an address with a scope (%) cannot "
					"be asked" :
					"it is not an address");
}

void
resolv_load(struct settings *set, const char *path,
    void (*report)(void *, const char *), void *arg)
{
	struct reading r = { set, { path, report, arg, 0 } };
	struct addr localhost;

	if (set->nnameservers > 0)
		return;
	if (lines_each(path, read_line, &r) == -1 && errno != ENOENT)
		config_warning(&r.log, 0, "%s", strerror(errno));
	if (set->nnameservers == 0 && addr_parse(&localhost, "127.0.0.1") == 0)
		add(set, &localhost);
}
