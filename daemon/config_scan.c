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
 * It is stricter than libconfuse where that helps to find a slip: a string
 * ends on its line, an unknown escape and a stray character are errors, and
 * no section stands in another.
 */
#include <ctype.h>
#include <err.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config_scan.h"

#define ITEMS_MAX 4096

enum token_type {
	T_END,
	T_WORD,
	T_STRING,
	T_OPEN,
	T_CLOSE,
	T_SET,
	T_APPEND,
	T_COMMA,
	T_STRAY, /* a character that begins nothing */
	T_BAD	 /* already complained of */
};

struct token {
	enum token_type type;
	unsigned line;
	size_t begin, end;
};

struct scanner {
	struct scan *scan;
	struct config_log *log;
	size_t at;
	unsigned line;
	struct token tok;   /* the one to look at */
	unsigned last_line; /* of the token before it */
	size_t last_end;
	long section; /* item of the open section; -1: none */
};

/* --------------------------------------------------------------- messages */

static void __attribute__((format(printf, 4, 0)))
message(struct config_log *log, unsigned line, const char *kind,
    const char *fmt, va_list ap)
{
	char text[768], whole[1280];

	vsnprintf(text, sizeof(text), fmt, ap);
	if (line != 0)
		snprintf(whole, sizeof(whole), "%s:%u: %s%s", log->path, line,
		    kind, text);
	else
		snprintf(whole, sizeof(whole), "%s: %s%s", log->path, kind,
		    text);
	log->report(log->arg, whole);
}

void
config_error(struct config_log *log, unsigned line, const char *fmt, ...)
{
	va_list ap;

	log->errors++;
	if (log->errors > CONFIG_ERRORS_MAX + 1)
		return;
	if (log->errors > CONFIG_ERRORS_MAX)
		fmt = "too many errors, the rest is not shown";
	va_start(ap, fmt);
	message(log, line, "", fmt, ap);
	va_end(ap);
}

void
config_warning(struct config_log *log, unsigned line, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	message(log, line, "warning: ", fmt, ap);
	va_end(ap);
}

/* ------------------------------------------------------------------ bytes */

static void
blank(struct scan *s, size_t begin, size_t end)
{
	for (; begin < end; begin++)
		if (s->text[begin] != '\n')
			s->text[begin] = ' ';
}

