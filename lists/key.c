/*
 * Keys of the lists: source text to CDB key and back. The same text gives
 * the same key whatever its case or notation; nothing allocates.
 */
#include <string.h>

#include "lists/key.h"
#include "lists/name.h"

static const char hex[] = "0123456789abcdef";

static int
digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Hex digits that a prefix of that family and length has in its key. */
static size_t
digits(int family, int len)
{
	return family == 4 ? 8 : (size_t)(len + 3) / 4;
}

size_t
key_from_prefix(char out[KEY_MAX], const struct prefix *p)
{
	size_t i, n = digits(p->addr.family, p->len);
	int v;

	out[0] = p->addr.family == 4 ? '4' : '6';
	out[1] = hex[p->len >> 4];
	out[2] = hex[p->len & 15];
	for (i = 0; i < n; i++) {
		v = p->addr.bytes[i / 2];
		out[3 + i] = hex[i % 2 == 0 ? v >> 4 : v & 15];
	}
	out[3 + n] = '\0';
	return 3 + n;
}

int
key_prefix_len(const char *key)
{
	int high, low;

	if (key[0] != '4' && key[0] != '6')
		return -1;
	high = digit(key[1]);
	low = high == -1 ? -1 : digit(key[2]);
	if (low == -1 || high * 16 + low > (key[0] == '4' ? 32 : 128))
		return -1;
	return high * 16 + low;
}

int
key_to_prefix(struct prefix *p, const char *key, size_t len)
{
	size_t i;
	int v;

	if (len < 3 || (key[0] != '4' && key[0] != '6') || digit(key[1]) < 0 ||
	    digit(key[2]) < 0)
		return -1;
	memset(p, 0, sizeof(*p));
	p->addr.family = (uint8_t)(key[0] - '0');
	p->len = (uint8_t)(digit(key[1]) * 16 + digit(key[2]));
	if (p->len > (p->addr.family == 4 ? 32 : 128) ||
	    len != 3 + digits(p->addr.family, p->len))
		return -1;
	for (i = 0; i + 3 < len; i++) {
		if ((v = digit(key[3 + i])) < 0)
			return -1;
		p->addr.bytes[i / 2] |= (uint8_t)(i % 2 == 0 ? v << 4 : v);
	}
	return 0;
}

void
key_format(char out[KEY_MAX], enum list_id id, const char *key, size_t len)
{
	char local[LOCAL_MAX + 1];
	struct prefix p;
	const char *at;

	if (key_to_prefix(&p, key, len) == 0) {
		prefix_format(&p, out);
		return;
	}
	if (len > 0) {
		key++;
		len--;
	}
	if (len >= KEY_MAX)
		len = KEY_MAX - 1;
	memcpy(out, key, len);
	out[len] = '\0';
	/* The domain holds no @, so the last one ends the local part. */
	at = strrchr(out, '@');
	if (at == NULL || (list_kind(id)->keys & KEY_MAILBOX) == 0 ||
	    at == out || at - out > LOCAL_MAX)
		return;
	strlcpy(local, out, (size_t)(at - out) + 1);
	mailbox_format(out, local, key + (at - out) + 1);
}

/* Append a domain name, canonical, behind what the key already holds. */
static int
append_name(struct key *k, const char *text, size_t len, const char **why)
{
	char name[NAME_TEXT_MAX];

	if (len > 0 && text[0] == '.') {
		k->text[k->len++] = '.';
		text++;
		len--;
	}
	*why = "no domain name";
	if (len > 0 && text[len - 1] == '.')
		*why = "leave out the dot at the end";
	if (name_from_text(name, text, len) == -1)
		return -1;
	if (!name_is_domain(name)) {
		*why = "an address where a domain name is expected";
		return -1;
	}
	len = strlen(name);
	memcpy(k->text + k->len, name, len + 1);
	k->len += len;
	return 0;
}

static int
parse_address(struct key *k, const char *text, size_t len, const char **why)
{
	char buf[PREFIX_TEXT_MAX];

	*why = "no IP address or network";
	if (len >= sizeof(buf) || memchr(text, '\0', len) != NULL)
		return -1;
	memcpy(buf, text, len);
	buf[len] = '\0';
	if (prefix_parse(&k->prefix, buf, &k->hostbits) == -1)
		return -1;
	k->kind = KEY_ADDR;
	k->len = key_from_prefix(k->text, &k->prefix);
	return 0;
}

