/*
 * The grammar of all lists:
 *
 *	line   = [ key [ action [ argument ]] [ "until=" time ] [ text ]]
 *	         [ comment ]
 *	key    = word / quoted
 *	text   = quoted
 *	quoted = DQUOTE *( octet / "\" DQUOTE / "\\" ) DQUOTE
 *
 * Tokens are parted by blanks; a comment is # at the start of a line or
 * after a blank. A route's action and argument are one word, smtp:10.0.0.5.
 */
#include <string.h>

#include "lists/key.h"
#include "lists/parse.h"
#include "lists/table.h"

enum token_kind {
	TOKEN_END,
	TOKEN_WORD,
	TOKEN_QUOTED,
	TOKEN_BAD
};

struct token {
	enum token_kind kind;
	size_t len;
	char text[SOURCE_LINE_MAX + 1];
};

struct parser {
	struct source *source;
	struct report *report;
	const char *file;
	uint32_t line;
	const char *p, *end; /* what is left of the line */
	struct token token;  /* the one at hand */
	struct rule rule;
	struct key key;
};

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* The token up to the closing quote; its text without quotes. */
static const char *
read_quoted(struct parser *ps)
{
	struct token *t = &ps->token;

	for (ps->p++; ps->p < ps->end && *ps->p != '"'; ps->p++) {
		if (*ps->p == '\\') {
			ps->p++;
			if (ps->p == ps->end ||
			    (*ps->p != '"' && *ps->p != '\\'))
				return "a backslash stands only before \" "
				       "and \\";
		}
		t->text[t->len++] = *ps->p;
	}
	if (ps->p == ps->end)
		return "a quote is not closed";
	ps->p++;
	if (ps->p < ps->end && !is_blank(*ps->p))
		return "a blank is missing behind the closing quote";
	return NULL;
}

/* Advance to the next token. 0, or -1 after reporting. */
static int
next(struct parser *ps)
{
	struct token *t = &ps->token;
	const char *word, *why = NULL;

	t->len = 0;
	while (ps->p < ps->end && is_blank(*ps->p))
		ps->p++;
	if (ps->p == ps->end || *ps->p == '#') {
		t->kind = TOKEN_END;
	} else if (*ps->p == '"') {
		t->kind = TOKEN_QUOTED;
		why = read_quoted(ps);
	} else {
		t->kind = TOKEN_WORD;
		word = ps->p;
		while (ps->p < ps->end && !is_blank(*ps->p))
			ps->p++;
		t->len = (size_t)(ps->p - word);
		memcpy(t->text, word, t->len);
	}
	t->text[t->len] = '\0';
	if (why == NULL)
		return 0;
	report_error(ps->report, ps->file, ps->line, "%s", why);
	t->kind = TOKEN_BAD;
	return -1;
}

/*
 * A name that may send to anywhere: never a whole top-level domain, nor an
 * address that was mistyped. A top-level domain is two letters at least, or
 * xn-- and more (RFC 3696 section 2).
 */
static const char *
relay_name_trouble(const char *name)
{
	const char *p, *top = strrchr(name, '.');

	if (strchr(name + 1, '.') == NULL)
		return "a name in list relay has two labels at least";
	top++;
	for (p = top; *p >= 'a' && *p <= 'z'; p++)
		continue;
	if (p - top >= 2 && (*p == '\0' || strncmp(top, "xn--", 4) == 0))
		return NULL;
	return "a name in list relay ends in a top-level domain";
}

static int
parse_key(struct parser *ps)
{
	const struct list_kind *kind = list_kind(ps->source->id);
	const struct token *t = &ps->token;
	char text[PREFIX_TEXT_MAX];
	const char *why;

	if (key_parse(&ps->key, ps->source->id, t->text, t->len, &why) == -1) {
		report_error(ps->report, ps->file, ps->line,
		    "`%.60s`: %s; a key of list %s is %s", t->text, why,
		    kind->name, kind->expected);
		return -1;
	}
	if (ps->source->id == LIST_RELAY && ps->key.kind == KEY_NAME &&
	    (why = relay_name_trouble(ps->key.text + 1)) != NULL) {
		report_error(ps->report, ps->file, ps->line, "`%.60s`: %s",
		    t->text, why);
		return -1;
	}
	if (ps->key.hostbits)
		report_warning(ps->report, ps->file, ps->line,
		    "`%.60s` has host bits set: taken as %s", t->text,
		    prefix_format(&ps->key.prefix, text));
	return 0;
}

/* "reject, defer, drop, allow" */
static void
actions_text(enum list_id id, char *out, size_t size)
{
	unsigned set = list_kind(id)->actions;
	int i;

	out[0] = '\0';
	for (i = 0; i < ACT_COUNT; i++) {
		if ((set & BIT(i)) == 0)
			continue;
		if (out[0] != '\0')
			strlcat(out, ", ", size);
		strlcat(out, list_action_name((enum list_action)i), size);
		if (id == LIST_ROUTES)
			strlcat(out, ":...", size);
	}
}

static int
bad_action(struct parser *ps, const char *what)
{
	char known[128];

	actions_text(ps->source->id, known, sizeof(known));
	report_error(ps->report, ps->file, ps->line, "`%.60s`: %s %s: %s%s",
	    ps->token.text, what, list_name(ps->source->id), known,
	    ps->source->id == LIST_ROUTES ?
		"" :
		" (a text stands in double quotes)");
	return -1;
}

