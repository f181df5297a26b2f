/*
 * lictor-import: block lists that are published, and the tables of other mail
 * servers, into sources of our lists, lictor-import(8). It writes when all
 * was read and nothing was wrong, or not at all.
 */
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "tools/import.h"
#include "tools/tool.h"

#define AGE_DEFAULT 7 /* days */
#define AGE_MOST    36500

static const char usage_text[] =
    "usage: lictor-import [-a DAYS] [-l LIST] [--lenient] FORMAT [FILE ...]\n";

static const char help_text[] =
    "\n"
    "Write a block list or another server's table as a source of a list.\n"
    "\n"
    "  -a DAYS     how old a feed may say it is, default 7; 0: any age\n"
    "  -l LIST     only the entries for this list\n"
    "  --lenient   skip lines that are wrong, where no other depends on them\n"
    "  -h, --help  show this\n"
    "\n"
    "Formats, and the lists they are for:\n"
    "\n";

/* Usage, help and the table of formats. */
static _Noreturn void
help(void)
{
	char *text;
	size_t size, i;
	FILE *out = open_memstream(&text, &size);
	const struct import_format *f;
	int id;

	if (out == NULL)
		err(EX_OSERR, NULL);
	fputs(help_text, out);
	for (i = 0; i < import_nformats; i++) {
		f = &import_formats[i];
		fprintf(out, "  %-25s %s:", f->name, f->about);
		for (id = 0; id < LIST_COUNT; id++)
			if (f->lists & BIT(id))
				fprintf(out, " %s",
				    list_name((enum list_id)id));
		fputs(f->flags & IMPORT_NAMED ? " (-l)\n" : "\n", out);
	}
	if (fclose(out) == EOF)
		err(EX_OSERR, NULL);
	tool_help(usage_text, text);
}

/* All of a stream; its size. */
static char *
read_all(FILE *in, const char *name, size_t *size)
{
	char *text = NULL;
	size_t room = 0, n;

	*size = 0;
	do {
		if (*size + 65536 > room) {
			room = room == 0 ? 131072 : room * 2;
			text = realloc(text, room);
			if (text == NULL)
				err(EX_OSERR, NULL);
		}
		n = fread(text + *size, 1, room - *size, in);
		*size += n;
	} while (n > 0);
	if (ferror(in))
		err(EX_IOERR, "%s", name);
	return text;
}

static void
read_file(struct import *im, const char *name)
{
	FILE *in = stdin;
	size_t size;
	char *text;

	if (strcmp(name, "-") == 0)
		name = "stdin";
	else if ((in = fopen(name, "re")) == NULL)
		err(errno == EACCES ? EX_NOPERM : EX_NOINPUT, "%s", name);
	text = read_all(in, name, &size);
	if (in != stdin)
		fclose(in);
	import_text(im, name, text, size);
}

/* The options that this format cannot do with, or without. */
static void
check_options(const struct import *im, int nfiles)
{
	const struct import_format *f = im->format;

	if (im->list == -1 && (f->flags & IMPORT_NAMED))
		errx(EX_USAGE,
		    "%s can be for several lists: choose one with -l", f->name);
	if (im->list != -1 && (f->lists & BIT(im->list)) == 0)
		errx(EX_USAGE, "%s has nothing for list %s", f->name,
		    list_name((enum list_id)im->list));
	if (im->lenient && (f->flags & IMPORT_APART) == 0)
		errx(EX_USAGE,
		    "--lenient: a line of %s that is skipped would change what "
		    "others mean",
		    f->name);
	if (nfiles > 1 && (f->flags & IMPORT_APART) == 0)
		errx(EX_USAGE, "%s is one file, as lines depend on others",
		    f->name);
}

struct options {
	const char *list;
	unsigned max_age;
	bool lenient;
};

static void
parse_options(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = { { "lenient", 0, NULL, 'L' },
		{ "help", 0, NULL, 'h' }, { NULL, 0, NULL, 0 } };
	const char *wrong;
	int c;

	memset(o, 0, sizeof(*o));
	o->max_age = AGE_DEFAULT;
	while ((c = getopt_long(argc, argv, "a:hl:", longs, NULL)) != -1) {
		switch (c) {
		case 'a':
			o->max_age = (unsigned)strtonum(optarg, 0, AGE_MOST,
			    &wrong);
			if (wrong != NULL)
				errx(EX_USAGE, "-a %s: the days are %s", optarg,
				    wrong);
			break;
		case 'l':
			o->list = optarg;
			break;
		case 'L':
			o->lenient = true;
			break;
		case 'h':
			help();
		default:
			tool_usage(usage_text);
		}
	}
	if (optind == argc)
		tool_usage(usage_text);
}

static void
prepare(struct import *im, const struct options *o, const char *name)
{
	const struct import_format *format = import_format_find(name);

	if (format == NULL)
		errx(EX_USAGE, "%s: no format of that name (--help lists them)",
		    name);
	import_init(im, format);
	im->lenient = o->lenient;
	im->max_age = o->max_age;
	im->now = (int64_t)time(NULL);
	if (o->list == NULL)
		return;
	im->list = list_by_name(o->list);
	if (im->list == -1)
		errx(EX_USAGE, "%s: no list of that name", o->list);
}

int
main(int argc, char **argv)
{
	struct options o;
	struct import im;
	int i, status;

	parse_options(argc, argv, &o);
	prepare(&im, &o, argv[optind]);
	check_options(&im, argc - optind - 1);
	if (argc - optind == 1)
		read_file(&im, "-");
	for (i = optind + 1; i < argc; i++)
		read_file(&im, argv[i]);
	status = import_finish(&im, stdout);
	if (im.skipped > 0)
		fprintf(stderr, "lines skipped: %u\n", im.skipped);
	import_free(&im);
	if (fflush(stdout) == EOF)
		err(EX_IOERR, "stdout");
	return status;
}
