/*
 * From text to tokens. Where libconfuse would be lenient this is not: a
 * string ends on its line, an unknown escape is an error, and so is "${",
 * for which libconfuse would put in the environment.
 */
#include <ctype.h>
#include <string.h>

#include "daemon/config_lex.h"
#include "daemon/config_report.h"

/* ------------------------------------------------------------------ bytes */

void
lexer_blank(char *text, size_t begin, size_t end)
{
	for (; begin < end; begin++)
		if (text[begin] != '\n')
			text[begin] = ' ';
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

/* Once a line. */
static void
check_bytes(struct lexer *lx)
{
	unsigned char *p = (unsigned char *)lx->text;
	unsigned line = 1, told = 0;
	const char *trouble;
	size_t i, n;

	for (i = 0; i<lx->len; i += n> 0 ? n : 1) {
		n = utf8_len(p + i, lx->len - i);
		if ((trouble = byte_trouble(p + i, n)) != NULL) {
			if (told != line)
				config_error(lx->log, line, "%s", trouble);
			told = line;
			memset(p + i, '?', n > 0 ? n : 1);
		} else if (p[i] == '\n')
			line++;
	}
}

/* ----------------------------------------------------------------- tokens */

static int
peek(const struct lexer *lx, size_t ahead)
{
	if (lx->at + ahead >= lx->len)
		return -1;
	return (unsigned char)lx->text[lx->at + ahead];
}

static void
skip_line_comment(struct lexer *lx)
{
	size_t begin = lx->at;

	while (peek(lx, 0) != -1 && peek(lx, 0) != '\n')
		lx->at++;
	lexer_blank(lx->text, begin, lx->at);
}

static void
skip_comment(struct lexer *lx)
{
	size_t begin = lx->at;
	unsigned line = lx->line;

	lx->at += 2;
	while (
	    peek(lx, 0) != -1 && (peek(lx, 0) != '*' || peek(lx, 1) != '/')) {
		if (peek(lx, 0) == '\n')
			lx->line++;
		lx->at++;
	}
	if (peek(lx, 0) == -1) {
		config_error(lx->log, line, "this comment is not closed");
		lx->cut = true;
	} else
		lx->at += 2;
	lexer_blank(lx->text, begin, lx->at);
}

static void
skip_space(struct lexer *lx)
{
	int c;

	for (;;) {
		c = peek(lx, 0);
		if (c == '#' || (c == '/' && peek(lx, 1) == '/'))
			skip_line_comment(lx);
		else if (c == '/' && peek(lx, 1) == '*')
			skip_comment(lx);
		else if (c == ' ' || c == '\t' || c == '\n') {
			if (c == '\n')
				lx->line++;
			lx->at++;
		} else
			return;
	}
}

static int
environment(struct lexer *lx)
{
	config_error(lx->log, lx->line,
	    "\"${\" is not allowed: the environment is not consulted "
	    "(in double quotes, write \\x24{ for the characters themselves)");
	return -1;
}

/* \ and up to three octal digits; libconfuse refuses a longer number. */
static int
octal_escape(struct lexer *lx)
{
	unsigned value = 0, n;

	for (n = 0; isdigit(peek(lx, 0)); n++, lx->at++) {
		if (n == 3 || peek(lx, 0) > '7')
			return -1;
		value = value * 8 + (unsigned)(peek(lx, 0) - '0');
	}
	return value >= 1 && value <= 255 ? 0 : -1;
}

static int
hex_escape(struct lexer *lx)
{
	unsigned n, nonzero = 0;

	for (n = 0; n < 2 && isxdigit(peek(lx, 0)); n++, lx->at++)
		nonzero |= peek(lx, 0) != '0';
	return nonzero ? 0 : -1; /* a NUL would cut the string short */
}

/* What follows a backslash in double quotes; the backslash is behind us. */
static int
escape(struct lexer *lx)
{
	int c = peek(lx, 0);
	int r = 0;

	if (c == -1)
		return 0; /* the string is not closed: said there */
	if (isdigit(c))
		r = octal_escape(lx);
	else {
		lx->at++;
		if (c == '\n')
			lx->line++;
		else if (c == 'x')
			r = hex_escape(lx);
		else if (c >= 0x80 ||
		    (isalpha(c) && strchr("abefnrtv", c) == NULL))
			r = -1;
	}
	if (r == -1)
		config_error(lx->log, lx->line, "bad escape sequence");
	return r;
}

static enum token_type
lex_string(struct lexer *lx, int quote)
{
	int c, r = 0;

	lx->at++;
	while ((c = peek(lx, 0)) != quote) {
		if (c == -1 || c == '\n') {
			config_error(lx->log, lx->line,
			    "this string is not closed");
			return T_BAD;
		}
		lx->at++;
		if (c == '$' && peek(lx, 0) == '{')
			r |= environment(lx);
		else if (c == '\\' && quote == '"')
			r |= escape(lx);
		else if (c == '\\' && peek(lx, 0) == '\n') {
			lx->line++;
			lx->at++;
		} else if (c == '\\' &&
		    (peek(lx, 0) == '\\' || peek(lx, 0) == '\''))
			lx->at++;
	}
	lx->at++;
	return r == 0 ? T_STRING : T_BAD;
}

static bool
in_word(int c)
{
	return c != -1 && strchr(" \t\n\r#\"'={}()+,*", c) == NULL;
}

static enum token_type
lex_word(struct lexer *lx)
{
	int r = 0;

	for (; in_word(peek(lx, 0)); lx->at++) {
		if (peek(lx, 0) == '$' && peek(lx, 1) == '{')
			r |= environment(lx);
		if (peek(lx, 0) == '/' &&
		    (peek(lx, 1) == '/' || peek(lx, 1) == '*')) {
			config_error(lx->log, lx->line,
			    "a value with // or /* in it must be quoted");
			r = -1;
			lx->at++;
		}
	}
	return r == 0 ? T_WORD : T_BAD;
}

static enum token_type
lex(struct lexer *lx)
{
	int c = peek(lx, 0);

	if (c == -1)
		return T_END;
	if (c == '"' || c == '\'')
		return lex_string(lx, c);
	if (in_word(c))
		return lex_word(lx);
	lx->at++;
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
		if (peek(lx, 0) != '=')
			return T_STRAY;
		lx->at++;
		return T_APPEND;
	default:
		return T_STRAY;
	}
}

/* ----------------------------------------------------------------- public */

void
lexer_begin(struct lexer *lx, struct config_log *log, char *text, size_t len)
{
	memset(lx, 0, sizeof(*lx));
	lx->text = text;
	lx->len = len;
	lx->log = log;
	lx->line = 1;
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		lexer_blank(text, 0, 3); /* a byte order mark */
	check_bytes(lx);
}

void
lexer_next(struct lexer *lx, struct token *t)
{
	skip_space(lx);
	t->line = lx->line;
	t->begin = lx->at;
	t->type = lex(lx);
	t->end = lx->at;
}
