/*
 * The scan that goes before libconfuse: a reader of the same grammar that
 * keeps lines and no values. Where it finds a mistake it says so, blanks the
 * statement out and goes on with the next, so that one run shows them all.
 *
 *	file      = { statement }
 *	statement = word ( "=" | "+=" ) value
 *	          | word [ string ] "{" { statement } "}"
 *	value     = string | "{" [ string { "," string } [ "," ] ] "}"
 *	string    = word | "..." | '...'
 *
 * No section stands in another, so one that seems to shows a missing brace.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config_lex.h"
#include "daemon/config_report.h"
#include "daemon/config_scan.h"

#define ITEMS_MAX 4096

struct scanner {
	struct lexer lex;
	struct scan *scan;
	struct config_log *log;
	struct token tok;   /* the one to look at */
	unsigned last_line; /* of the token before it */
	size_t last_end;
	long section; /* item of the open section; -1: none */
};

static void
advance(struct scanner *sc)
{
	sc->last_line = sc->tok.line;
	sc->last_end = sc->tok.end;
	lexer_next(&sc->lex, &sc->tok);
}

/* ------------------------------------------------------------------ items */

static void *
need(void *p)
{
	if (p == NULL)
		err(1, NULL);
	return p;
}

static struct scan_item *
item_add(struct scanner *sc, const struct token *name)
{
	struct scan *s = sc->scan;
	struct scan_item *it;

	s->items = need(
	    reallocarray(s->items, s->nitems + 1, sizeof(*s->items)));
	it = &s->items[s->nitems++];
	memset(it, 0, sizeof(*it));
	it->name = need(
	    strndup(s->text + name->begin, name->end - name->begin));
	it->section = sc->section;
	it->line = name->line;
	it->begin = name->begin;
	it->end = name->end;
	return it;
}

static void
item_value(struct scan_item *it, unsigned line)
{
	it->lines = need(
	    reallocarray(it->lines, it->nvalues + 1, sizeof(*it->lines)));
	it->lines[it->nvalues++] = line;
}

void
config_scan_drop(struct scan *s, size_t i)
{
	struct scan_item *it = &s->items[i];
	size_t k;

	it->bad = true;
	lexer_blank(s->text, it->begin, it->end);
	for (k = i + 1; it->is_section && k < s->nitems; k++)
		if (s->items[k].section == (long)i)
			s->items[k].bad = true;
}

/* ------------------------------------------------------------- statements */

/* Complain of the token to look at, unless that was done. */
static void
unexpected(struct scanner *sc, unsigned line, const char *wanted,
    const char *where)
{
	const struct token *t = &sc->tok;
	int len = t->end - t->begin > 40 ? 40 : (int)(t->end - t->begin);

	if (t->type == T_END)
		config_error(sc->log, line,
		    "expected %s%s, found the end of the file", wanted, where);
	else if (t->type != T_BAD)
		config_error(sc->log, line, "expected %s%s, found %.*s", wanted,
		    where, len, sc->scan->text + t->begin);
}

/*
 * After a mistake: pass over the rest of its line, but over no brace that
 * closes a section, and blank out all from begin on. depth is the number of
 * braces that stand open within the statement.
 */
static void
recover(struct scanner *sc, size_t begin, int depth)
{
	unsigned line = sc->tok.type == T_BAD ? sc->tok.line : sc->last_line;

	while (sc->tok.type != T_END && sc->tok.line == line) {
		if (sc->tok.type == T_CLOSE && depth-- == 0)
			break;
		if (sc->tok.type == T_OPEN)
			depth++;
		advance(sc);
	}
	if (sc->tok.type == T_END)
		sc->last_end = sc->tok.begin;
	lexer_blank(sc->scan->text, begin, sc->last_end);
}

static bool
is_value(const struct token *t)
{
	return t->type == T_WORD || t->type == T_STRING;
}

