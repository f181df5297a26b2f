/*
 * lictor-export: the bans in force for other programs, lictor-export(8). The
 * zone file has one data set for each family, both of the kind in which the
 * most specific network decides, as it does here; allow is an exclusion. The
 * test points of RFC 5782 are in it whatever the lists say, so that whoever
 * asks the zone can tell that it works.
 */
#include <err.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "daemon/config.h"
#include "lists/list.h"
#include "tools/tool.h"
#include "worker/settings.h"

#define TEMPLATE_MAX 254 /* octets of a text as written that rbldnsd takes */

static const char usage_text[] = "usage: lictor-export [-c FILE] rbldnsd\n";

static const char help_text[] =
    "\n"
    "Write the bans in force as a zone file: rbldnsd ... ZONE:combined:FILE\n"
    "\n"
    "  -c FILE     the configuration, default " CONFIG_DEFAULT_PATH "\n"
    "  -h, --help  show this\n";

static const struct {
	enum list_action action;
	int value; /* 127.0.0.N */
} values[] = {
	{ ACT_REJECT, 2 },
	{ ACT_DEFER, 3 },
	{ ACT_DROP, 4 },
};

static const char head_v4[] = "$DATASET ip4trie:v4 @\n"
			      "127.0.0.2 :2:test point\n"
			      "!127.0.0.1\n";
static const char head_v6[] = "$DATASET ip6trie:v6 @\n"
			      "::ffff:7f00:2 :2:test point\n"
			      "!::ffff:7f00:1\n";

struct export
{
	const struct generation *lists;
	int64_t now;
	FILE *v6; /* what follows the IPv4 addresses */
};

/*
 * A $ means something in a text, and a = where it begins: both are doubled,
 * and never half of it is left at the end.
 */
static void
print_text(FILE *out, const char *text)
{
	size_t n = 0, more;

	for (; *text != '\0'; text++, n += more) {
		more = *text == '$' || (*text == '=' && n == 0) ? 2 : 1;
		if (n + more > TEMPLATE_MAX)
			return;
		if (more == 2)
			fputc(*text, out);
		fputc(*text, out);
	}
}

static void
print_entry(FILE *out, const char *key, const struct list_entry *e)
{
	size_t i;

	if (e->action == ACT_ALLOW)
		fprintf(out, "!%s\n", key);
	for (i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		if (values[i].action != e->action)
			continue;
		fprintf(out, "%s :%d:", key, values[i].value);
		print_text(out, e->text);
		fputc('\n', out);
	}
}

/* Where both lists hold a network, bans decides, as in a session. */
static bool
is_overruled(const struct export *x, const char *key)
{
	char matched[MAILBOX_TEXT_MAX];
	struct list_entry e;

	switch (list_find_text(x->lists, LIST_BANS, key, x->now, &e, matched)) {
	case LIST_FOUND:
		return strcmp(matched, key) == 0;
	case LIST_DAMAGED:
		errx(EX_SOFTWARE, "list bans is damaged: compile it again");
	default:
		return false;
	}
}

static void
export_one(void *arg, const char *key, const struct list_entry *e)
{
	struct export *x = arg;

	if (e->until != 0 && e->until <= x->now)
		return;
	if (strcmp(key, "127.0.0.1") == 0 || strcmp(key, "127.0.0.2") == 0)
		return;
	if (e->list == LIST_BANNED && is_overruled(x, key))
		return;
	print_entry(strchr(key, ':') == NULL ? stdout : x->v6, key, e);
}

static void
export_rbldnsd(struct export *x)
{
	static const enum list_id lists[] = { LIST_BANNED, LIST_BANS };

	char *text = NULL;
	size_t i, size;

	x->v6 = open_memstream(&text, &size);
	if (x->v6 == NULL)
		err(EX_OSERR, NULL);
	fputs(head_v4, stdout);
	for (i = 0; i < 2; i++)
		if (list_walk(x->lists, lists[i], export_one, x) == -1)
			errx(EX_SOFTWARE,
			    "list %s is damaged: compile it again",
			    list_name(lists[i]));
	if (fclose(x->v6) == EOF)
		err(EX_OSERR, NULL);
	fputs(head_v6, stdout);
	fputs(text, stdout);
	free(text);
}

int
main(int argc, char **argv)
{
	static const struct option longs[] = { { "help", 0, NULL, 'h' },
		{ NULL, 0, NULL, 0 } };
	const char *path = CONFIG_DEFAULT_PATH;
	struct generation *g;
	struct settings *set;
	struct export x;
	int c;

	while ((c = getopt_long(argc, argv, "c:h", longs, NULL)) != -1) {
		if (c == 'c')
			path = optarg;
		else if (c == 'h')
			tool_help(usage_text, help_text);
		else
			tool_usage(usage_text);
	}
	if (argc - optind != 1 || strcmp(argv[optind], "rbldnsd") != 0)
		tool_usage(usage_text);
	set = tool_settings(path);
	g = tool_generation(set->state_dir);
	x.lists = g;
	x.now = (int64_t)time(NULL);
	export_rbldnsd(&x);
	generation_close(g);
	settings_free(set);
	return tool_finish(0);
}
