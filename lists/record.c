/*
 * The value of a record and the text of @meta, read with suspicion: whatever
 * a file holds, these answer with an entry that is complete or with -1.
 *
 * A value is six strings, each with its NUL, so that a look-up hands out
 * pointers into the map: action, argument, expiry (seconds since 1970 UTC, 0
 * never), source file, line, reply text.
 */
#include <stdlib.h>
#include <string.h>

#include "lists/lookup.h"
#include "lists/table.h"

#define FIELDS 6

/*
 * Append a string with its NUL; NULL when that does not fit. Most are short,
 * and a compile has many millions of them: a call for each would be felt.
 */
static char *
put_text(char *p, const char *last, const char *text)
{
	if (p == NULL)
		return NULL;
	do
		if (p > last)
			return NULL;
	while ((*p++ = *text++) != '\0');
	return p;
}

static char *
put_number(char *p, const char *last, uint64_t v)
{
	char digits[24], *d = digits + sizeof(digits) - 1;

	*d = '\0';
	do
		*--d = (char)('0' + v % 10);
	while ((v /= 10) != 0);
	return put_text(p, last, d);
}

size_t
record_encode(char out[RECORD_MAX], const struct list_entry *e)
{
	const char *last = &out[RECORD_MAX - 1];
	char *p = put_text(out, last, list_action_name(e->action));

	p = put_text(p, last, e->argument);
	p = put_number(p, last, (uint64_t)e->until);
	p = put_text(p, last, e->file);
	p = put_number(p, last, e->line);
	p = put_text(p, last, e->text);
	return p == NULL ? 0 : (size_t)(p - out);
}

/* Decimal digits only, at least one, up to most; else -1. */
static int64_t
number(const char *s, int64_t most)
{
	int64_t v = 0;

	if (*s == '\0')
		return -1;
	for (; *s != '\0'; s++) {
		if (*s < '0' || *s > '9' || v > most / 10)
			return -1;
		v = v * 10 + (*s - '0');
	}
	return v > most ? -1 : v;
}

int
record_decode(struct list_entry *e, enum list_id id, const char *value,
    size_t len)
{
	const char *field[FIELDS];
	const char *p = value, *end = value + len;
	int64_t line;
	int i, action;

	for (i = 0; i < FIELDS && p < end; i++) {
		field[i] = p;
		p = memchr(p, '\0', (size_t)(end - p));
		if (p == NULL)
			return -1;
		p++;
	}
	if (i != FIELDS || p != end)
		return -1;
	action = list_action_by_name(field[0], strlen(field[0]));
	line = number(field[4], UINT32_MAX);
	e->until = number(field[2], INT64_MAX / 2);
	if (action == -1 || (list_kind(id)->actions & BIT(action)) == 0 ||
	    line == -1 || e->until == -1)
		return -1;
	e->list = id;
	e->action = (enum list_action)action;
	e->match = MATCH_EXACT;
	e->prefix_len = 0;
	e->argument = field[1];
	e->file = field[3];
	e->line = (unsigned)line;
	e->text = field[5];
	return 0;
}

/* "32 24 8": numbers up to most, falling. */
static int
parse_lengths(char *text, int most, uint8_t *lens, unsigned *n)
{
	char *word;
	int64_t v, last = most + 1;

	*n = 0;
	while ((word = strsep(&text, " ")) != NULL) {
		if (*word == '\0')
			continue;
		v = number(word, most);
		if (v == -1 || v >= last)
			return -1;
		lens[(*n)++] = (uint8_t)v;
		last = v;
	}
	return 0;
}

/* One line of @meta, "word value". 0, or -1. */
static int
parse_meta_line(struct list_meta *m, char *line)
{
	char *value = strchr(line, ' ');
	int64_t v = 0;

	if (value == NULL)
		value = line + strlen(line);
	else
		*value++ = '\0';
	if (strcmp(line, "count") == 0)
		m->count = (uint64_t)(v = number(value, UINT32_MAX));
	else if (strcmp(line, "size") == 0)
		m->size = (uint64_t)(v = number(value, UINT32_MAX));
	else if (strcmp(line, "v4") == 0)
		return parse_lengths(value, 32, m->v4, &m->nv4);
	else if (strcmp(line, "v6") == 0)
		return parse_lengths(value, 128, m->v6, &m->nv6);
	else if (strcmp(line, "names") == 0)
		m->names = (v = number(value, 1)) == 1;
	else if (strcmp(line, "first") == 0)
		v = strlcpy(m->first, value, sizeof(m->first)) <
			sizeof(m->first) ?
		    0 :
		    -1;
	else if (strcmp(line, "hops") == 0 && m->hops == NULL)
		return (m->hops = strdup(value)) == NULL ? -1 : 0;
	else
		return -1;
	return v == -1 ? -1 : 0;
}

/* The lines format and kind, which come first. */
static const char *
check_head(char **text, enum list_id id)
{
	char expected[32];
	char *line;

	line = strsep(text, "\n");
	snprintf(expected, sizeof(expected), "format %d", LIST_FORMAT);
	if (line == NULL || strncmp(line, "format ", 7) != 0)
		return "no list of lictor";
	if (strcmp(line, expected) != 0)
		return "written in another format: compile it again";
	line = strsep(text, "\n");
	snprintf(expected, sizeof(expected), "kind %s", list_name(id));
	if (line == NULL || strcmp(line, expected) != 0)
		return "it holds another list";
	return NULL;
}

static const char *
parse_lines(struct list_meta *m, char *copy, enum list_id id)
{
	const char *why = check_head(&copy, id);
	char *line;

	if (why != NULL)
		return why;
	m->size = 0;
	while (copy != NULL && strncmp(copy, "source ", 7) != 0) {
		line = strsep(&copy, "\n");
		if (line[0] == '\0' && copy == NULL)
			break;
		if (parse_meta_line(m, line) == -1)
			return "its @meta record is damaged";
	}
	return m->size == 0 ? "its @meta record is damaged" : NULL;
}

int
meta_parse(struct list_meta *m, enum list_id id, const char *text, size_t len,
    const char **why)
{
	char *copy;

	memset(m, 0, sizeof(*m));
	*why = "out of memory";
	m->text = strndup(text, len);
	copy = strndup(text, len);
	if (m->text != NULL && copy != NULL)
		*why = strlen(copy) == len ? parse_lines(m, copy, id) :
					     "its @meta record is damaged";
	free(copy);
	if (*why != NULL) {
		meta_free(m);
		return -1;
	}
	m->sources = strstr(m->text, "\nsource ");
	m->sources = m->sources == NULL ? "" : m->sources + 1;
	return 0;
}

void
meta_free(struct list_meta *m)
{
	free(m->text);
	free(m->hops);
	m->text = m->hops = NULL;
}
