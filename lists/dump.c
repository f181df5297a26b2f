/*
 * A compiled list as source again. A dump keeps the order of the source, so
 * that it compiles to the same records and the same first domain; only the
 * file and line of each entry are those of the dump.
 */
#include <stdlib.h>
#include <string.h>

#include "lists/dump.h"
#include "lists/key.h"
#include "lists/lookup.h"
#include "lists/source.h"

struct loader {
	struct source *source;
	const char *file; /* of the last entry; most are of the same */
};

static const char *
copy(struct source *s, const char *text)
{
	return arena_copy(&s->strings, text, strlen(text));
}

static bool
load_one(void *arg, const char *key, size_t len, const struct list_entry *le)
{
	struct loader *ld = arg;
	struct rule rule;

	if (ld->file == NULL || strcmp(ld->file, le->file) != 0)
		ld->file = copy(ld->source, le->file);
	rule.argument = copy(ld->source, le->argument);
	rule.text = copy(ld->source, le->text);
	rule.file = ld->file;
	rule.until = le->until;
	rule.action = (uint8_t)le->action;
	source_add(ld->source, key, len, &rule, le->line);
	return true;
}

int
dump_load(struct source *s, struct list *l)
{
	struct report none;
	struct loader ld;

	memset(&none, 0, sizeof(none));
	source_init(s, list_id(l));
	ld.source = s;
	ld.file = NULL;
	if (list_each(l, load_one, &ld) == -1) {
		source_free(s);
		return -1;
	}
	source_merge(s, &none);
	return 0;
}

int
dump_walk(struct list *l,
    void (*each)(void *, const char *key, const struct list_entry *), void *arg)
{
	struct list_entry le;
	char key[KEY_MAX];
	struct source s;
	size_t i;

	if (dump_load(&s, l) == -1)
		return -1;
	source_order_by_line(&s);
	for (i = 0; i < s.n; i++) {
		entry_show(s.id, &s.entries[i], key, &le);
		each(arg, key, &le);
	}
	source_free(&s);
	return 0;
}

static bool
same_meaning(const struct entry *a, const struct entry *b)
{
	return a->rule->action == b->rule->action &&
	    a->rule->until == b->rule->until &&
	    strcmp(a->rule->argument, b->rule->argument) == 0 &&
	    strcmp(a->rule->text, b->rule->text) == 0;
}

void
dump_diff(const struct source *old, const struct source *new,
    void (
	*each)(void *, bool comes, const char *key, const struct list_entry *),
    void *arg)
{
	struct list_entry le;
	char key[KEY_MAX];
	const struct entry *a = old->entries, *b = new->entries;
	const struct entry *enda = a + old->n, *endb = b + new->n;
	int order;

	while (a < enda || b < endb) {
		if (a == enda)
			order = 1;
		else if (b == endb)
			order = -1;
		else
			order = strcmp(a->key, b->key);
		if (order == 0 && same_meaning(a, b)) {
			a++;
			b++;
			continue;
		}
		if (order <= 0) {
			entry_show(new->id, a++, key, &le);
			each(arg, false, key, &le);
		}
		if (order >= 0) {
			entry_show(new->id, b++, key, &le);
			each(arg, true, key, &le);
		}
	}
}
