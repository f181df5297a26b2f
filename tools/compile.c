/*
 * lictor-compile: list sources to a generation in force, lictor-compile(8).
 * It says nothing when all is well; every mistake of all lists is one line on
 * stderr, and with any of them nothing changes.
 */
#include <sys/types.h>

#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "daemon/config.h"
#include "lists/list.h"
#include "tools/tool.h"
#include "worker/settings.h"

enum task {
	TASK_COMPILE,
	TASK_DIFF,
	TASK_PREVIOUS
};

struct options {
	const char *path;
	enum task task;
	bool force, check;
	unsigned wanted;
};

static const char usage_text[] =
    "usage: lictor-compile [-c FILE] [-fn] [--diff] [--previous] [LIST ...]\n";

static const char help_text[] =
    "\n"
    "Compile the lists whose sources changed, or the lists that are named.\n"
    "\n"
    "  -c FILE     the configuration, default " CONFIG_DEFAULT_PATH "\n"
    "  -f          override the guards\n"
    "  -n          only check\n"
    "  --diff      show what would change, and change nothing\n"
    "  --previous  go back to the generation before the one in force\n"
    "  -h, --help  show this\n";

static void
parse_options(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = { { "diff", 0, NULL, 'd' },
		{ "previous", 0, NULL, 'p' }, { "help", 0, NULL, 'h' },
		{ NULL, 0, NULL, 0 } };
	int c, id;

	memset(o, 0, sizeof(*o));
	o->path = CONFIG_DEFAULT_PATH;
	while ((c = getopt_long(argc, argv, "c:fhn", longs, NULL)) != -1) {
		switch (c) {
		case 'c':
			o->path = optarg;
			break;
		case 'f':
			o->force = true;
			break;
		case 'n':
			o->check = true;
			break;
		case 'd':
		case 'p':
			if (o->task != TASK_COMPILE)
				tool_usage(usage_text);
			o->task = c == 'd' ? TASK_DIFF : TASK_PREVIOUS;
			break;
		case 'h':
			tool_help(usage_text, help_text);
			break;
		default:
			tool_usage(usage_text);
		}
	}
	for (; optind < argc; optind++) {
		id = list_by_name(argv[optind]);
		if (id >= 0)
			o->wanted |= 1U << id;
		else
			errx(EX_USAGE, "%s: no list of that name",
			    argv[optind]);
	}
	if (o->task == TASK_PREVIOUS && o->wanted != 0)
		tool_usage(usage_text);
}

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

/* The exit status of an outcome; errno tells which trouble it was. */
static int
status(enum compile_outcome outcome, int error)
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

static int
run(const struct options *o, const struct settings *set)
{
	enum compile_outcome outcome;
	struct list_compile ask;
	struct addr *listeners;
	char name[64];
	int error;

	memset(&ask, 0, sizeof(ask));
	listeners = listen_addrs(set, &ask.nlisten);
	ask.listen = listeners;
	ask.source_dir = set->source_dir;
	ask.state_dir = set->state_dir;
	ask.gid = readers(set);
	ask.wanted = o->wanted;
	ask.force = o->force;
	ask.check = o->check;
	ask.protect = set->protect;
	ask.nprotect = set->nprotect;
	ask.maildir_roots = set->maildir_roots.item;
	ask.nmaildir_roots = set->maildir_roots.n;
	ask.lmtp_sockets = set->lmtp_sockets.item;
	ask.nlmtp_sockets = set->lmtp_sockets.n;
	ask.report = report_list;
	if (o->task == TASK_DIFF)
		outcome = list_diff(&ask, stdout);
	else if (o->task == TASK_PREVIOUS)
		outcome = list_previous(&ask, name, sizeof(name));
	else
		outcome = list_compile(&ask, name, sizeof(name));
	error = errno;
	free(listeners);
	if (fflush(stdout) == EOF)
		err(EX_IOERR, "stdout");
	return status(outcome, error);
}

int
main(int argc, char **argv)
{
	struct settings *set;
	struct options o;
	int r;

	parse_options(argc, argv, &o);
	set = tool_settings(o.path);
	r = run(&o, set);
	settings_free(set);
	return r;
}
