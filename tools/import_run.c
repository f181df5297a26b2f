/*
 * The common part of all formats: files into lines, lines into entries of
 * list drafts, messages, and in the end the output, which is written only
 * when nothing was wrong.
 */
#include <ctype.h>
#include <err.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "tools/import.h"

#define LINE_LIMIT 65536 /* octets of a line */
#define DAY_SECS   86400

struct import_comment {
	const char *file, *text;
	unsigned line;
};

/* -------------------------------------------------------------- messages */

/* "file:line: kind" before a message. */
static void
message_begin(struct import *im, const char *kind)
{
	if (im->line == 0)
		fprintf(im->messages, "%s: %s", im->file, kind);
	else
		fprintf(im->messages, "%s:%u: %s", im->file, im->line, kind);
}

/* What is not printable in a message comes out as '?'. */
static void
message_text(struct import *im, const char *fmt, va_list ap)
{
	char text[512], *p;

	if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
		strlcpy(text, "message cannot be shown", sizeof(text));
	for (p = text; *p != '\0'; p++)
		if (*p < 0x20 || *p > 0x7e)
			*p = '?';
	fprintf(im->messages, "%s\n", text);
}

/* An error, unless lines that are wrong are skipped. */
static void
message_wrong(struct import *im)
{
	if (im->lenient)
		im->skipped++;
	else
		im->errors++;
	message_begin(im, im->lenient ? "skipped: " : "");
}

void
import_error(struct import *im, const char *fmt, ...)
{
	va_list ap;

	message_wrong(im);
	va_start(ap, fmt);
	message_text(im, fmt, ap);
	va_end(ap);
}

void
import_fail(struct import *im, const char *fmt, ...)
{
	va_list ap;

	im->errors++;
	message_begin(im, "");
	va_start(ap, fmt);
	message_text(im, fmt, ap);
	va_end(ap);
}

void
import_warn(struct import *im, const char *fmt, ...)
{
	va_list ap;

	message_begin(im, "warning: ");
	va_start(ap, fmt);
	message_text(im, fmt, ap);
	va_end(ap);
}

/* A message of the grammar. */
static void
draft_report(void *arg, bool warning, const struct list_error *e)
{
	struct import *im = arg;
	const char *file = im->file;

	im->file = e->file;
	im->line = e->line;
	if (warning)
		message_begin(im, "warning: ");
	else
		message_wrong(im);
	fprintf(im->messages, "%s\n", e->text);
	im->file = file;
}

/* --------------------------------------------------------------- entries */

bool
import_wants(struct import *im, enum list_id id)
{
	if (im->list == -1 ? id != LIST_COUNT : im->list == (int)id)
		return true;
	if (im->left[id].n++ == 0) {
		im->left[id].file = im->file;
		im->left[id].line = im->line;
	}
	return false;
}

void
import_add(struct import *im, enum list_id id, const char *key,
    enum list_action action, const char *argument, const char *text)
{
	struct list_entry e;

	if (im->drafts[id] == NULL)
		im->drafts[id] = list_draft_new(id, draft_report, im);
	memset(&e, 0, sizeof(e));
	e.action = action;
	e.argument = argument == NULL ? "" : argument;
	e.text = text == NULL ? "" : text;
	e.file = im->file;
	e.line = im->line;
	list_draft_add(im->drafts[id], key, &e);
}

char *
import_past_status(char *text)
{
	char *p = text + 1;
	int i;

	if (text[0] != '4' && text[0] != '5')
		return text;
	for (i = 0; i < 2; i++) {
		if (*p++ != '.' || !isdigit((unsigned char)*p))
			return text;
		p += strspn(p, "0123456789");
	}
	if (*p != '\0' && *p != ' ' && *p != '\t')
		return text;
	return p + strspn(p, " \t");
}

void *
import_grow(void *array, size_t n, size_t *room, size_t size)
{
	if (n < *room)
		return array;
	*room = *room == 0 ? 64 : *room * 2;
	array = reallocarray(array, *room, size);
	if (array == NULL)
		err(EX_OSERR, NULL);
	return array;
}

/* A comment is one line whatever it holds. */
static void
print_comment(FILE *out, const char *text)
{
	for (; *text != '\0'; text++)
		fputc((unsigned char)*text < 0x20 || *text == 0x7f ? ' ' :
								     *text,
		    out);
}

void
import_credit(struct import *im, const char *text)
{
	fputs("# ", im->head);
	print_comment(im->head, text);
	fputc('\n', im->head);
}

