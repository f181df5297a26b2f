/*
 * lictor-ban: bans that programs and hurried people set, lictor-ban(8). Each
 * is in force for the next session when the program ends, or refused with
 * everything as it was.
 */
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "daemon/config.h"
#include "lists/list.h"
#include "tools/ask.h"
#include "tools/json.h"
#include "tools/row.h"
#include "tools/tool.h"
#include "worker/settings.h"

enum {
	NOT_THERE = 1
};

struct options {
	const char *path;
	const char *span; /* --for, or NULL */
	bool force, json;
	int64_t now;
};

static const char usage_text[] =
    "usage: lictor-ban [-c FILE] [-f] add NET [--for TIME] [TEXT]\n"
    "       lictor-ban [-c FILE] del NET\n"
    "       lictor-ban [-c FILE] [--json] list\n";

static const char help_text[] =
    "\n"
    "Ban clients from the next session on, take a ban out, list all bans.\n"
    "\n"
    "  -c FILE     the configuration, default " CONFIG_DEFAULT_PATH "\n"
    "  -f          override the guards\n"
    "  --for TIME  how long: 90s, 30m, 2h, 7d, or until 2026-12-31T12:00:00Z\n"
    "  --json      rows of JSON\n"
    "  -h, --help  show this\n";

static void
parse_net(struct prefix *p, const char *text)
{
	char shown[PREFIX_TEXT_MAX];
	bool hostbits;

	if (prefix_parse(p, text, &hostbits) == -1)
		errx(EX_DATAERR, "`%s` is no address or network", text);
	if (hostbits)
		warnx("%s has host bits set: taken as %s", text,
		    prefix_format(p, shown));
}

/* Change the bans; the exit status. */
static int
change(const struct settings *set, const struct options *o,
    struct list_ban *ban)
{
	enum compile_outcome outcome;
	struct ask a;
	char name[64];
	int error;

	ask_init(&a, set);
	a.compile.force = o->force;
	outcome = list_ban(&a.compile, ban, name, sizeof(name));
	error = errno;
	ask_free(&a);
	if (outcome == COMPILE_UNCHANGED && ban->absent)
		return NOT_THERE;
	return ask_status(outcome, error);
}

static int
add(const struct settings *set, const struct options *o, int argc, char **argv)
{
	struct list_ban ban;
	const char *why;

	if (argc < 1 || argc > 2 || o->json)
		tool_usage(usage_text);
	memset(&ban, 0, sizeof(ban));
	ban.add = true;
	ban.text = argc == 2 ? argv[1] : "";
	parse_net(&ban.net, argv[0]);
	if (o->span != NULL) {
		ban.until = until_from(o->span, o->now, &why);
		if (ban.until == -1)
			errx(EX_DATAERR, "--for %s: %s", o->span, why);
	}
	return change(set, o, &ban);
}

/* Why a ban cannot be taken out here: where it comes from. */
static void
tell_absent(const struct settings *set, const struct options *o,
    const char *net)
{
	static const enum list_id lists[] = { LIST_BANS, LIST_BANNED };
	struct generation *g = tool_generation(set->state_dir);
	char matched[MAILBOX_TEXT_MAX];
	struct list_entry e;
	size_t i;

	warnx("%s is not among the bans of %s/%s", net, set->source_dir,
	    BAN_FILE);
	for (i = 0; i < 2; i++)
		if (list_find_text(g, lists[i], net, o->now, &e, matched) ==
		    LIST_FOUND)
			warnx("%s/%s:%u: %s %s", set->source_dir, e.file,
			    e.line, matched, list_action_name(e.action));
	generation_close(g);
}

static int
del(const struct settings *set, const struct options *o, int argc, char **argv)
{
	struct list_ban ban;
	int r;

	if (argc != 1 || o->span != NULL || o->json)
		tool_usage(usage_text);
	memset(&ban, 0, sizeof(ban));
	ban.text = "";
	parse_net(&ban.net, argv[0]);
	r = change(set, o, &ban);
	if (r == NOT_THERE)
		tell_absent(set, o, argv[0]);
	return r;
}

/* What is in force still: a line of source, and what remains as a comment. */
static void
show(void *arg, const char *key, const struct list_entry *e)
{
	const struct options *o = arg;
	char span[ROW_SPAN_MAX];
	struct json j;

	if (e->until != 0 && e->until <= o->now)
		return;
	if (o->json) {
		json_begin(&j, stdout);
		row_entry(&j, key, e);
		if (e->until == 0)
			json_null(&j, "remains");
		else
			json_number(&j, "remains", e->until - o->now);
		json_end(&j);
		return;
	}
	list_print(stdout, key, e);
	printf(" # %s%s\n",
	    e->until == 0 ? "no end" : row_span(e->until - o->now, span),
	    e->until == 0 ? "" : " left");
}

static int
list(const struct settings *set, struct options *o, int argc)
{
	struct generation *g;

	if (argc != 0 || o->span != NULL || o->force)
		tool_usage(usage_text);
	g = tool_generation(set->state_dir);
	if (list_walk(g, LIST_BANS, show, o) == -1)
		errx(EX_SOFTWARE, "list bans is damaged: compile it again");
	generation_close(g);
	return 0;
}

static void
parse_options(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = { { "for", 1, NULL, 't' },
		{ "help", 0, NULL, 'h' }, { "json", 0, NULL, 'j' },
		{ NULL, 0, NULL, 0 } };
	int c;

	memset(o, 0, sizeof(*o));
	o->path = CONFIG_DEFAULT_PATH;
	o->now = (int64_t)time(NULL);
	while ((c = getopt_long(argc, argv, "c:fh", longs, NULL)) != -1) {
		if (c == 'c')
			o->path = optarg;
		else if (c == 'f')
			o->force = true;
		else if (c == 't')
			o->span = optarg;
		else if (c == 'j')
			o->json = true;
		else if (c == 'h')
			tool_help(usage_text, help_text);
		else
			tool_usage(usage_text);
	}
}

int
main(int argc, char **argv)
{
	struct settings *set;
	struct options o;
	const char *verb;
	int r = 0;

	parse_options(argc, argv, &o);
	argc -= optind;
	argv += optind;
	verb = argc > 0 ? argv[0] : "";
	if (strcmp(verb, "add") != 0 && strcmp(verb, "del") != 0 &&
	    strcmp(verb, "list") != 0)
		tool_usage(usage_text);
	set = tool_settings(o.path);
	if (verb[0] == 'a')
		r = add(set, &o, argc - 1, argv + 1);
	else if (verb[0] == 'd')
		r = del(set, &o, argc - 1, argv + 1);
	else
		r = list(set, &o, argc - 1);
	settings_free(set);
	return tool_finish(r);
}
