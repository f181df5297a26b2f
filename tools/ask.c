/*
 * From settings to a compile, and from its outcome to an exit status.
 */
#include <sys/types.h>

#include <err.h>
#include <errno.h>
#include <ifaddrs.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "tools/ask.h"
#include "worker/settings.h"

/* One line on a terminal, and only of what takes its time. */
static struct {
	struct timespec begun;
	bool shown;
} progress;

static void
progress_show(void *arg, enum list_id id, const char *what, size_t done,
    size_t all)
{
	struct timespec now;

	(void)arg;
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (now.tv_sec - progress.begun.tv_sec <
	    1 + (now.tv_nsec < progress.begun.tv_nsec))
		return;
	progress.shown = true;
	fprintf(stderr, "\r%s: %s, %zu %%   ", list_name(id), what,
	    done * 100 / all);
}

/* Make room for whatever else is said. */
static void
progress_clear(void)
{
	if (progress.shown)
		fprintf(stderr, "\r%40s\r", "");
	progress.shown = false;
}

static void
report_list(void *arg, bool warning, const struct list_error *e)
{
	const char *kind = warning ? "warning: " : "";

	(void)arg;
	progress_clear();
	if (e->line == 0)
		fprintf(stderr, "%s: %s%s\n", e->file, kind, e->text);
	else
		fprintf(stderr, "%s:%u: %s%s\n", e->file, e->line, kind,
		    e->text);
}

/* As root, the group of the user who is to read the lists. */
static gid_t
readers(const struct settings *set)
{
	const struct passwd *pw;

	if (geteuid() != 0)
		return (gid_t)-1;
	pw = getpwnam(set->user);
	return pw == NULL ? (gid_t)-1 : pw->pw_gid;
}

/* The addresses we listen on but 0.0.0.0 and ::; to be freed. */
static struct addr *
listen_addrs(const struct settings *set, size_t *n)
{
	static const uint8_t unspecified[16];
	struct addr *all;
	size_t i;

	*n = 0;
	all = calloc(set->nlisten + 1, sizeof(*all));
	if (all == NULL)
		err(EX_OSERR, NULL);
	for (i = 0; i < set->nlisten; i++)
		if (memcmp(set->listen[i].addr.bytes, unspecified,
			sizeof(unspecified)) != 0)
			all[(*n)++] = set->listen[i].addr;
	return all;
}

static void
add_own(struct ask *a, const struct addr *addr, uint8_t len, uint16_t port)
{
	struct list_own *own;

	a->own = reallocarray(a->own, a->compile.nown + 1, sizeof(*own));
	if (a->own == NULL)
		err(EX_OSERR, NULL);
	own = &a->own[a->compile.nown++];
	own->net.addr = *addr;
	own->net.len = len;
	own->port = port;
}

/* All addresses of this host in one family: what a wildcard stands for. */
static void
add_host(struct ask *a, uint8_t family, uint16_t port)
{
	struct ifaddrs *all, *i;
	struct addr addr = { .family = 4, .bytes = { 127 } };

	if (family == 4)
		add_own(a, &addr, 8, port);
	if (getifaddrs(&all) == -1)
		return; /* then the loop shows when mail goes round */
	for (i = all; i != NULL; i = i->ifa_next) {
		if (i->ifa_addr == NULL)
			continue;
		addr_from_sockaddr(&addr, i->ifa_addr);
		if (addr.family == family)
			add_own(a, &addr, family == 4 ? 32 : 128, port);
	}
	freeifaddrs(all);
}

static void
add_listeners(struct ask *a, const struct settings *set)
{
	static const uint8_t unspecified[16];
	const struct endpoint *e;

	for (e = set->listen; e < set->listen + set->nlisten; e++)
		if (memcmp(e->addr.bytes, unspecified, 16) == 0)
			add_host(a, e->addr.family, e->port);
		else
			add_own(a, &e->addr, e->addr.family == 4 ? 32 : 128,
			    e->port);
}

/* The proxies of all listeners that are in force. */
static void
add_proxies(struct ask *a, const struct settings *set)
{
	const struct listener *l;
	size_t i, n = 0;

	for (l = set->listeners; l < set->listeners + set->nlisteners; l++)
		n += l->used ? l->proxy_from.n : 0;
	a->proxies = calloc(n + 1, sizeof(*a->proxies));
	if (a->proxies == NULL)
		err(EX_OSERR, NULL);
	for (l = set->listeners; l < set->listeners + set->nlisteners; l++)
		for (i = 0; l->used && i < l->proxy_from.n; i++)
			a->proxies[a->compile.nproxies++] =
			    l->proxy_from.item[i];
}

void
ask_init(struct ask *a, const struct settings *set)
{
	struct list_compile *c = &a->compile;

	memset(a, 0, sizeof(*a));
	a->listen = listen_addrs(set, &c->nlisten);
	c->listen = a->listen;
	add_listeners(a, set);
	c->own = a->own;
	add_proxies(a, set);
	c->proxies = a->proxies;
	c->source_dir = set->source_dir;
	c->state_dir = set->state_dir;
	c->gid = readers(set);
	c->protect = set->protect.item;
	c->nprotect = set->protect.n;
	c->maildir_roots = set->maildir_roots.item;
	c->nmaildir_roots = set->maildir_roots.n;
	c->lmtp_sockets = set->lmtp_sockets.item;
	c->nlmtp_sockets = set->lmtp_sockets.n;
	c->report = report_list;
	if (isatty(STDERR_FILENO)) {
		clock_gettime(CLOCK_MONOTONIC, &progress.begun);
		c->progress = progress_show;
	}
	signal(SIGXFSZ, SIG_IGN); /* a limit is told like a full disk */
}

void
ask_free(struct ask *a)
{
	progress_clear();
	free(a->listen);
	free(a->own);
	free(a->proxies);
}

int
ask_status(enum compile_outcome outcome, int error)
{
	if (outcome == COMPILE_ERRORS)
		return EX_DATAERR;
	if (outcome != COMPILE_TROUBLE)
		return EX_OK;
	switch (error) {
	case ENOENT:
	case ENOTDIR:
		return EX_NOINPUT;
	case EACCES:
	case EPERM:
	case EROFS:
		return EX_NOPERM;
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
	case EIO:
		return EX_IOERR;
	default:
		return EX_CANTCREAT;
	}
}
