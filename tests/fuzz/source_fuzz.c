/*
 * The grammar of the lists: the first octet names the list. What follows a
 * NUL is a drop-in of its own; a second NUL is an octet like any other.
 */
#include <stdlib.h>
#include <string.h>

#include "lists/parse.h"
#include "lists/plain.h"
#include "lists/source.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* What was understood, written as source, is understood again. */
static void
parse_again(const struct source *s)
{
	struct report r = { .send = NULL };
	struct source again;
	char *text;
	size_t i, size;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL)
		return;
	for (i = 0; i < s->n; i++) {
		source_print(s->id, &s->entries[i], out);
		fputc('\n', out);
	}
	if (fclose(out) != 0)
		abort();
	source_init(&again, s->id);
	source_parse_text(&again, "again", text, size, &r);
	source_merge(&again, &r);
	if (r.errors != 0 || again.n != s->n)
		abort();
	for (i = 0; i < s->n; i++)
		if (strcmp(s->entries[i].key, again.entries[i].key) != 0 ||
		    s->entries[i].rule->until != again.entries[i].rule->until ||
		    strcmp(s->entries[i].rule->text,
			again.entries[i].rule->text) != 0)
			abort();
	source_free(&again);
	free(text);
}

/* What the short way takes is what the long way makes of the same line. */
static void
compare_ways(enum list_id id, const char *text, size_t size)
{
	struct report r = { .send = NULL };
	struct source plain, other;
	size_t n;

	source_init(&plain, id);
	source_init(&other, id);
	n = parse_plain(&plain, "fuzz", 1, text, text + size);
	if (n > 0) {
		parse_line(&other, "fuzz", 1, text, n, &r);
		if (r.errors != 0 || other.n != 1 || plain.n != 1 ||
		    strcmp(plain.entries->key, other.entries->key) != 0 ||
		    plain.entries->rule->action != other.entries->rule->action)
			abort();
	}
	source_free(&other);
	source_free(&plain);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct report r = { .send = NULL };
	const char *text = (const char *)data + 1, *dropin;
	struct source s;

	if (size-- == 0)
		return 0;
	source_init(&s, (enum list_id)(data[0] % LIST_COUNT));
	compare_ways(s.id, text, size);
	dropin = memchr(text, '\0', size);
	if (dropin != NULL) {
		source_parse_text(&s, "fuzz", text, (size_t)(dropin - text),
		    &r);
		size -= (size_t)(dropin + 1 - text);
		text = dropin + 1;
	}
	source_parse_text(&s, "fuzz.d/more", text, size, &r);
	source_merge(&s, &r);
	source_warn_shadowed(&s, &r);
	parse_again(&s);
	source_free(&s);
	return 0;
}
