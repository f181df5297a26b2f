/*
 * lictor-query: what the daemon would find, a list as source again, and where
 * it comes from, lictor-query(8). It reads the generation in force and writes
 * nothing.
 */
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "daemon/config.h"
#include "lists/list.h"
#include "tools/json.h"
#include "tools/row.h"
#include "tools/tool.h"
#include "worker/settings.h"

enum {
	FOUND = 0,
	NOT_FOUND = 1
};

enum task {
	TASK_QUERY,
	TASK_DUMP,
	TASK_STATUS
};

struct query {
	const char *path;
	enum task task;
	bool json;
	const struct settings *set;
	const struct generation *lists;
	enum list_id id;
	int64_t now;
};

static const char usage_text[] =
    "usage: lictor-query [-c FILE] [--json] LIST KEY\n"
    "       lictor-query [-c FILE] [--json] LIST - < KEYS\n"
    "       lictor-query [-c FILE] [--json] -d LIST\n"
    "       lictor-query [-c FILE] [--json] -s [LIST ...]\n";

static const char help_text[] =
    "\n"
    "Show what a look-up finds, with the line it stands on, or a whole list.\n"
    "\n"
    "  -c FILE     the configuration, default " CONFIG_DEFAULT_PATH "\n"
    "  -d          dump the list as source\n"
    "  -s          show what is in force, its age and its sources\n"
    "  --json      rows of JSON\n"
    "  -h, --help  show this\n";

static _Noreturn void
damaged(enum list_id id)
{
	errx(EX_SOFTWARE, "list %s is damaged: compile it again",
	    list_name(id));
}

/* ------------------------------------------------------------------- keys */

static void
print_found(const struct query *q, const char *matched,
    const struct list_entry *e)
{
	printf("%s/%s:%u: ", q->set->source_dir, e->file, e->line);
	list_print(stdout, matched, e);
	putchar('\n');
}

/* e NULL: nothing was found. */
static void
print_json(const struct query *q, const char *key, const char *matched,
    const struct list_entry *e)
{
	struct json j;

	json_begin(&j, stdout);
	json_text(&j, "query", key);
	json_bool(&j, "found", e != NULL);
	if (e != NULL)
		row_entry(&j, matched, e);
	else
		json_text(&j, "list", list_name(q->id));
	json_end(&j);
}

static enum list_found
look_up(const struct query *q, const char *key, struct list_entry *e,
    char matched[MAILBOX_TEXT_MAX])
{
	enum list_found r;

	r = list_find_text(q->lists, q->id, key, q->now, e, matched);
	if (r == LIST_DAMAGED)
		damaged(q->id);
	return r;
}

static int
query_one(const struct query *q, const char *key)
{
	char matched[MAILBOX_TEXT_MAX];
	struct list_entry e;
	enum list_found r = look_up(q, key, &e, matched);

	if (r == LIST_NONE && errno == EINVAL)
		errx(EX_DATAERR, "`%s` is no key of list %s", key,
		    list_name(q->id));
	if (q->json)
		print_json(q, key, matched, r == LIST_FOUND ? &e : NULL);
	else if (r == LIST_FOUND)
		print_found(q, matched, &e);
	return r == LIST_FOUND ? FOUND : NOT_FOUND;
}

/* One answer line for each key, in their order: a key that is none has one. */
static int
query_line(const struct query *q, const char *key, size_t len, unsigned line)
{
	char matched[MAILBOX_TEXT_MAX];
	struct list_entry e;
	enum list_found r = LIST_NONE;

	errno = EINVAL;
	if (strlen(key) == len)
		r = look_up(q, key, &e, matched);
	if (r == LIST_NONE && errno == EINVAL) {
		warnx("stdin:%u: `%s` is no key of list %s", line, key,
		    list_name(q->id));
		if (q->json)
			print_json(q, key, matched, NULL);
		else
			printf("%s\t?\n", key);
		return EX_DATAERR;
	}
	if (q->json) {
		print_json(q, key, matched, r == LIST_FOUND ? &e : NULL);
	} else {
		printf("%s\t", key);
		if (r == LIST_FOUND)
			print_found(q, matched, &e);
		else
			puts("-");
	}
	return r == LIST_FOUND ? FOUND : NOT_FOUND;
}