static int
store_argument(struct parser *ps, const char *shown, const char *text,
    size_t len)
{
	char out[SOURCE_ARG_MAX + 1];
	const char *why;

	if (argument_parse(out, (enum list_action)ps->rule.action, text, len,
		&why) == -1) {
		report_error(ps->report, ps->file, ps->line, "`%.120s`: %s",
		    shown, why);
		return -1;
	}
	ps->rule.argument = arena_copy(&ps->source->strings, out, strlen(out));
	return 0;
}

/* A route: scheme:target in one word. */
static int
parse_route(struct parser *ps)
{
	const struct token *t = &ps->token;
	const char *colon;
	int action = -1;

	if (t->kind != TOKEN_WORD || strncmp(t->text, "until=", 6) == 0) {
		report_error(ps->report, ps->file, ps->line,
		    "a route needs a target: smtp:HOST, lmtp:HOST:PORT, "
		    "mx:DOMAIN or maildir:/PATH");
		return -1;
	}
	colon = memchr(t->text, ':', t->len);
	if (colon != NULL)
		action = list_action_by_name(t->text,
		    (size_t)(colon - t->text));
	if (action == -1 || (BIT(action) & ROUTE_ACTS) == 0)
		return bad_action(ps, "no target of list");
	ps->rule.action = (uint8_t)action;
	if (store_argument(ps, t->text, colon + 1,
		t->len - (size_t)(colon + 1 - t->text)) == -1)
		return -1;
	return next(ps);
}

/* [ action [ argument ]]: the token at hand, if it is one. */
static int
parse_action(struct parser *ps)
{
	const struct list_kind *kind = list_kind(ps->source->id);
	const struct token *t = &ps->token;
	int action;

	if (ps->source->id == LIST_ROUTES)
		return parse_route(ps);
	ps->rule.action = (uint8_t)kind->first;
	if (t->kind != TOKEN_WORD || strncmp(t->text, "until=", 6) == 0)
		return 0;
	action = list_action_by_name(t->text, t->len);
	if (action == -1 || (kind->actions & BIT(action)) == 0)
		return bad_action(ps, "no action of list");
	ps->rule.action = (uint8_t)action;
	if (next(ps) == -1)
		return -1;
	if (!list_action_has_argument((enum list_action)action))
		return 0;
	if (t->kind == TOKEN_END || strncmp(t->text, "until=", 6) == 0) {
		report_error(ps->report, ps->file, ps->line,
		    "%s needs the new address: user@domain",
		    list_action_name((enum list_action)action));
		return -1;
	}
	if (store_argument(ps, t->text, t->text, t->len) == -1)
		return -1;
	return next(ps);
}

static int
parse_until(struct parser *ps)
{
	const struct token *t = &ps->token;
	const char *why;

	if (t->kind != TOKEN_WORD || strncmp(t->text, "until=", 6) != 0)
		return 0;
	ps->rule.until = until_parse(t->text + 6, t->len - 6, &why);
	if (ps->rule.until != -1)
		return next(ps);
	report_error(ps->report, ps->file, ps->line, "`%.60s`: %s", t->text,
	    why);
	return -1;
}

const char *
text_trouble(const char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (text[i] < 0x20 || text[i] > 0x7e)
			return "a text goes into a reply: only printable ASCII";
	return len <= SOURCE_TEXT_MAX ? NULL :
					"a text has at most 400 characters";
}

static int
parse_text(struct parser *ps)
{
	const struct token *t = &ps->token;
	const char *why;

	if (t->kind != TOKEN_QUOTED)
		return 0;
	why = text_trouble(t->text, t->len);
	if (why != NULL) {
		report_error(ps->report, ps->file, ps->line, "%s", why);
		return -1;
	}
	ps->rule.text = arena_copy(&ps->source->strings, t->text, t->len);
	return next(ps);
}

static int
parse_end(struct parser *ps)
{
	const struct token *t = &ps->token;
	const char *why;

	if (t->kind == TOKEN_END)
		return 0;
	if (t->kind == TOKEN_QUOTED)
		why = "is a second text";
	else if (strncmp(t->text, "until=", 6) == 0)
		why = "stands once, before the text";
	else
		why = "is one word too many (a text stands in double quotes)";
	report_error(ps->report, ps->file, ps->line, "`%.60s` %s", t->text,
	    why);
	return -1;
}

/* The order of the grammar; each step leaves the token it does not take. */
static int
parse_entry(struct parser *ps)
{
	if (next(ps) == -1)
		return -1;
	if (ps->token.kind == TOKEN_END)
		return 0;
	if (parse_key(ps) == -1 || next(ps) == -1)
		return -1;
	if (parse_action(ps) == -1 || parse_until(ps) == -1 ||
	    parse_text(ps) == -1 || parse_end(ps) == -1)
		return -1;
	source_add(ps->source, ps->key.text, ps->key.len, &ps->rule, ps->line);
	return 0;
}

void
parse_line(struct source *s, const char *file, uint32_t line, const char *text,
    size_t len, struct report *r)
{
	struct parser ps;

	ps.source = s;
	ps.report = r;
	ps.file = file;
	ps.line = line;
	ps.p = text;
	ps.end = text + len;
	memset(&ps.rule, 0, sizeof(ps.rule));
	ps.rule.argument = "";
	ps.rule.text = "";
	ps.rule.file = file;
	parse_entry(&ps);
}