void
import_comment(struct import *im, const char *text)
{
	struct import_comment *c;

	im->comments = import_grow(im->comments, im->ncomments,
	    &im->comments_room, sizeof(*c));
	c = &im->comments[im->ncomments++];
	c->file = im->file;
	c->line = im->line;
	c->text = text;
}

void
import_date(struct import *im, int64_t when)
{
	if (im->max_age == 0)
		return;
	if (when > im->now + DAY_SECS)
		import_fail(im,
		    "the feed is dated in the future: is the clock right? "
		    "(-a 0 takes any date)");
	else if (im->now - when > (int64_t)im->max_age * DAY_SECS)
		import_fail(im,
		    "the feed is %lld days old, and %u are allowed (option -a)",
		    (long long)((im->now - when) / DAY_SECS), im->max_age);
}

/* ----------------------------------------------------------------- lines */

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

char *
import_trim(char *text)
{
	size_t n = strlen(text);

	while (n > 0 && is_blank(text[n - 1]))
		text[--n] = '\0';
	return text;
}

char *
import_word(char *text)
{
	text += strcspn(text, " \t");
	if (*text == '\0')
		return text;
	*text++ = '\0';
	return text + strspn(text, " \t");
}

/* The beginning of a web page, as a portal or a proxy sends instead. */
static bool
is_html(const char *text)
{
	static const char *const begins[] = { "<!doctype", "<html", "<head",
		"<body", "<?xml", "<!--", "<script", "<meta" };
	size_t i;

	text += strspn(text, " \t\r\n");
	for (i = 0; i < sizeof(begins) / sizeof(begins[0]); i++)
		if (strncasecmp(text, begins[i], strlen(begins[i])) == 0)
			return true;
	return false;
}

/* Hand on one line; its end is cut off. */
static void
take_line(struct import *im, char *text, size_t len)
{
	size_t i;

	while (len > 0 && (is_blank(text[len - 1]) || text[len - 1] == '\r'))
		len--;
	text[len] = '\0';
	if (len > LINE_LIMIT) {
		import_error(im, "the line is longer than %d octets",
		    LINE_LIMIT);
		return;
	}
	for (i = 0; i < len; i++) {
		if (((unsigned char)text[i] >= 0x20 && text[i] != 0x7f) ||
		    text[i] == '\t')
			continue;
		import_error(im, "a control character (0x%02x)",
		    (unsigned char)text[i]);
		return;
	}
	if (im->format->flags & IMPORT_JOINED) {
		logical_line(im, text);
		return;
	}
	if ((im->format->flags & IMPORT_BLANKS) == 0)
		text += strspn(text, " \t");
	im->format->line(im, text);
}

static void
take_lines(struct import *im, char *text, char *end)
{
	char *eol;

	for (; text < end && !im->stop; text = eol + 1) {
		im->line++;
		eol = memchr(text, '\n', (size_t)(end - text));
		if (eol == NULL && (im->format->flags & IMPORT_COUNTED) == 0) {
			import_fail(im,
			    "the last line has no end: the file was cut off");
			return;
		}
		if (eol == NULL)
			eol = end;
		take_line(im, text, (size_t)(eol - text));
	}
}

/* A text that is freed with the import. */
static void
keep(struct import *im, char *text)
{
	if (text == NULL)
		err(EX_OSERR, NULL);
	im->texts = import_grow(im->texts, im->ntexts, &im->texts_room,
	    sizeof(*im->texts));
	im->texts[im->ntexts++] = text;
}

char *
import_keep(struct import *im, const char *text)
{
	char *copy = strdup(text);

	keep(im, copy);
	return copy;
}

void
import_text(struct import *im, const char *file, char *text, size_t size)
{
	char *copy = realloc(text, size + 1), *begin = copy, *name;

	keep(im, copy);
	name = import_keep(im, file);
	im->file = name;
	for (; *name != '\0'; name++)
		if (*name < 0x20 || *name > 0x7e)
			*name = '?';
	begin[size] = '\0';
	if (size >= 3 && memcmp(begin, "\xef\xbb\xbf", 3) == 0)
		begin += 3;
	im->line = 0;
	im->stop = false;
	memset(&im->own, 0, sizeof(im->own));
	fprintf(im->head, "# %s, read by lictor-import %s\n", im->file,
	    im->format->name);
	if (is_html(begin)) {
		import_fail(im, "this is a web page, no list");
		return;
	}
	take_lines(im, begin, copy + size);
	logical_flush(im);
	if (im->format->end != NULL && !im->stop)
		im->format->end(im);
	im->line = 0;
	if ((im->format->flags & IMPORT_FEED) && im->own.entries == 0 &&
	    !im->stop)
		import_fail(im, "there is no entry in it");
}

