/*
 * From settings to a compile, and from its outcome to an exit status.
 */
#include <sys/types.h>

#include <err.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "tools/ask.h"
#include "worker/settings.h"

static void
report_list(void *arg, bool warning, const struct list_error *e)
{
	const char *kind = warning ? "warning: " : "";

	(void)arg;
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
	c->protect = set->protect;
	c->nprotect = set->nprotect;
	c->maildir_roots = set->maildir_roots.item;
	c->nmaildir_roots = set->maildir_roots.n;
	c->lmtp_sockets = set->lmtp_sockets.item;
	c->nlmtp_sockets = set->lmtp_sockets.n;
	c->report = report_list;
}

void
ask_free(struct ask *a)
{
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
	case EIO:
		return EX_IOERR;
	default:
		return EX_CANTCREAT;
	}
}
