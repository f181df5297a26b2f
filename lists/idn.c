/*
 * International names: all of libidn2. A name is compared as its A-labels, so
 * that it matches however it was written; what stands in UTF-8 is checked
 * before a library sees it.
 */
#include <string.h>

#include <idn2.h>

#include "lists/name.h"

/* Octets of the UTF-8 sequence at p, RFC 3629, section 4; 0: it is none. */
static size_t
sequence_len(const unsigned char *p, size_t left)
{
	static const struct {
		unsigned char first, last, from, to; /* of octets 1 and 2 */
		size_t len;
	} rows[] = {
		{ 0xc2, 0xc2, 0xa0, 0xbf, 2 }, /* no controls: U+0080-9F */
		{ 0xc3, 0xdf, 0x80, 0xbf, 2 },
		{ 0xe0, 0xe0, 0xa0, 0xbf, 3 },
		{ 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 }, /* no surrogates */
		{ 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 },
		{ 0xf1, 0xf3, 0x80, 0xbf, 4 },
		{ 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	size_t i, k;

	if (p[0] < 0x80)
		return p[0] >= 0x20 && p[0] != 0x7f ? 1 : 0;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (p[0] >= rows[i].first && p[0] <= rows[i].last)
			break;
	if (i == sizeof(rows) / sizeof(rows[0]) || left < rows[i].len ||
	    p[1] < rows[i].from || p[1] > rows[i].to)
		return 0;
	for (k = 2; k < rows[i].len; k++)
		if ((p[k] & 0xc0) != 0x80)
			return 0;
	return rows[i].len;
}

bool
utf8_is_text(const char *text, size_t len)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t n;

	for (; len > 0; p += n, len -= n)
		if ((n = sequence_len(p, len)) == 0)
			return false;
	return true;
}

bool
utf8_is_ascii(const char *text, size_t len)
{
	for (; len > 0; text++, len--)
		if ((unsigned char)*text >= 0x80)
			return false;
	return true;
}

int
name_from_text(char out[NAME_TEXT_MAX], const char *text, size_t len)
{
	char name[NAME_TEXT_MAX], *ascii;
	int r;

	if (utf8_is_ascii(text, len))
		return name_canonical(out, text, len);
	if (len >= sizeof(name) || !utf8_is_text(text, len))
		return -1;
	memcpy(name, text, len);
	name[len] = '\0';
	if (idn2_to_ascii_8z(name, &ascii,
		IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) != IDN2_OK)
		return -1;
	r = name_canonical(out, ascii, strlen(ascii));
	idn2_free(ascii);
	return r;
}
