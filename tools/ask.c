/*
 * From settings to a compile, and from its outcome to an exit status.
 */
#include <sys/types.h>

#include <err.h>
#include <errno.h>
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

void
ask_init(struct ask *a, const struct settings *set)
{
	struct list_compile *c = &a->compile;

	memset(a, 0, sizeof(*a));
	a->listen = listen_addrs(set, &c->nlisten);
	c->listen = a->listen;
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
