/*
 * An entry as a line of source, quoted where the grammar wants it, so that it
 * compiles to the same record.
 */
#include <string.h>

#include "lists/key.h"
#include "lists/source.h"

static void
print_quoted(const char *text, FILE *out)
{
	fputc('"', out);
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', out);
		fputc(*text, out);
	}
	fputc('"', out);
}

/* A byte order mark is quoted, as one is stripped where a file begins. */
static void
print_word(const char *text, FILE *out)
{
	if (text[0] == '\0' || strpbrk(text, " #\"\\") != NULL ||
	    strncmp(text, "\xef\xbb\xbf", 3) == 0)
		print_quoted(text, out);
	else
		fputs(text, out);
}

void
list_print(FILE *out, const char *key, const struct list_entry *e)
{
	char until[UNTIL_MAX];

	print_word(key, out);
	fprintf(out, " %s", list_action_name(e->action));
	if (e->argument[0] != '\0' && e->list == LIST_ROUTES) {
		fprintf(out, ":%s", e->argument);
	} else if (e->argument[0] != '\0') {
		fputc(' ', out);
		print_word(e->argument, out);
	}
	if (e->until != 0)
		fprintf(out, " until=%s", until_format(e->until, until));
	if (e->text[0] != '\0') {
		fputc(' ', out);
		print_quoted(e->text, out);
	}
}

void
entry_show(enum list_id id, const struct entry *e, char key[KEY_MAX],
    struct list_entry *le)
{
	size_t len = strlen(e->key);
	struct prefix p;

	memset(le, 0, sizeof(*le));
	le->list = id;
	le->action = (enum list_action)e->rule->action;
	le->argument = e->rule->argument;
	le->text = e->rule->text;
	le->file = e->rule->file;
	le->line = e->line;
	le->until = e->rule->until;
	if (key_to_prefix(&p, e->key, len) == 0)
		le->prefix_len = p.len;
	key_format(key, id, e->key, len);
}

void
source_print(enum list_id id, const struct entry *e, FILE *out)
{
	struct list_entry le;
	char key[KEY_MAX];

	entry_show(id, e, key, &le);
	list_print(out, key, &le);
}
