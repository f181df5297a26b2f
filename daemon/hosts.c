/*
 * hosts(5): an address, its name and its aliases on a line. A name may stand
 * on several lines and has the addresses of all; what is no name of a host is
 * passed over without a word, as nobody can route to it.
 */
#include <err.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config_report.h"
#include "daemon/hosts.h"
#include "daemon/lines.h"
#include "worker/settings.h"

#define HOSTS_MAX 50000 /* names, of all lines */
#define BLANKS	  " \t\r\f\v"

struct reading {
	struct settings *set;
	struct config_log log;
	size_t room;
	bool full;
};

static void
add(struct reading *r, const char *name, const struct addr *addr)
{
	struct settings *set = r->set;

	if (set->nhosts == r->room) {
		r->room = r->room == 0 ? 64 : r->room * 2;
		set->hosts = reallocarray(set->hosts, r->room,
		    sizeof(*set->hosts));
		if (set->hosts == NULL)
			err(1, NULL);
	}
	set->hosts[set->nhosts].addr = *addr;
	set->hosts[set->nhosts].name = strdup(name);
	if (set->hosts[set->nhosts].name == NULL)
		err(1, NULL);
	set->nhosts++;
}

/* The next word, or NULL. */
static char *
next_word(char **text)
{
	char *word;

	do
		word = strsep(text, BLANKS);
	while (word != NULL && *word == '\0');
	return word;
}

static void
read_line(void *arg, unsigned line, char *text)
{
	char canonical[NAME_TEXT_MAX], *word;
	struct reading *r = arg;
	struct addr addr;

	text[strcspn(text, "#")] = '\0';
	if ((word = next_word(&text)) == NULL)
		return;
	if (addr_parse(&addr, word) == -1) {
		if (strchr(word, '%') != NULL)
			return; /* of one link only: nothing to route to */
		lines_printable(word);
		config_warning(&r->log, line,
		    "\"%.80s\" is passed over: it is not an address", word);
		return;
	}
	while (!r->full && (word = next_word(&text)) != NULL)
		if (name_canonical(canonical, word, strlen(word)) == 0)
			add(r, canonical, &addr);
	if (!r->full && (line == LINES_MAX || r->set->nhosts >= HOSTS_MAX)) {
		r->full = true;
		config_warning(&r->log, line, "what is behind is not read");
	}
}

/* By name; where that is the same, as they were read. */
static int
compare(const void *a, const void *b)
{
	const struct host *const *x = a, *const *y = b;
	int r = strcmp((*x)->name, (*y)->name);

	return r != 0 ? r : (*x > *y) - (*x < *y);
}

static void
sort(struct settings *set)
{
	const struct host **order = calloc(set->nhosts, sizeof(*order));
	struct host *sorted = calloc(set->nhosts, sizeof(*sorted));
	size_t i;

	if (order == NULL || sorted == NULL)
		err(1, NULL);
	for (i = 0; i < set->nhosts; i++)
		order[i] = &set->hosts[i];
	qsort(order, set->nhosts, sizeof(*order), compare);
	for (i = 0; i < set->nhosts; i++)
		sorted[i] = *order[i];
	free(order);
	free(set->hosts);
	set->hosts = sorted;
}

void
hosts_load(struct settings *set, const char *path,
    void (*report)(void *, const char *), void *arg)
{
	struct reading r = { set, { path, report, arg, 0 }, 0, false };

	if (lines_each(path, read_line, &r) == -1 && errno != ENOENT)
		config_warning(&r.log, 0, "%s", strerror(errno));
	if (set->nhosts > 0)
		sort(set);
}
