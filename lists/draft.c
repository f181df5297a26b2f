/*
 * A source that a program writes: each entry is printed as a line, read by
 * the grammar like any other, and printed again from what was understood.
 * There is one grammar, and whoever writes lists need not know it.
 */
#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "lists/parse.h"
#include "lists/source.h"

struct list_draft {
	struct source source;
	struct report report;
	const char *file; /* the last one, a copy of ours */
	FILE *out;	  /* one line, into text */
	char *text;
	size_t size;
};

struct list_draft *
list_draft_new(enum list_id id,
    void (*report)(void *, bool, const struct list_error *), void *report_arg)
{
	struct list_draft *d = mem_resize(NULL, 1, sizeof(*d));

	memset(d, 0, sizeof(*d));
	source_init(&d->source, id);
	d->report.send = report;
	d->report.arg = report_arg;
	d->out = open_memstream(&d->text, &d->size);
	if (d->out == NULL)
		err(EX_OSERR, "lists");
	return d;
}

void
list_draft_free(struct list_draft *d)
{
	if (d == NULL)
		return;
	fclose(d->out);
	free(d->text);
	source_free(&d->source);
	free(d);
}

/* A tab or a line end in a key or a text would make it two. */
static bool
has_controls(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return true;
	return false;
}

/* The entry as a line in d->text; its length. */
static size_t
draft_line(struct list_draft *d, const char *key, const struct list_entry *e)
{
	struct list_entry printed = *e;
	long len;

	printed.list = d->source.id;
	rewind(d->out);
	list_print(d->out, key, &printed);
	len = ftell(d->out);
	if (fflush(d->out) == EOF || len < 0)
		err(EX_OSERR, "lists");
	return (size_t)len;
}

int
list_draft_add(struct list_draft *d, const char *key,
    const struct list_entry *e)
{
	unsigned errors = d->report.errors;
	size_t len;

	if (d->file == NULL || strcmp(d->file, e->file) != 0)
		d->file = arena_copy(&d->source.strings, e->file,
		    strlen(e->file));
	if (has_controls(key) || has_controls(e->argument) ||
	    has_controls(e->text)) {
		report_error(&d->report, d->file, e->line,
		    "a control character in `%.60s`", key);
		return -1;
	}
	len = draft_line(d, key, e);
	if (len > SOURCE_LINE_MAX)
		report_error(&d->report, d->file, e->line,
		    "`%.60s`: this entry is longer than %d octets", key,
		    SOURCE_LINE_MAX);
	else
		parse_line(&d->source, d->file, e->line, d->text, len,
		    &d->report);
	return d->report.errors == errors ? 0 : -1;
}

int
list_draft_merge(struct list_draft *d)
{
	unsigned errors = d->report.errors;

	source_merge(&d->source, &d->report);
	source_order_by_line(&d->source);
	return d->report.errors == errors ? 0 : -1;
}

void
list_draft_print(struct list_draft *d, FILE *out,
    const char *(*comment)(void *, const char *, unsigned), void *arg)
{
	const struct entry *e;
	const char *behind;
	size_t i;

	for (i = 0; i < d->source.n; i++) {
		e = &d->source.entries[i];
		source_print(d->source.id, e, out);
		behind = comment == NULL ? NULL :
					   comment(arg, e->rule->file, e->line);
		fprintf(out, behind == NULL ? "\n" : " # %s\n", behind);
	}
}

size_t
list_draft_count(const struct list_draft *d)
{
	return d->source.n;
}
