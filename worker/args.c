/*
 * bdat	  = "BDAT" SP chunk-size [ SP "LAST" ] CRLF
 * ret	  = "FULL" / "HDRS"
 * envid  = xtext
 * notify = "NEVER" / 1#( "SUCCESS" / "FAILURE" / "DELAY" )
 * orcpt  = atom ";" xtext / "utf-8;" UTF-8
 * xtext  = *( %d33-42 / %d44-60 / %d62-126 / "+" 2HEXDIG )
 */
#include <string.h>
#include <strings.h>

#include "lists/list.h"
#include "worker/args.h"

int
bdat_parse(const char *arg, const char *end, int64_t *size, bool *last)
{
	const char *p = arg;
	int64_t n = 0;

	for (; p < end && *p >= '0' && *p <= '9'; p++)
		n = n > (INT64_MAX - 9) / 10 ? INT64_MAX : n * 10 + (*p - '0');
	if (p == arg || (p < end && *p != ' '))
		return -1;
	while (p < end && *p == ' ')
		p++;
	*size = n;
	*last = p < end;
	return p == end || (end - p == 4 && strncasecmp(p, "LAST", 4) == 0) ?
	    0 :
	    -1;
}

#define ENVID_MAX 100 /* characters, when decoded */
#define ORCPT_MAX 500

static bool
is_word(const char *value, size_t len, const char *word)
{
	return len == strlen(word) && strncasecmp(value, word, len) == 0;
}

bool
dsn_ret(const char *value, size_t len)
{
	return is_word(value, len, "FULL") || is_word(value, len, "HDRS");
}

/* Only upper case is a digit here (section 4). */
static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The number of characters it stands for, printable ones all; or -1. */
static int
xtext_len(const char *p, size_t len)
{
	const char *end = p + len;
	int n, high, low;

	for (n = 0; p < end; n++, p++) {
		if (*p < 33 || *p > 126 || *p == '=')
			return -1;
		if (*p != '+')
			continue;
		if (end - p < 3 || (high = hex_digit(p[1])) == -1 ||
		    (low = hex_digit(p[2])) == -1)
			return -1;
		if (high * 16 + low < 0x20 || high * 16 + low > 0x7e)
			return -1;
		p += 2;
	}
	return n;
}

bool
dsn_envid(const char *value, size_t len)
{
	int n = xtext_len(value, len);

	return n > 0 && n <= ENVID_MAX;
}

bool
dsn_notify(const char *value, size_t len)
{
	static const char *const words[] = { "SUCCESS", "FAILURE", "DELAY" };
	const char *comma, *end = value + len;
	size_t i, n;

	if (is_word(value, len, "NEVER"))
		return true;
	for (; len > 0; value = comma + 1) {
		comma = memchr(value, ',', (size_t)(end - value));
		n = (size_t)((comma != NULL ? comma : end) - value);
		for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			if (is_word(value, n, words[i]))
				break;
		if (i == sizeof(words) / sizeof(words[0]))
			return false;
		if (comma == NULL)
			return true;
	}
	return false;
}

/* utf-8-addr-xtext and its relatives of RFC 6533, section 3, not taken apart */
static bool
is_utf8_address(const char *p, size_t len)
{
	return len > 0 && memchr(p, '=', len) == NULL &&
	    memchr(p, ' ', len) == NULL && utf8_is_text(p, len);
}

bool
dsn_orcpt(const char *value, size_t len)
{
	const char *semicolon = len > 0 ? memchr(value, ';', len) : NULL;
	const char *p;

	if (semicolon == NULL || semicolon == value || len > ORCPT_MAX)
		return false;
	for (p = value; p < semicolon; p++)
		if (*p < 0x21 || *p == 0x7f || *p == '=' ||
		    strchr("()<>@,;:\\\".[]+", *p) != NULL)
			return false;
	if (is_word(value, (size_t)(semicolon - value), "utf-8"))
		return is_utf8_address(semicolon + 1,
		    (size_t)(value + len - semicolon - 1));
	return xtext_len(semicolon + 1, (size_t)(value + len - semicolon - 1)) >
	    0;
}