static int
parse_mailbox(struct key *k, const char *text, size_t len, const char **why)
{
	struct mailbox m;
	size_t i;

	if (mailbox_parse(&m, text, len, why) == -1)
		return -1;
	k->kind = KEY_MAILBOX;
	for (i = 0; m.local[i] != '\0'; i++)
		k->text[k->len++] = ascii_lower(m.local[i]);
	k->text[k->len++] = '@';
	strlcpy(k->text + k->len, m.domain, sizeof(k->text) - k->len);
	k->len += strlen(m.domain);
	return 0;
}

static int
parse_literal(struct key *k, enum key_kind kind, const char *text)
{
	k->kind = kind;
	strlcpy(k->text + k->len, text, sizeof(k->text) - k->len);
	k->len += strlen(text);
	return 0;
}

/* Folded to lower case in ASCII, each run of blanks one space. */
static int
parse_word(struct key *k, const char *text, size_t len, const char **why)
{
	size_t i;
	char c;

	k->kind = KEY_WORD;
	for (i = 0; i < len; i++) {
		c = text[i] == '\t' ? ' ' : ascii_lower(text[i]);
		if (c == ' ' && (k->len == 1 || k->text[k->len - 1] == ' '))
			continue;
		if (k->len > WORD_MAX) {
			*why = "a word has at most 255 octets";
			return -1;
		}
		k->text[k->len++] = c;
	}
	if (k->len > 1 && k->text[k->len - 1] == ' ')
		k->len--;
	k->text[k->len] = '\0';
	*why = "an empty word";
	return k->len == 1 ? -1 : 0;
}

static bool
is(const char *text, size_t len, const char *literal)
{
	return len == strlen(literal) && memcmp(text, literal, len) == 0;
}

/* One of the keys that are names: host, .domain, helo:..., @domain. */
static int
parse_names(struct key *k, unsigned kinds, const char *text, size_t len,
    const char **why)
{
	if ((kinds & KEY_SCOPED) && len >= 5 &&
	    strncasecmp(text, "helo:", 5) == 0) {
		parse_literal(k, KEY_SCOPED, "helo:");
		return append_name(k, text + 5, len - 5, why);
	}
	if ((kinds & KEY_ATNAME) && text[0] == '@') {
		parse_literal(k, KEY_ATNAME, "@");
		return append_name(k, text + 1, len - 1, why);
	}
	k->kind = KEY_NAME;
	return append_name(k, text, len, why);
}

/* Meant as an address, whether or not it is one. */
static bool
is_numeric(const char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (text[i] == '/' || text[i] == ':')
			return true;
	return strspn(text, "0123456789.") >= len;
}

int
key_parse(struct key *k, enum list_id id, const char *text, size_t len,
    const char **why)
{
	unsigned kinds = list_kind(id)->keys;

	k->len = 0;
	k->hostbits = false;
	if (len == 0) {
		*why = "an empty key";
		return -1;
	}
	if ((kinds & KEY_ADDR) && parse_address(k, text, len, why) == 0)
		return 0;
	if (kinds == KEY_ADDR || ((kinds & KEY_ADDR) && is_numeric(text, len)))
		return -1;
	k->text[k->len++] = '=';
	if (kinds & KEY_WORD)
		return parse_word(k, text, len, why);
	if ((kinds & KEY_NULL) && is(text, len, "<>"))
		return parse_literal(k, KEY_NULL, "<>");
	if ((kinds & KEY_ANY) && is(text, len, "*"))
		return parse_literal(k, KEY_ANY, "*");
	if ((kinds & KEY_MAILBOX) && text[0] != '@' &&
	    (text[0] == '"' || memchr(text, '@', len) != NULL))
		return parse_mailbox(k, text, len, why);
	*why = "no key of this list";
	if (!(kinds & KEY_NAME) && text[0] != '@')
		return -1;
	return parse_names(k, kinds, text, len, why);
}