/* The values of a list up to its brace. 0, or -1 at the token that is wrong. */
static int
list(struct scanner *sc, struct scan_item *it)
{
	char where[128];

	it->is_list = true;
	snprintf(where, sizeof(where), " in the list %.40s of line %u",
	    it->name, it->line);
	while (sc->tok.type != T_CLOSE) {
		if (!is_value(&sc->tok)) {
			unexpected(sc, sc->last_line, "a value or \"}\"",
			    where);
			return -1;
		}
		item_value(it, sc->tok.line);
		advance(sc);
		if (sc->tok.type == T_COMMA)
			advance(sc);
		else if (sc->tok.type != T_CLOSE) {
			unexpected(sc, sc->last_line, "\",\" or \"}\"", where);
			return -1;
		}
	}
	return 0;
}

/* A bare word at the very end of the file: its rest may be missing. */
static bool
ends_file(const struct scanner *sc)
{
	return sc->tok.type == T_WORD && sc->tok.end == sc->lex.len;
}

/* The value of a setting; "=" or "+=" is the token to look at. */
static void
value(struct scanner *sc, struct scan_item *it)
{
	char where[64];
	int r = 0;

	snprintf(where, sizeof(where), " for %.40s", it->name);
	it->append = sc->tok.type == T_APPEND;
	advance(sc);
	if (sc->tok.type == T_OPEN) {
		advance(sc);
		r = list(sc, it);
	} else if (ends_file(sc)) {
		config_error(sc->log, sc->tok.line,
		    "the file ends within the value%s: end the line", where);
		r = -1;
	} else if (is_value(&sc->tok)) {
		item_value(it, sc->tok.line);
	} else {
		unexpected(sc, sc->last_line, "a value", where);
		r = -1;
	}
	if (r == 0) {
		it->end = sc->tok.end;
		advance(sc);
		return;
	}
	it->bad = true;
	recover(sc, it->begin, it->is_list ? 1 : 0);
}

static void
section_close(struct scanner *sc, size_t end)
{
	if (sc->section == -1)
		return;
	sc->scan->items[sc->section].end = end;
	sc->section = -1;
}

/* An opening brace is the token to look at. */
static void
section_open(struct scanner *sc, struct scan_item *it)
{
	size_t self = (size_t)(it - sc->scan->items);
	const struct scan_item *outer;
	size_t i;

	it->is_section = true;
	if (sc->section != -1) {
		outer = &sc->scan->items[sc->section];
		config_error(sc->log, it->line,
		    "section %s begins within section %s of line %u: "
		    "a \"}\" is missing",
		    it->name, outer->name, outer->line);
		it->section = -1;
		i = (size_t)sc->section;
		section_close(sc, it->begin);
		config_scan_drop(sc->scan, i);
	}
	sc->section = (long)self;
	advance(sc);
}

static void
title(struct scanner *sc, struct scan_item *it)
{
	const char *t = sc->scan->text + sc->tok.begin;
	size_t len = sc->tok.end - sc->tok.begin;

	if (sc->tok.type == T_STRING) {
		t++;
		len -= 2;
	}
	it->title = need(strndup(t, len));
	if (strchr(it->title, '\\') != NULL) {
		config_error(sc->log, sc->tok.line,
		    "the title of section %s holds a backslash", it->name);
		it->bad = true;
	}
	advance(sc);
}

/* A word is the token to look at. */
static void
statement(struct scanner *sc)
{
	struct scan_item *it = item_add(sc, &sc->tok);
	char after[64];

	snprintf(after, sizeof(after), " after %.40s", it->name);
	advance(sc);
	if (sc->tok.type == T_SET || sc->tok.type == T_APPEND) {
		value(sc, it);
		return;
	}
	if (is_value(&sc->tok) && sc->tok.line == it->line && sc->section == -1)
		title(sc, it);
	if (sc->tok.type == T_OPEN) {
		section_open(sc, it);
		return;
	}
	unexpected(sc, sc->last_line,
	    sc->section == -1 ? "\"=\" or \"{\"" : "\"=\"", after);
	it->bad = true;
	recover(sc, it->begin, 0);
}

static void
end_of_file(struct scanner *sc)
{
	const struct scan_item *it;

	if (sc->section == -1)
		return;
	it = &sc->scan->items[sc->section];
	config_error(sc->log, sc->last_line,
	    "the file ends within section %s of line %u", it->name, it->line);
	sc->scan->cut = true;
}