/* ---------------------------------------------------------------- output */

static int
compare_comments(const void *a, const void *b)
{
	const struct import_comment *x = a, *y = b;
	int r = strcmp(x->file, y->file);

	return r != 0 ? r : (x->line > y->line) - (x->line < y->line);
}

static const char *
find_comment(void *arg, const char *file, unsigned line)
{
	struct import *im = arg;
	struct import_comment want = { file, "", line };
	const struct import_comment *c = NULL;

	if (im->ncomments > 0)
		c = bsearch(&want, im->comments, im->ncomments, sizeof(want),
		    compare_comments);
	return c == NULL ? NULL : c->text;
}

/* What was left out is never lost in silence. */
static void
say_left(struct import *im)
{
	unsigned n;
	int i;

	for (i = 0; i <= LIST_COUNT; i++) {
		if ((n = im->left[i].n) == 0)
			continue;
		im->file = im->left[i].file;
		im->line = im->left[i].line;
		if (i < LIST_COUNT)
			import_warn(im,
			    "%u left out, for list %s; this is the first", n,
			    list_name((enum list_id)i));
		else if (im->list != -1)
			import_warn(im,
			    "%u left out, not for list %s; this is the first",
			    n, list_name((enum list_id)im->list));
		else
			import_fail(im,
			    "%u for no list; this is the first (-l LIST leaves "
			    "them out)",
			    n);
	}
}

/* The one list there are entries for; or an error that tells which there are. */
static int
only_list(struct import *im)
{
	char known[128] = "";
	int i, list = -1, n = 0;

	for (i = 0; i < LIST_COUNT; i++) {
		if (im->drafts[i] == NULL)
			continue;
		list = i;
		if (n++ > 0)
			strlcat(known, ", ", sizeof(known));
		strlcat(known, list_name((enum list_id)i), sizeof(known));
	}
	if (n > 1) {
		im->line = 0;
		import_fail(im,
		    "there are entries for several lists: %s (choose one with "
		    "-l)",
		    known);
	}
	return list;
}

int
import_finish(struct import *im, FILE *out)
{
	int i, list = im->list;

	im->lenient = false;
	say_left(im);
	for (i = 0; i < LIST_COUNT; i++)
		if (im->drafts[i] != NULL)
			list_draft_merge(im->drafts[i]);
	if (list == -1)
		list = only_list(im);
	im->line = 0;
	if (im->errors == 0 && (im->format->flags & IMPORT_FEED) &&
	    (list == -1 || im->drafts[list] == NULL ||
		list_draft_count(im->drafts[list]) == 0))
		import_fail(im, "no entry is left");
	if (im->errors > 0)
		return EX_DATAERR;
	if (im->ncomments > 0)
		qsort(im->comments, im->ncomments, sizeof(*im->comments),
		    compare_comments);
	fflush(im->head);
	fwrite(im->head_text, 1, im->head_size, out);
	if (list != -1)
		fprintf(out, "# for list %s\n", list_name((enum list_id)list));
	if (list != -1 && im->drafts[list] != NULL)
		list_draft_print(im->drafts[list], out, find_comment, im);
	return 0;
}

void
import_init(struct import *im, const struct import_format *format)
{
	memset(im, 0, sizeof(*im));
	im->format = format;
	im->list = -1;
	im->file = "";
	im->messages = stderr;
	im->rules = import_grow(NULL, 0, &im->rules_room, sizeof(*im->rules));
	im->names = import_grow(NULL, 0, &im->names_room, sizeof(*im->names));
	im->head = open_memstream(&im->head_text, &im->head_size);
	if (im->head == NULL)
		err(EX_OSERR, NULL);
}

void
import_free(struct import *im)
{
	size_t i;

	for (i = 0; i < LIST_COUNT; i++)
		list_draft_free(im->drafts[i]);
	for (i = 0; i < im->ntexts; i++)
		free(im->texts[i]);
	free(im->texts);
	free(im->comments);
	free(im->rules);
	free(im->names);
	fclose(im->head);
	free(im->head_text);
}
