/*
 * Domain names and mailboxes. Canonical is: lower case in ASCII, no dot at
 * the end, a local part without its quotes. All parsers read forwards with a
 * length and fail with -1 on anything else.
 */
#include <string.h>

#include "lists/name.h"

#define LABEL_MAX 63

static bool
is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9');
}

/* atext of RFC 5322 3.2.3 and RFC 6532, of which an unquoted local part is. */
static bool
is_atext(char c)
{
	return c != '\0' &&
	    (is_alnum(c) || (unsigned char)c >= 0x80 ||
		strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

char
ascii_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

int
name_canonical(char out[NAME_TEXT_MAX], const char *text, size_t len)
{
	size_t i, label = 0;

	if (len == 0 || len >= NAME_TEXT_MAX)
		return -1;
	for (i = 0; i < len; i++) {
		if (text[i] == '.') {
			if (label == 0)
				return -1;
			label = 0;
		} else {
			if (!is_alnum(text[i]) && text[i] != '-' &&
			    text[i] != '_')
				return -1;
			if (++label > LABEL_MAX)
				return -1;
		}
		out[i] = ascii_lower(text[i]);
	}
	out[len] = '\0';
	return label == 0 ? -1 : 0;
}

/* RFC 3696 section 2: no top-level domain is all digits. */
bool
name_is_domain(const char *canonical)
{
	const char *last = strrchr(canonical, '.');

	last = last == NULL ? canonical : last + 1;
	return last[strspn(last, "0123456789")] != '\0';
}

/* Quoted-string = DQUOTE *QcontentSMTP DQUOTE */
static size_t
parse_quoted(char *out, size_t size, const char *text, size_t len)
{
	size_t i, n = 0;

	for (i = 1; i < len && text[i] != '"'; i++) {
		if (text[i] == '\\' && ++i == len)
			return 0;
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f ||
		    n + 1 >= size)
			return 0;
		out[n++] = text[i];
	}
	out[n] = '\0';
	return i < len ? i + 1 : 0;
}

/* Dot-string = Atom *("." Atom); its meaning is itself. */
static size_t
parse_dots(char *out, size_t size, const char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len && (is_atext(text[i]) || text[i] == '.'); i++) {
		if (text[i] == '.' && (i == 0 || text[i - 1] == '.'))
			return 0;
		if (i + 1 >= size)
			return 0;
		out[i] = text[i];
	}
	out[i] = '\0';
	return i > 0 && text[i - 1] != '.' ? i : 0;
}

size_t
local_parse(char *out, size_t size, const char *text, size_t len)
{
	if (len > 0 && text[0] == '"')
		return parse_quoted(out, size, text, len);
	return parse_dots(out, size, text, len);
}

static bool
needs_quotes(const char *local)
{
	const char *p;

	for (p = local; *p != '\0'; p++)
		if (*p != '.' && !is_atext(*p))
			return true;
	return local[0] == '\0' || local[0] == '.' || p[-1] == '.' ||
	    strstr(local, "..") != NULL;
}

size_t
local_format(char *out, size_t size, const char *local)
{
	bool quotes = needs_quotes(local);
	size_t n = 0;

	if (quotes)
		out[n++] = '"';
	for (; *local != '\0'; local++) {
		if (n + 2 >= size)
			return 0;
		if (quotes && (*local == '"' || *local == '\\'))
			out[n++] = '\\';
		out[n++] = *local;
	}
	if (quotes)
		out[n++] = '"';
	return n;
}

/* Mailbox = Local-part "@" Domain, RFC 5321 4.1.2; no address literals. */
int
mailbox_parse(struct mailbox *m, const char *text, size_t len, const char **why)
{
	size_t n = local_parse(m->local, sizeof(m->local), text, len);

	if (n == 0 || m->local[0] == '\0' || !utf8_is_text(text, n) ||
	    (text[0] != '"' && n < len && text[n] != '@')) {
		*why = "the part before the @ is no local part (at most 64 "
		       "octets)";
		return -1;
	}
	if (n == len || text[n] != '@') {
		*why = "an address is written user@domain";
		return -1;
	}
	n++;
	if (name_from_text(m->domain, text + n, len - n) == -1 ||
	    !name_is_domain(m->domain)) {
		*why = "the part behind the @ is no domain name (no dot "
		       "at the end)";
		return -1;
	}
	return 0;
}

void
mailbox_format(char out[MAILBOX_TEXT_MAX], const char *local,
    const char *domain)
{
	size_t n = local_format(out, MAILBOX_TEXT_MAX - NAME_TEXT_MAX, local);

	out[n++] = '@';
	strlcpy(out + n, domain, MAILBOX_TEXT_MAX - n);
}