/* The length of the UTF-8 character at p (RFC 3629), or 0 if it is none. */
static size_t
utf8_len(const unsigned char *p, size_t left)
{
	size_t n, i;

	if (p[0] < 0x80)
		return 1;
	n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	if (p[0] < 0xc2 || p[0] > 0xf4 || n > left)
		return 0;
	for (i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

static const char *
byte_trouble(const unsigned char *p, size_t n)
{
	if (n == 0)
		return "a byte that is not UTF-8";
	if (p[0] == '\0')
		return "a NUL byte";
	if (p[0] == '\r')
		return "a carriage return (lines end with a line feed alone)";
	if ((p[0] < ' ' && p[0] != '\t' && p[0] != '\n') || p[0] == 0x7f ||
	    (p[0] == 0xc2 && p[1] < 0xa0))
		return "a control character";
	return NULL;
}

/*
 * Complain of bytes that have no place in a text, once a line, and put
 * question marks in their place: messages may then quote the text.
 */
static void
check_bytes(struct scan *s, struct config_log *log)
{
	unsigned char *p = (unsigned char *)s->text;
	unsigned line = 1, told = 0;
	const char *trouble;
	size_t i, n;

	for (i = 0; i<s->len; i += n> 0 ? n : 1) {
		n = utf8_len(p + i, s->len - i);
		if ((trouble = byte_trouble(p + i, n)) != NULL) {
			if (told != line)
				config_error(log, line, "%s", trouble);
			told = line;
			memset(p + i, '?', n > 0 ? n : 1);
		} else if (p[i] == '\n')
			line++;
	}
}

/* ----------------------------------------------------------------- tokens */

static int
peek(const struct scanner *sc, size_t ahead)
{
	if (sc->at + ahead >= sc->scan->len)
		return -1;
	return (unsigned char)sc->scan->text[sc->at + ahead];
}

static void
skip_line_comment(struct scanner *sc)
{
	size_t begin = sc->at;

	while (peek(sc, 0) != -1 && peek(sc, 0) != '\n')
		sc->at++;
	blank(sc->scan, begin, sc->at);
}

static void
skip_comment(struct scanner *sc)
{
	size_t begin = sc->at;
	unsigned line = sc->line;

	sc->at += 2;
	while (
	    peek(sc, 0) != -1 && (peek(sc, 0) != '*' || peek(sc, 1) != '/')) {
		if (peek(sc, 0) == '\n')
			sc->line++;
		sc->at++;
	}
	if (peek(sc, 0) == -1) {
		config_error(sc->log, line, "this comment is not closed");
		sc->scan->cut = true;
	} else
		sc->at += 2;
	blank(sc->scan, begin, sc->at);
}

static void
skip_space(struct scanner *sc)
{
	int c;

	for (;;) {
		c = peek(sc, 0);
		if (c == '#' || (c == '/' && peek(sc, 1) == '/'))
			skip_line_comment(sc);
		else if (c == '/' && peek(sc, 1) == '*')
			skip_comment(sc);
		else if (c == ' ' || c == '\t' || c == '\n') {
			if (c == '\n')
				sc->line++;
			sc->at++;
		} else
			return;
	}
}

static int
environment(struct scanner *sc)
{
	config_error(sc->log, sc->line,
	    "\"${\" is not allowed: the environment is not consulted "
	    "(in double quotes, write \\x24{ for the characters themselves)");
	return -1;
}

/* \ and up to three octal digits; libconfuse refuses a longer number. */
static int
octal_escape(struct scanner *sc)
{
	unsigned value = 0, n;

	for (n = 0; isdigit(peek(sc, 0)); n++, sc->at++) {
		if (n == 3 || peek(sc, 0) > '7')
			return -1;
		value = value * 8 + (unsigned)(peek(sc, 0) - '0');
	}
	return value >= 1 && value <= 255 ? 0 : -1;
}

static int
hex_escape(struct scanner *sc)
{
	unsigned n, nonzero = 0;

	for (n = 0; n < 2 && isxdigit(peek(sc, 0)); n++, sc->at++)
		nonzero |= peek(sc, 0) != '0';
	return nonzero ? 0 : -1; /* a NUL would cut the string short */
}

/* What follows a backslash in double quotes; the backslash is behind us. */
static int
escape(struct scanner *sc)
{
	int c = peek(sc, 0);
	int r = 0;

	if (c == -1)
		return 0; /* the string is not closed: said there */
	if (isdigit(c))
		r = octal_escape(sc);
	else {
		sc->at++;
		if (c == '\n')
			sc->line++;
		else if (c == 'x')
			r = hex_escape(sc);
		else if (c >= 0x80 ||
		    (isalpha(c) && strchr("abefnrtv", c) == NULL))
			r = -1;
	}
	if (r == -1)
		config_error(sc->log, sc->line, "bad escape sequence");
	return r;
}

static enum token_type
lex_string(struct scanner *sc, int quote)
{
	int c, r = 0;

	sc->at++;
	while ((c = peek(sc, 0)) != quote) {
		if (c == -1 || c == '\n') {
			config_error(sc->log, sc->line,
			    "this string is not closed");
			return T_BAD;
		}
		sc->at++;
		if (c == '$' && peek(sc, 0) == '{')
			r |= environment(sc);
		else if (c == '\\' && quote == '"')
			r |= escape(sc);
		else if (c == '\\' && peek(sc, 0) == '\n') {
			sc->line++;
			sc->at++;
		} else if (c == '\\' &&
		    (peek(sc, 0) == '\\' || peek(sc, 0) == '\''))
			sc->at++;
	}
	sc->at++;
	return r == 0 ? T_STRING : T_BAD;
}

static bool
in_word(int c)
{
	return c != -1 && strchr(" \t\n\r#\"'={}()+,*", c) == NULL;
}

static enum token_type
lex_word(struct scanner *sc)
{
	int r = 0;

	for (; in_word(peek(sc, 0)); sc->at++) {
		if (peek(sc, 0) == '$' && peek(sc, 1) == '{')
			r |= environment(sc);
		if (peek(sc, 0) == '/' &&
		    (peek(sc, 1) == '/' || peek(sc, 1) == '*')) {
			config_error(sc->log, sc->line,
			    "a value with // or /* in it must be quoted");
			r = -1;
			sc->at++;
		}
	}
	return r == 0 ? T_WORD : T_BAD;
}

static enum token_type
lex(struct scanner *sc)
{
	int c = peek(sc, 0);

	if (c == -1)
		return T_END;
	if (c == '"' || c == '\'')
		return lex_string(sc, c);
	if (in_word(c))
		return lex_word(sc);
	sc->at++;
	switch (c) {
	case '{':
		return T_OPEN;
	case '}':
		return T_CLOSE;
	case '=':
		return T_SET;
	case ',':
		return T_COMMA;
	case '+':
		if (peek(sc, 0) != '=')
			return T_STRAY;
		sc->at++;
		return T_APPEND;
	default:
		return T_STRAY;
	}
}

static void
advance(struct scanner *sc)
{
	sc->last_line = sc->tok.line;
	sc->last_end = sc->tok.end;
	skip_space(sc);
	sc->tok.line = sc->line;
	sc->tok.begin = sc->at;
	sc->tok.type = lex(sc);
	sc->tok.end = sc->at;
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
	blank(s, it->begin, it->end);
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
	blank(sc->scan, begin, sc->last_end);
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
	} else if (is_value(&sc->tok))
		item_value(it, sc->tok.line);
	else {
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
			blank(sc->scan, sc->tok.begin, sc->tok.end);
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
	struct scanner sc = { .scan = s, .log = log, .line = 1, .section = -1 };
	size_t i;

	memset(s, 0, sizeof(*s));
	s->text = text;
	s->len = len;
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		blank(s, 0, 3); /* a byte order mark */
	check_bytes(s, log);
	advance(&sc);
	statements(&sc);
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