/* The worst of all answers: trouble, then not found. */
static int
query_stdin(const struct query *q)
{
	int one, worst = FOUND;
	unsigned line = 0;
	char *key = NULL;
	size_t room = 0;
	ssize_t len;

	/* Whoever asks one by one through pipes gets each answer at once. */
	setvbuf(stdout, NULL, _IOLBF, 0);
	while ((len = getline(&key, &room, stdin)) > 0) {
		if (key[len - 1] == '\n')
			key[--len] = '\0';
		one = query_line(q, key, (size_t)len, ++line);
		if (one > worst)
			worst = one;
		if (ferror(stdout))
			break;
	}
	free(key);
	if (ferror(stdin))
		err(EX_IOERR, "stdin");
	return worst;
}

/* ------------------------------------------------------------ whole lists */

static void
dump_one(void *arg, const char *key, const struct list_entry *e)
{
	const struct query *q = arg;
	struct json j;

	if (!q->json) {
		list_print(stdout, key, e);
		putchar('\n');
		return;
	}
	json_begin(&j, stdout);
	row_entry(&j, key, e);
	json_end(&j);
}

static int
dump(struct query *q)
{
	if (list_walk(q->lists, q->id, dump_one, q) == -1)
		damaged(q->id);
	return 0;
}

struct sources {
	const struct query *query;
	FILE *out; /* lines, or members of an array */
	struct json json;
};

static void
show_source(void *arg, const char *file, enum source_state state)
{
	static const char *const names[] = { "same", "changed", "new", "gone" };
	struct sources *s = arg;
	struct json *j = &s->json;

	if (!s->query->json) {
		fprintf(s->out, "%s: source=%s state=%s\n",
		    list_name(s->query->id), file, names[state]);
		return;
	}
	json_open(j, NULL, '{');
	json_text(j, "file", file);
	json_text(j, "state", names[state]);
	json_close(j, '}');
}

static void
print_lengths(const char *name, const uint8_t *lens, unsigned n)
{
	unsigned i;

	printf(" %s=%s", name, n == 0 ? "-" : "");
	for (i = 0; i < n; i++)
		printf("%s/%u", i == 0 ? "" : ",", lens[i]);
}

static void
json_lengths(struct json *j, const char *name, const uint8_t *lens, unsigned n)
{
	unsigned i;

	json_open(j, name, '[');
	for (i = 0; i < n; i++)
		json_number(j, NULL, lens[i]);
	json_close(j, ']');
}

static void
status_text(const struct query *q, const struct list_status *st)
{
	char built[UNTIL_MAX], age[ROW_SPAN_MAX];

	printf("%s: generation=%" PRIu64 " entries=%" PRIu64, list_name(q->id),
	    generation_number(q->lists), st->count);
	print_lengths("v4", st->v4, st->nv4);
	print_lengths("v6", st->v6, st->nv6);
	printf(" names=%s octets=%" PRIu64 " built=%s age=\"%s\"\n",
	    st->has_names ? "yes" : "no", st->octets,
	    until_format(st->built, built),
	    row_span(q->now > st->built ? q->now - st->built : 0, age));
}

static void
status_json(const struct query *q, const struct list_status *st, struct json *j)
{
	char built[UNTIL_MAX];

	json_text(j, "list", list_name(q->id));
	json_number(j, "generation", (int64_t)generation_number(q->lists));
	json_number(j, "entries", (int64_t)st->count);
	json_lengths(j, "v4", st->v4, st->nv4);
	json_lengths(j, "v6", st->v6, st->nv6);
	json_bool(j, "names", st->has_names);
	json_number(j, "octets", (int64_t)st->octets);
	json_text(j, "built", until_format(st->built, built));
	json_number(j, "age", q->now > st->built ? q->now - st->built : 0);
}

