/*
 * A source of millions of lines has hardly any but these, and what can be read
 * in one go need not be taken apart into tokens. Whatever is not plain, and
 * whatever is wrong, is left to lists/parse.c: here nothing is reported.
 */
#include <endian.h>
#include <string.h>

#include "lists/name.h"
#include "lists/plain.h"
#include "lists/source.h"
#include "lists/table.h"

#define LABEL_MAX 63

enum {
	DIGIT = 1,
	LETTER = 2,
	MARK = 4,  /* of a local part */
	DASH = 8,  /* of either part */
	UPPER = 32 /* the bit that makes it lower case */
};

static const unsigned char classes[256] = {
	['0' ... '9'] = DIGIT,
	['a' ... 'z'] = LETTER,
	['A' ... 'Z'] = LETTER | UPPER,
	['+'] = MARK,
	['-'] = DASH,
	['_'] = DASH,
};

struct plain {
	const char *p, *end;
	char key[1 + LOCAL_MAX + 1 + NAME_TEXT_MAX];
	size_t len;
};

static bool
is_at(const struct plain *pl, char c)
{
	return pl->p < pl->end && *pl->p == c;
}

/*
 * Decimal, one to three digits, no leading zero; else -1. How many digits they
 * are nobody can foresee, so four octets are looked at together; where less are
 * left, at the very end of a text, the line is none for us.
 */
static inline int
number(struct plain *pl)
{
	uint32_t v, other;
	int n;

	if (pl->end - pl->p < 4)
		return -1;
	memcpy(&v, pl->p, sizeof(v));
	v = le32toh(v) ^ 0x30303030; /* each digit is its value now */
	other = ((v + 0x76767676) | v) & 0x80808080;
	n = other == 0 ? 4 : __builtin_ctz(other) / 8;
	if (n == 0 || n == 4 || (n > 1 && (v & 0xff) == 0))
		return -1;
	pl->p += n;
	v <<= 8 * (4 - n);
	return (int)((v >> 24) + (v >> 16 & 0xff) * 10 + (v >> 8 & 0xff) * 100);
}

static inline void
put_hex(struct plain *pl, uint32_t v, int shift)
{
	static const char hex[] = "0123456789abcdef";

	for (; shift >= 0; shift -= 4)
		pl->key[pl->len++] = hex[v >> shift & 15];
}

static bool
read_network(struct plain *pl)
{
	uint32_t a = 0;
	int i, v, len = 32;

	for (i = 0; i < 4; i++) {
		v = number(pl);
		if (v == -1 || v > 255 || (i < 3 && !is_at(pl, '.')))
			return false;
		a = a << 8 | (uint32_t)v;
		pl->p += i < 3;
	}
	if (is_at(pl, '/')) {
		pl->p++;
		len = number(pl);
		if (len == -1 || len > 32)
			return false;
	}
	if (len < 32 && (a & UINT32_MAX >> len) != 0)
		return false;
	pl->key[pl->len++] = '4';
	put_hex(pl, (uint32_t)len, 4);
	put_hex(pl, a, 28);
	return true;
}

/*
 * Words of these classes with single dots between, in lower case, as far as
 * they go but no more octets than most: then another word octet is left, which
 * is nothing that may follow. The classes of the last word are left in *last.
 * What changes with each octet is local: a key may lie anywhere, and the
 * compiler would have to store the rest each time.
 */
static bool
read_words(struct plain *pl, unsigned allowed, size_t most, ptrdiff_t most_word,
    unsigned *last)
{
	const char *p = pl->p, *word = p, *end = pl->end;
	char *to = pl->key + pl->len;
	unsigned class;

	if ((size_t)(end - p) > most)
		end = p + most;
	for (*last = 0;; *last = 0) {
		for (; p < end; p++) {
			class = classes[(unsigned char)*p];
			if ((class & allowed) == 0)
				break;
			*last |= class;
			*to++ = (char)(*p | (int)(class & UPPER));
		}
		if (p == word || p - word > most_word)
			return false;
		if (p == end || *p != '.')
			break;
		*to++ = *p++;
		word = p;
	}
	pl->len += (size_t)(p - pl->p);
	pl->p = p;
	return true;
}

static bool
read_mailbox(struct plain *pl)
{
	unsigned last;

	pl->key[pl->len++] = '=';
	if (!read_words(pl, DIGIT | LETTER | MARK | DASH, LOCAL_MAX, LOCAL_MAX,
		&last) ||
	    !is_at(pl, '@'))
		return false;
	pl->key[pl->len++] = *pl->p++;
	/* no top-level domain is all digits, see name_is_domain */
	return read_words(pl, DIGIT | LETTER | DASH, NAME_TEXT_MAX - 1,
		   LABEL_MAX, &last) &&
	    last != DIGIT;
}

size_t
parse_plain(struct source *s, const char *file, uint32_t line, const char *text,
    const char *end)
{
	const struct list_kind *kind = list_kind(s->id);
	struct rule rule = { .argument = "", .text = "", .file = file };
	struct plain pl;
	bool good;

	pl.p = text;
	pl.end = end;
	pl.len = 0;
	if (kind->first == -1)
		return 0;
	if ((kind->keys & KEY_ADDR) != 0)
		good = read_network(&pl);
	else
		good = (kind->keys & KEY_MAILBOX) != 0 && read_mailbox(&pl);
	if (!good || (pl.p < end && *pl.p != '\n'))
		return 0;
	rule.action = (uint8_t)kind->first;
	source_add(s, pl.key, pl.len, &rule, line);
	return (size_t)(pl.p - text);
}