static void
statements(struct scanner *sc)
{
	while (sc->tok.type != T_END) {
		if (sc->scan->nitems == ITEMS_MAX) {
			config_error(sc->log, sc->tok.line,
			    "too many settings");
			sc->scan->cut = true;
			return;
		}
		if (sc->tok.type == T_WORD) {
			statement(sc);
			continue;
		}
		if (sc->tok.type == T_CLOSE && sc->section != -1)
			section_close(sc, sc->tok.end);
		else if (sc->tok.type == T_BAD) {
			recover(sc, sc->tok.begin, 0);
			continue;
		} else {
			unexpected(sc, sc->tok.line, "the name of a setting",
			    "");
			lexer_blank(sc->scan->text, sc->tok.begin, sc->tok.end);
		}
		advance(sc);
	}
	end_of_file(sc);
}

/* ------------------------------------------------------------- duplicates */

static bool
same_place(const struct scan_item *a, const struct scan_item *b)
{
	if (a->is_section != b->is_section || a->section != b->section ||
	    strcmp(a->name, b->name) != 0)
		return false;
	if (a->title == NULL || b->title == NULL)
		return a->title == b->title;
	return strcmp(a->title, b->title) == 0;
}

/* What is there twice; libconfuse would let the last one win. */
static void
check_twice(struct scan *s, struct config_log *log)
{
	struct scan_item *it;
	size_t i, k;

	for (i = 0; i < s->nitems; i++) {
		it = &s->items[i];
		for (k = 0; k < i && !it->append; k++)
			if (same_place(&s->items[k], it))
				break;
		if (it->append || k == i || it->bad)
			continue;
		if (it->title != NULL)
			config_error(log, it->line,
			    "section %s \"%s\" is already in line %u", it->name,
			    it->title, s->items[k].line);
		else
			config_error(log, it->line,
			    "%s%s is already set in line %u",
			    it->is_section ? "section " : "", it->name,
			    s->items[k].line);
		config_scan_drop(s, i);
	}
}

/* ----------------------------------------------------------------- public */

void
config_scan(struct scan *s, struct config_log *log, char *text, size_t len)
{
	struct scanner sc = { .scan = s, .log = log, .section = -1 };
	size_t i;

	memset(s, 0, sizeof(*s));
	s->text = text;
	lexer_begin(&sc.lex, log, text, len);
	advance(&sc);
	statements(&sc);
	s->cut |= sc.lex.cut;
	for (i = 0; i < s->nitems; i++)
		if (s->items[i].bad)
			config_scan_drop(s, i);
	check_twice(s, log);
}

void
config_scan_free(struct scan *s)
{
	size_t i;

	for (i = 0; i < s->nitems; i++) {
		free(s->items[i].name);
		free(s->items[i].title);
		free(s->items[i].lines);
	}
	free(s->items);
	memset(s, 0, sizeof(*s));
}

static bool
stands_in(const struct scan *s, const struct scan_item *it, const char *section,
    const char *title)
{
	const struct scan_item *sec;

	if (it->section == -1 || section == NULL)
		return it->section == -1 && section == NULL;
	sec = &s->items[it->section];
	if (strcmp(sec->name, section) != 0)
		return false;
	if (title == NULL || sec->title == NULL)
		return title == sec->title;
	return strcmp(sec->title, title) == 0;
}

struct scan_item *
config_scan_find(const struct scan *s, const char *section, const char *title,
    const char *name)
{
	size_t i;

	for (i = 0; i < s->nitems; i++)
		if (!s->items[i].is_section &&
		    strcmp(s->items[i].name, name) == 0 &&
		    stands_in(s, &s->items[i], section, title))
			return &s->items[i];
	return NULL;
}

unsigned
config_scan_line(const struct scan *s, const struct scan_item *first, size_t n)
{
	const struct scan_item *it;

	for (it = first; it < s->items + s->nitems; it++) {
		if (it->bad || it->is_section || !same_place(first, it))
			continue;
		if (n < it->nvalues)
			return it->lines[n];
		n -= it->nvalues;
	}
	return first->line;
}
