/*
 * lictor-compile: list sources to a generation in force, lictor-compile(8).
 * It says nothing when all is well; every mistake of all lists is one line on
 * stderr, and with any of them nothing changes.
 */
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "daemon/config.h"
#include "lists/list.h"
#include "tools/ask.h"
#include "tools/json.h"
#include "tools/row.h"
#include "tools/tool.h"

enum task {
	TASK_COMPILE,
	TASK_DIFF,
	TASK_PREVIOUS
};

struct options {
	const char *path;
	enum task task;
	bool force, check, json;
	unsigned wanted;
};

static const char usage_text[] =
    "usage: lictor-compile [-c FILE] [-fn] [--diff [--json]] [--previous]\n"
    "                      [LIST ...]\n";

static const char help_text[] =
    "\n"
    "Compile the lists whose sources changed, or the lists that are named.\n"
    "\n"
    "  -c FILE     the configuration, default " CONFIG_DEFAULT_PATH "\n"
    "  -f          override the guards\n"
    "  -n          only check\n"
    "  --diff      show what would change, and change nothing\n"
    "  --json      the same, each change as JSON\n"
    "  --previous  go back to the generation before the one in force\n"
    "  -h, --help  show this\n";

static void
parse_options(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = { { "diff", 0, NULL, 'd' },
		{ "previous", 0, NULL, 'p' }, { "json", 0, NULL, 'j' },
		{ "help", 0, NULL, 'h' }, { NULL, 0, NULL, 0 } };
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
		case 'j':
			o->json = true;
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
	if ((o->task == TASK_PREVIOUS && o->wanted != 0) ||
	    (o->json && o->task != TASK_DIFF))
		tool_usage(usage_text);
}

static void
show_change(void *arg, bool comes, const char *key, const struct list_entry *e)
{
	const struct options *o = arg;
	struct json j;

	if (!o->json) {
		printf("%s: %c ", list_name(e->list), comes ? '+' : '-');
		list_print(stdout, key, e);
		putchar('\n');
		return;
	}
	json_begin(&j, stdout);
	json_text(&j, "change", comes ? "add" : "remove");
	row_entry(&j, key, e);
	json_end(&j);
}

static int
run(struct options *o, const struct settings *set)
{
	enum compile_outcome outcome;
	struct ask a;
	char name[64];
	int error;

	ask_init(&a, set);
	a.compile.wanted = o->wanted;
	a.compile.force = o->force;
	a.compile.check = o->check;
	if (o->task == TASK_DIFF)
		outcome = list_diff(&a.compile, show_change, o);
	else if (o->task == TASK_PREVIOUS)
		outcome = list_previous(&a.compile, name, sizeof(name));
	else
		outcome = list_compile(&a.compile, name, sizeof(name));
	error = errno;
	ask_free(&a);
	return tool_finish(ask_status(outcome, error));
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
