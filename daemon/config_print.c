/*
 * Write settings as a configuration. libconfuse's own printing is not used:
 * it writes "${HOME}" as it is, which stands for something else when it is
 * read again.
 */
#include <stdio.h>
#include <string.h>

#include "daemon/config.h"
#include "daemon/config_rows.h"
#include "worker/settings.h"

static void
print_string(FILE *f, const char *s)
{
	const unsigned char *p = (const unsigned char *)s;

	putc('"', f);
	for (; *p != '\0'; p++)
		if (*p == '"' || *p == '\\')
			fprintf(f, "\\%c", *p);
		else if (*p < ' ' || *p >= 0x7f || (*p == '$' && p[1] == '{'))
			fprintf(f, "\\x%02x", *p); /* octal could grow */
		else
			putc(*p, f);
	putc('"', f);
}

static void
print_strings(FILE *f, const struct strings *list)
{
	size_t i;

	putc('{', f);
	for (i = 0; i < list->n; i++) {
		if (i > 0)
			fputs(", ", f);
		print_string(f, list->item[i]);
	}
	putc('}', f);
}

static void
print_endpoints(FILE *f, const struct endpoint *list, size_t n)
{
	size_t i;

	putc('{', f);
	for (i = 0; i < n; i++) {
		if (i > 0)
			fputs(", ", f);
		print_string(f, list[i].text);
	}
	putc('}', f);
}

static void
print_prefixes(FILE *f, const struct prefixes *list)
{
	char text[PREFIX_TEXT_MAX];
	size_t i;

	putc('{', f);
	for (i = 0; i < list->n; i++) {
		if (i > 0)
			fputs(", ", f);
		print_string(f, prefix_format(&list->item[i], text));
	}
	putc('}', f);
}

static void
print_replies(FILE *f, const struct zone *z)
{
	size_t i;

	putc('{', f);
	for (i = 0; i < z->nreplies; i++) {
		if (i > 0)
			fputs(", ", f);
		print_string(f, z->replies[i].text);
	}
	putc('}', f);
}

static void
print_words(FILE *f, const struct config_row *row, unsigned bits)
{
	const char *between = "";
	unsigned i;

	putc('{', f);
	for (i = 0; row->words[i] != NULL; i++) {
		if ((bits & 1u << i) == 0)
			continue;
		fputs(between, f);
		print_string(f, row->words[i]);
		between = ", ";
	}
	putc('}', f);
}

/* base is what the row's section has. */
static void
print_value(FILE *f, const void *base, const struct config_row *row)
{
	const void *place = (const char *)base + row->at;
	const struct settings *set = base;

	switch (row->kind) {
	case ROW_INT:
		fprintf(f, "%d", *(const int *)place);
		break;
	case ROW_SIZE:
		fprintf(f, "%lld", (long long)*(const int64_t *)place);
		break;
	case ROW_BOOL:
		fputs(*(const bool *)place ? "true" : "false", f);
		break;
	case ROW_WORD:
		print_string(f, row->words[*(const unsigned *)place]);
		break;
	case ROW_HOST:
	case ROW_MAILBOX:
	case ROW_USER:
	case ROW_PATH:
	case ROW_SPEECH:
	case ROW_WORDING:
		print_string(f, *(char *const *)place);
		break;
	case ROW_PATHS:
	case ROW_SOCKETS:
	case ROW_LOCALS:
	case ROW_PROBE:
	case ROW_PINS:
		print_strings(f, place);
		break;
	case ROW_LISTEN:
		print_endpoints(f, set->listen, set->nlisten);
		break;
	case ROW_PREFIXES:
		print_prefixes(f, place);
		break;
	case ROW_ENDPOINTS:
		print_endpoints(f, set->nameservers, set->nnameservers);
		break;
	case ROW_WORDS:
		print_words(f, row, *(const unsigned *)place);
		break;
	case ROW_REPLIES:
		print_replies(f, base);
		break;
	case ROW_TEXT:
		break; /* never in force */
	}
}

static bool
same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/*
 * Name servers that are not set are those of resolv.conf at the time. A list
 * that may not be empty stands nowhere when it is not set.
 */
static bool
is_set(const void *base, const struct config_row *row)
{
	const struct settings *set = base;

	if (row->kind == ROW_ENDPOINTS)
		return set->nnameservers > 0 &&
		    set->nameservers[0].text != NULL;
	if (row->kind == ROW_PREFIXES && row->least > 0)
		return ((const struct prefixes *)((const char *)base + row->at))
			   ->n > 0;
	if (row->at == ROW_NOWHERE)
		return false;
	return (row->kind != ROW_HOST && row->kind != ROW_PATH) ||
	    *(char *const *)(const void *)((const char *)base + row->at) !=
	    NULL;
}

/* Close the section of the row before and open that of this one. */
static void
print_border(FILE *f, const struct config_row *before,
    const struct config_row *row)
{
	const char *section = before != NULL ? before->section : NULL;
	const char *title = before != NULL ? before->title : NULL;
	const char *next = row != NULL ? row->section : NULL;

	if (same(section, next) && same(title, row ? row->title : NULL))
		return;
	if (section != NULL)
		fputs("}\n", f);
	if (next == NULL)
		return;
	fputs(next, f);
	if (row->title != NULL) {
		putc(' ', f);
		print_string(f, row->title);
	}
	fputs(" {\n", f);
}

static void
print_setting(FILE *f, const void *base, const struct config_row *row)
{
	fprintf(f, "%s%s = ", row->section != NULL ? "\t" : "", row->name);
	print_value(f, base, row);
	putc('\n', f);
}

/* A section with a struct of its own. */
static void
print_section(FILE *f, const char *name, const char *title,
    enum config_base base, const void *place)
{
	size_t i;

	fprintf(f, "%s ", name);
	print_string(f, title);
	fputs(" {\n", f);
	for (i = 0; i < config_nrows; i++)
		if (config_row_base(&config_rows[i]) == base &&
		    is_set(place, &config_rows[i]))
			print_setting(f, place, &config_rows[i]);
	fputs("}\n", f);
}

int
config_print(const struct settings *set, FILE *f)
{
	const struct config_row *row, *before = NULL;
	size_t i;

	for (i = 0; i < config_nrows; i++) {
		row = &config_rows[i];
		if (config_row_base(row) != BASE_SETTINGS || !is_set(set, row))
			continue;
		print_border(f, before, row);
		print_setting(f, set, row);
		before = row;
	}
	print_border(f, before, NULL);
	for (i = 0; i < set->nlisteners; i++)
		if (set->listeners[i].used)
			print_section(f, "listener", set->listeners[i].at.text,
			    BASE_LISTENER, &set->listeners[i]);
	for (i = 0; i < set->nnext_hops; i++)
		print_section(f, "next_hop", set->next_hops[i].name, BASE_HOP,
		    &set->next_hops[i]);
	for (i = 0; i < set->nzones; i++)
		print_section(f, "dnsbl", set->zones[i].name, BASE_ZONE,
		    &set->zones[i]);
	return ferror(f) || fflush(f) == EOF ? -1 : 0;
}