/* The status stands before its sources, which are found out together. */
static void
status_one(struct query *q, enum list_id id)
{
	struct list_status st;
	struct list_error e;
	struct sources s;
	char *text = NULL;
	size_t size;

	q->id = id;
	s.query = q;
	s.out = open_memstream(&text, &size);
	if (s.out == NULL)
		err(EX_OSERR, NULL);
	s.json.out = s.out;
	s.json.comma = false;
	if (list_status(q->lists, id, q->set->source_dir, &st, show_source, &s,
		&e) == -1)
		errx(EX_NOINPUT, "%s: %s", e.file, e.text);
	if (fclose(s.out) != 0)
		err(EX_OSERR, NULL);
	if (q->json) {
		json_begin(&s.json, stdout);
		status_json(q, &st, &s.json);
		json_open(&s.json, "sources", '[');
		fputs(text, stdout);
		json_close(&s.json, ']');
		json_end(&s.json);
	} else {
		status_text(q, &st);
		fputs(text, stdout);
	}
	free(text);
}

static int
status(struct query *q, char *const *names, int n)
{
	enum list_id id;
	int i;

	for (i = 0; i < n; i++)
		status_one(q, (enum list_id)list_by_name(names[i]));
	for (id = 0; id < LIST_COUNT && n == 0; id++)
		status_one(q, id);
	return 0;
}

/* ------------------------------------------------------------------- main */

static void
parse_options(int argc, char **argv, struct query *q)
{
	static const struct option longs[] = { { "help", 0, NULL, 'h' },
		{ "json", 0, NULL, 'j' }, { NULL, 0, NULL, 0 } };
	int c;

	memset(q, 0, sizeof(*q));
	q->path = CONFIG_DEFAULT_PATH;
	while ((c = getopt_long(argc, argv, "c:dhs", longs, NULL)) != -1) {
		if (c == 'c')
			q->path = optarg;
		else if (c == 'j')
			q->json = true;
		else if (c == 'h')
			tool_help(usage_text, help_text);
		else if ((c == 'd' || c == 's') && q->task == TASK_QUERY)
			q->task = c == 'd' ? TASK_DUMP : TASK_STATUS;
		else
			tool_usage(usage_text);
	}
}

/* The lists that are named, LIST [KEY] or LIST ... */
static void
parse_lists(int argc, char **argv, struct query *q)
{
	static const int wanted[] = { [TASK_QUERY] = 2, [TASK_DUMP] = 1 };
	int i, n = q->task == TASK_STATUS ? argc : 1;

	if (q->task != TASK_STATUS && argc != wanted[q->task])
		tool_usage(usage_text);
	for (i = 0; i < n; i++)
		if (list_by_name(argv[i]) == -1)
			errx(EX_USAGE, "%s: no list of that name", argv[i]);
	if (n > 0)
		q->id = (enum list_id)list_by_name(argv[0]);
}

int
main(int argc, char **argv)
{
	struct settings *set;
	struct generation *g;
	struct query q;
	int r;

	parse_options(argc, argv, &q);
	argc -= optind;
	argv += optind;
	parse_lists(argc, argv, &q);
	set = tool_settings(q.path);
	g = tool_generation(set->state_dir);
	q.set = set;
	q.lists = g;
	q.now = (int64_t)time(NULL);
	if (q.task == TASK_DUMP)
		r = dump(&q);
	else if (q.task == TASK_STATUS)
		r = status(&q, argv, argc);
	else if (strcmp(argv[1], "-") == 0)
		r = query_stdin(&q);
	else
		r = query_one(&q, argv[1]);
	generation_close(g);
	settings_free(set);
	return tool_finish(r);
}
