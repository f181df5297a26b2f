/*
 * Messages of the compiler. Whatever a source holds, a message is printable
 * ASCII: other octets come out as '?'. A message too long for its place is
 * cut; a message is the one thing that may be.
 */
#include <stdio.h>
#include <string.h>

#include "lists/report.h"

static void
make_printable(char *s)
{
	for (; *s != '\0'; s++)
		if (*s < 0x20 || *s > 0x7e)
			*s = '?';
}

static void
error_fill(struct list_error *e, const char *file, unsigned line,
    const char *fmt, va_list ap)
{
	strlcpy(e->file, file, sizeof(e->file));
	make_printable(e->file);
	e->line = line;
	if (vsnprintf(e->text, sizeof(e->text), fmt, ap) < 0)
		strlcpy(e->text, "message cannot be shown", sizeof(e->text));
	make_printable(e->text);
}

static void
report_send(struct report *r, bool warning, const char *file, unsigned line,
    const char *fmt, va_list ap)
{
	const char *dir = r->dir != NULL ? r->dir : "";
	char path[4096];
	struct list_error e;

	if (!warning)
		r->errors++;
	if (r->send == NULL)
		return;
	snprintf(path, sizeof(path), "%s%s%s", dir,
	    dir[0] != '\0' && file != NULL ? "/" : "",
	    file != NULL ? file : "");
	error_fill(&e, path, line, fmt, ap);
	r->send(r->arg, warning, &e);
}

void
list_error_set(struct list_error *e, const char *file, unsigned line,
    const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	error_fill(e, file, line, fmt, ap);
	va_end(ap);
}

void
report_error(struct report *r, const char *file, unsigned line, const char *fmt,
    ...)
{
	va_list ap;

	va_start(ap, fmt);
	report_send(r, false, file, line, fmt, ap);
	va_end(ap);
}

void
report_warning(struct report *r, const char *file, unsigned line,
    const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	report_send(r, true, file, line, fmt, ap);
	va_end(ap);
}

void
report_pass(struct report *r, const struct list_error *e)
{
	r->errors++;
	if (r->send != NULL)
		r->send(r->arg, false, e);
}

void
report_progress(const struct report *r, enum list_id id, const char *what,
    size_t step, size_t done, size_t all)
{
	if (step % PROGRESS_STEP == 0 && step > 0 && r->progress != NULL)
		r->progress(r->progress_arg, id, what, done, all);
}
