/*
 * lictor-query: what the daemon would find, and a list as source again,
 * lictor-query(8). It reads the generation in force and writes nothing.
 */
#include <sys/types.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "daemon/config.h"
#include "lists/list.h"
#include "tools/tool.h"
#include "worker/settings.h"

enum {
	FOUND = 0,
	NOT_FOUND = 1
};

static const char usage_text[] = "usage: lictor-query [-c FILE] LIST KEY\n"
				 "       lictor-query [-c FILE] -d LIST\n";

static const char help_text[] =
    "\n"
    "Show what a look-up finds, with the line it stands on, or dump a list.\n"
    "\n"
    "  -c FILE     the configuration, default " CONFIG_DEFAULT_PATH "\n"
    "  -d          dump the list as source\n"
    "  -h, --help  show this\n";

/* The generation in force; ends the program when there is none. */
static struct generation *
open_generation(const char *state_dir)
{
	struct generation *g = NULL;
	struct list_error e;
	int fd;

	fd = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1)
		err(errno == EACCES ? EX_NOPERM : EX_NOINPUT, "%s", state_dir);
	if (generation_refresh(&g, fd, &e) == GENERATION_BAD)
		errx(EX_NOINPUT, "%s/%s: %s", state_dir, e.file, e.text);
	close(fd);
	return g;
}

static int
query(const struct generation *g, enum list_id id, const char *key,
    const char *source_dir)
{
	char matched[MAILBOX_TEXT_MAX];
	struct list_entry e;
	enum list_found r;

	r = list_find_text(g, id, key, (int64_t)time(NULL), &e, matched);
	if (r == LIST_DAMAGED)
		errx(EX_SOFTWARE, "list %s is damaged: compile it again",
		    list_name(id));
	if (r == LIST_NONE && errno == EINVAL)
		errx(EX_DATAERR, "`%s` is no key of list %s", key,
		    list_name(id));
	if (r == LIST_NONE)
		return NOT_FOUND;
	printf("%s/%s:%u: ", source_dir, e.file, e.line);
	list_print(stdout, matched, &e);
	putchar('\n');
	return FOUND;
}

static int
dump(const struct generation *g, enum list_id id)
{
	if (list_dump(g, id, stdout) == -1)
		errx(EX_SOFTWARE, "list %s is damaged: compile it again",
		    list_name(id));
	return 0;
}

int
main(int argc, char **argv)
{
	static const struct option longs[] = { { "help", 0, NULL, 'h' },
		{ NULL, 0, NULL, 0 } };
	const char *path = CONFIG_DEFAULT_PATH;
	struct settings *set;
	struct generation *g;
	bool dumping = false;
	int c, id, r;

	while ((c = getopt_long(argc, argv, "c:dh", longs, NULL)) != -1) {
		if (c == 'c')
			path = optarg;
		else if (c == 'd')
			dumping = true;
		else if (c == 'h')
			tool_help(usage_text, help_text);
		else
			tool_usage(usage_text);
	}
	if (argc - optind != (dumping ? 1 : 2))
		tool_usage(usage_text);
	id = list_by_name(argv[optind]);
	if (id == -1)
		errx(EX_USAGE, "%s: no list of that name", argv[optind]);
	set = tool_settings(path);
	g = open_generation(set->state_dir);
	r = dumping ?
	    dump(g, (enum list_id)id) :
	    query(g, (enum list_id)id, argv[optind + 1], set->source_dir);
	generation_close(g);
	settings_free(set);
	if (fflush(stdout) == EOF)
		err(EX_IOERR, "stdout");
	return r;
}
