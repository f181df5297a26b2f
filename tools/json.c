/*
 * Rows of JSON as they are printed; see tools/json.h.
 */
#include <inttypes.h>
#include <string.h>

#include "tools/json.h"

/*
 * Octets of the UTF-8 sequence that begins here, RFC 3629 section 4; 0 when it
 * is none.
 */
static size_t
sequence(const unsigned char *s)
{
	static const struct {
		unsigned char first, last; /* of the first octet */
		unsigned char least, most; /* of the second */
		size_t len;
	} rows[] = {
		{ 0x00, 0x7f, 0x00, 0xff, 1 },
		{ 0xc2, 0xdf, 0x80, 0xbf, 2 },
		{ 0xe0, 0xe0, 0xa0, 0xbf, 3 },
		{ 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 },
		{ 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 },
		{ 0xf1, 0xf3, 0x80, 0xbf, 4 },
		{ 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	size_t i, k;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (s[0] >= rows[i].first && s[0] <= rows[i].last)
			break;
	if (i == sizeof(rows) / sizeof(rows[0]))
		return 0;
	if (rows[i].len > 1 && (s[1] < rows[i].least || s[1] > rows[i].most))
		return 0;
	for (k = 2; k < rows[i].len; k++)
		if (s[k] < 0x80 || s[k] > 0xbf)
			return 0;
	return rows[i].len;
}

static void
print_string(FILE *out, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t n;

	fputc('"', out);
	for (; *s != '\0'; s += n) {
		n = sequence(s);
		if (n == 0) {
			fputs("\\ufffd", out);
			n = 1;
		} else if (*s == '"' || *s == '\\') {
			fprintf(out, "\\%c", *s);
		} else if (*s < 0x20 || *s == 0x7f) {
			fprintf(out, "\\u%04x", *s);
		} else {
			fwrite(s, n, 1, out);
		}
	}
	fputc('"', out);
}

/* What stands before a value. */
static void
lead(struct json *j, const char *name)
{
	if (j->comma)
		fputc(',', j->out);
	j->comma = true;
	if (name != NULL) {
		print_string(j->out, name);
		fputc(':', j->out);
	}
}

void
json_begin(struct json *j, FILE *out)
{
	j->out = out;
	j->comma = false;
	fputc('{', out);
}

void
json_end(struct json *j)
{
	fputs("}\n", j->out);
}

void
json_text(struct json *j, const char *name, const char *text)
{
	lead(j, name);
	print_string(j->out, text);
}

void
json_number(struct json *j, const char *name, int64_t value)
{
	lead(j, name);
	fprintf(j->out, "%" PRId64, value);
}

void
json_bool(struct json *j, const char *name, bool value)
{
	lead(j, name);
	fputs(value ? "true" : "false", j->out);
}

void
json_null(struct json *j, const char *name)
{
	lead(j, name);
	fputs("null", j->out);
}

void
json_open(struct json *j, const char *name, char kind)
{
	lead(j, name);
	fputc(kind, j->out);
	j->comma = false;
}

void
json_close(struct json *j, char kind)
{
	fputc(kind, j->out);
	j->comma = true;
}
