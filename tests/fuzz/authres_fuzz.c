/*
 * Any octets as a message from which Authentication-Results fields of ours
 * are left out. Any split gives the same result, and it is what a few slow
 * lines say that have the whole message before them. The first octet chooses
 * the split. "\1" in the input stands for the beginning of such a field, as
 * nobody would guess it.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "worker/authres.h"

#define HOST  "gw.example.org"
#define FIELD "Authentication-Results:"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

struct text {
	char *p;
	size_t len;
};

static void
require(bool condition)
{
	if (!condition)
		abort();
}

static void
put(void *arg, const char *p, size_t len)
{
	struct text *t = arg;

	memcpy(t->p + t->len, p, len);
	t->len += len;
}

/* As SMTP wants it: CRLF alone ends a line, and the last one has its end. */
static struct text
message(const char *in, size_t len)
{
	struct text t = { malloc(sizeof(FIELD) * (len + 1) + 2), 0 };
	size_t i;

	require(t.p != NULL);
	for (i = 0; i < len; i++) {
		if (in[i] == '\n')
			put(&t, "\r\n", 2);
		else if (in[i] == '\1')
			put(&t, FIELD, strlen(FIELD));
		else if (in[i] != '\r' && in[i] != '\0')
			put(&t, in + i, 1);
	}
	put(&t, "\r\n", 2);
	return t;
}

static unsigned
cut(struct text in, struct text *out, size_t step)
{
	struct authres a;
	size_t n, at;

	out->len = 0;
	authres_start(&a, HOST, put, out);
	for (at = 0; at < in.len; at += n) {
		n = in.len - at < step ? in.len - at : step;
		authres_take(&a, in.p + at, n);
	}
	authres_end(&a);
	require(out->len + (size_t)a.removed_octets == in.len);
	return a.removed;
}

/* ------------------------------------------------------------- the slow lines */

/* A line without its stuffed dot. */
static const char *
undotted(const char *line, const char *end)
{
	return line < end && *line == '.' ? line + 1 : line;
}

static const char *
next_line(const char *line, const char *end)
{
	const char *crlf = memmem(line, (size_t)(end - line), "\r\n", 2);

	return crlf == NULL ? end : crlf + 2;
}

/* The end of the field that begins at line: lines that begin with blanks. */
static const char *
next_field(const char *line, const char *end)
{
	const char *text;

	do {
		line = next_line(line, end);
		text = undotted(line, end);
	} while (text < end && (*text == ' ' || *text == '\t'));
	return line;
}

/* Skip blanks and comments; NULL when a comment has no end. */
static const char *
skip_cfws(const char *p)
{
	int depth = 0;

	for (; *p != '\0'; p++) {
		if (depth > 0 && *p == '\\' && p[1] != '\0')
			p++;
		else if (*p == '(')
			depth++;
		else if (*p == ')' && depth > 0)
			depth--;
		else if (depth == 0 && *p != ' ' && *p != '\t')
			break;
	}
	return depth == 0 ? p : NULL;
}

static bool
names_us(const char *id, const char *end)
{
	char name[NAME_TEXT_MAX];

	for (; id < end && (*id == ' ' || *id == '\t'); id++)
		;
	for (; id < end && (end[-1] == ' ' || end[-1] == '\t'); end--)
		;
	end -= id < end && end[-1] == '.';
	return name_from_text(name, id, (size_t)(end - id)) == 0 &&
	    strcmp(name, HOST) == 0;
}

static bool
atom_is_ours(const char *p)
{
	const char *end = p;

	while ((unsigned char)*end > ' ' && *end != 0x7f &&
	    strchr("()<>@,;:\\\"/[]?=", *end) == NULL)
		end++;
	return names_us(p, end);
}

static bool
string_is_ours(char *p)
{
	char *id, *to = p;

	for (id = p; *id != '"'; id++) {
		if (*id == '\\')
			id++;
		if (*id == '\0')
			return true;
		*to++ = *id;
	}
	return names_us(p, to);
}

/* Is the field from p to end ours? */
static bool
is_ours(const char *p, const char *end)
{
	size_t n = strlen(FIELD) - 1;
	const char *line, *next, *value;
	char text[AUTHRES_HELD_MAX], *to = text;

	p = undotted(p, end);
	if ((size_t)(end - p) < n || strncasecmp(p, FIELD, n) != 0)
		return false;
	for (p += n; *p == ' ' || *p == '\t'; p++)
		;
	if (*p++ != ':')
		return false;
	for (line = p; line < end; line = next) {
		next = next_line(line, end);
		if (line != p)
			line = undotted(line, end);
		memcpy(to, line, (size_t)(next - 2 - line));
		to += next - 2 - line;
	}
	*to = '\0';
	if ((value = skip_cfws(text)) == NULL)
		return true;
	if (*value != '"')
		return atom_is_ours(value);
	return string_is_ours(text + (value - text) + 1);
}

static unsigned
slow(struct text in, struct text *out)
{
	const char *p = in.p, *end = in.p + in.len, *next;
	unsigned removed = 0;

	out->len = 0;
	for (; p < end; p = next) {
		if (p[0] == '\r') {
			put(out, p, (size_t)(end - p));
			break;
		}
		next = next_field(p, end);
		if (is_ours(p, next))
			removed++;
		else
			put(out, p, (size_t)(next - p));
	}
	return removed;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct text in, whole, parts;
	unsigned removed;

	if (size-- == 0)
		return 0;
	in = message((const char *)data + 1, size);
	whole.p = malloc(in.len);
	parts.p = malloc(in.len);
	require(whole.p != NULL && parts.p != NULL);
	removed = cut(in, &whole, in.len);
	require(cut(in, &parts, 1 + data[0] % 40) == removed);
	require(whole.len == parts.len);
	require(memcmp(whole.p, parts.p, whole.len) == 0);
	if (in.len < AUTHRES_HELD_MAX) {
		require(slow(in, &parts) == removed);
		require(whole.len == parts.len);
		require(memcmp(whole.p, parts.p, whole.len) == 0);
	}
	free(in.p);
	free(whole.p);
	free(parts.p);
	return 0;
}
