/*
 * Path, mailbox and parameter syntax.
 *
 *	Path       = "<" [ A-d-l ":" ] Mailbox ">"
 *	A-d-l      = At-domain *( "," At-domain )
 *	Mailbox    = Local-part "@" ( Domain / address-literal )
 *	Local-part = Dot-string / Quoted-string
 */
#include <arpa/inet.h>

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "worker/path.h"

/*
 * address-literal = "[" ( IPv4 / "IPv6:" IPv6 ) "]"; kept as written, in lower
 * case.
 */
static const char *
address_literal(const char *p, const char *end, char out[NAME_TEXT_MAX])
{
	const char *close = memchr(p, ']', (size_t)(end - p));
	unsigned char binary[16];
	char *inner = out + 1;
	size_t i, len;

	if (close == NULL || (len = (size_t)(close + 1 - p)) >= 64 ||
	    memchr(p, '\0', len) != NULL)
		return NULL;
	for (i = 0; i < len; i++)
		out[i] = (char)tolower((unsigned char)p[i]);
	out[len - 1] = '\0';
	if (strncmp(inner, "ipv6:", 5) == 0 ?
		inet_pton(AF_INET6, inner + 5, binary) != 1 :
		inet_pton(AF_INET, inner, binary) != 1)
		return NULL;
	out[len - 1] = ']';
	out[len] = '\0';
	return close + 1;
}

/* A domain may have labels in UTF-8 (RFC 6531, section 3.3). */
static const char *
domain(const char *p, const char *end, char out[NAME_TEXT_MAX])
{
	const char *q = p;

	if (p < end && *p == '[')
		return address_literal(p, end, out);
	while (q < end &&
	    (isalnum((unsigned char)*q) || *q == '-' || *q == '.' ||
		*q == '_' || (unsigned char)*q >= 0x80))
		q++;
	return name_from_text(out, p, (size_t)(q - p)) == 0 ? q : NULL;
}

/*
 * Write the address as it goes on. Its domain goes on in UTF-8 where it came
 * so: the next hop sees what it would see without us. 0, or -1 when it gets
 * too long.
 */
static int
write_text(struct mailbox *m, const char *name, size_t len)
{
	size_t n = local_format(m->text, sizeof(m->text) - NAME_TEXT_MAX - 4,
	    m->local);

	if (n == 0)
		return -1;
	m->text[n++] = '@';
	if (utf8_is_ascii(name, len)) {
		name = m->domain;
		len = strlen(name);
	}
	if (len >= NAME_TEXT_MAX) /* so much was left */
		return -1;
	memcpy(m->text + n, name, len);
	m->text[n + len] = '\0';
	return 0;
}

static const char *
mailbox(const char *p, const char *end, struct mailbox *m)
{
	size_t n = local_parse(m->local, sizeof(m->local), p,
	    (size_t)(end - p));

	const char *name = p + n + 1;

	if (n == 0 || !utf8_is_text(p, n) || p + n == end || p[n] != '@')
		return NULL;
	if ((p = domain(name, end, m->domain)) == NULL)
		return NULL;
	return write_text(m, name, (size_t)(p - name)) == 0 ? p : NULL;
}

int
mailbox_from_text(const char *text, struct mailbox *m)
{
	const char *end = text + strlen(text);

	memset(m, 0, sizeof(*m));
	return mailbox(text, end, m) == end ? 0 : -1;
}

/* "@a,@b:" before the mailbox: checked, then passed over. */
static const char *
source_route(const char *p, const char *end)
{
	char scratch[NAME_TEXT_MAX];

	while (p < end && *p == '@') {
		if ((p = domain(p + 1, end, scratch)) == NULL || p == end)
			return NULL;
		if (*p == ':')
			return p + 1;
		if (*p != ',')
			return NULL;
		p++;
	}
	return NULL;
}

const char *
path_parse(const char **cursor, const char *end, enum path_kind kind,
    struct mailbox *m, const char **status)
{
	static const char postmaster[] = "postmaster>";
	const char *p = *cursor;

	memset(m, 0, sizeof(*m));
	*status = kind == PATH_SENDER ? "5.1.7" : "5.1.3";
	while (p < end && *p == ' ')
		p++;
	if (p == end || *p != '<')
		return "an address in angle brackets is needed";
	p++;
	if (kind == PATH_SENDER && p < end && *p == '>') {
		*cursor = p + 1;
		return NULL;
	}
	if (kind == PATH_RECIPIENT &&
	    (size_t)(end - p) >= sizeof(postmaster) - 1 &&
	    strncasecmp(p, postmaster, sizeof(postmaster) - 1) == 0) {
		m->postmaster = true;
		*cursor = p + sizeof(postmaster) - 1;
		return NULL;
	}
	if (p < end && *p == '@' && (p = source_route(p, end)) == NULL)
		return "the source route is malformed";
	if ((p = mailbox(p, end, m)) == NULL || p == end || *p != '>')
		return "the address is malformed";
	*cursor = p + 1;
	return NULL;
}

/* esmtp-keyword = (ALPHA / DIGIT) *(ALPHA / DIGIT / "-") */
static const char *
keyword(const char *p, const char *end)
{
	if (p == end || !isalnum((unsigned char)*p))
		return p;
	while (p < end && (isalnum((unsigned char)*p) || *p == '-'))
		p++;
	return p;
}

/* esmtp-value = 1*(%d33-60 / %d62-126); UTF-8 is its user's business */
static const char *
param_value(const char *p, const char *end)
{
	for (; p < end; p++)
		if ((*p >= 0 && *p <= 0x20) || *p == 0x7f || *p == '=')
			break;
	return p;
}

int
param_next(const char **cursor, const char *end, struct param *par)
{
	const char *p = *cursor;

	if (p < end && *p != ' ')
		return -1;
	while (p < end && *p == ' ')
		p++;
	*cursor = p;
	if (p == end)
		return 0;
	par->key = p;
	p = keyword(p, end);
	if ((par->key_len = (size_t)(p - par->key)) == 0)
		return -1;
	par->value = NULL;
	par->value_len = 0;
	if (p < end && *p == '=') {
		par->value = ++p;
		p = param_value(p, end);
		if ((par->value_len = (size_t)(p - par->value)) == 0)
			return -1;
	}
	*cursor = p;
	return 1;
}

bool
param_is(const struct param *par, const char *key)
{
	return strlen(key) == par->key_len &&
	    strncasecmp(key, par->key, par->key_len) == 0;
}

bool
param_add(char *out, size_t size, const struct param *par)
{
	size_t n = strlen(out);

	if (n + par->key_len + par->value_len + 3 > size)
		return false;
	out[n++] = ' ';
	memcpy(out + n, par->key, par->key_len);
	n += par->key_len;
	if (par->value != NULL) {
		out[n++] = '=';
		memcpy(out + n, par->value, par->value_len);
		n += par->value_len;
	}
	out[n] = '\0';
	return true;
}
