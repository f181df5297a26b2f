/*
 * The entries of a list brought together: sorted, each key once, conflicts
 * and needless entries found, and written as source again.
 */
#include <stdlib.h>
#include <string.h>

#include "lists/key.h"
#include "lists/sort.h"
#include "lists/source.h"

#define SHADOW_LIMIT 100000 /* entries; above it nobody reads warnings */

static int
compare_place(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int r = x->rule->file == y->rule->file ?
	    0 :
	    strcmp(x->rule->file, y->rule->file);

	return r != 0 ? r : (x->line > y->line) - (x->line < y->line);
}

/* True when a ends later than b. */
static bool
outlasts(int64_t a, int64_t b)
{
	return b != 0 && (a == 0 || a > b);
}

static void
report_conflict(const struct source *s, const struct entry *first,
    const struct entry *e, struct report *r)
{
	char key[KEY_MAX];

	key_format(key, s->id, e->key, strlen(e->key));
	report_error(r, e->rule->file, e->line,
	    "%.60s: another action here than in %s:%u (%s%s%.60s): keep one",
	    key, first->rule->file, first->line,
	    list_action_name((enum list_action)first->rule->action),
	    first->rule->argument[0] == '\0' ? "" : " ", first->rule->argument);
}

/* Each key after the one before, as in what a program wrote. */
static bool
is_in_order(const struct source *s)
{
	size_t i;

	for (i = 1; i < s->n; i++)
		if (strcmp(s->entries[i - 1].key, s->entries[i].key) > 0)
			return false;
	return true;
}

static void
sort(struct source *s)
{
	struct arena keys = { .left = 0 };
	struct entry *sorted;

	if (is_in_order(s))
		return;
	sorted = entries_sorted(s->entries, s->n, &keys);
	free(s->entries);
	arena_free(&s->keys);
	s->entries = sorted;
	s->room = s->n;
	s->keys = keys;
}

void
source_merge(struct source *s, struct report *r)
{
	struct entry *e, *last = NULL;
	size_t i, n = 0;

	sort(s);
	for (i = 0; i < s->n; i++) {
		e = &s->entries[i];
		if (last == NULL || strcmp(last->key, e->key) != 0) {
			last = &s->entries[n++];
			*last = *e;
		} else if (last->rule->action != e->rule->action ||
		    strcmp(last->rule->argument, e->rule->argument) != 0) {
			report_conflict(s, last, e, r);
		} else if (outlasts(e->rule->until, last->rule->until)) {
			*last = *e;
		}
	}
	s->n = n;
	s->sorted = true;
}

size_t
source_unexpired(const struct source *s, int64_t now)
{
	size_t i, n = 0;

	for (i = 0; i < s->n; i++)
		if (s->entries[i].rule->until == 0 ||
		    s->entries[i].rule->until > now)
			n++;
	return n;
}

static int
compare_with_key(const void *key, const void *entry)
{
	return strcmp(key, ((const struct entry *)entry)->key);
}

const struct entry *
source_find(const struct source *s, const char *key)
{
	if (s->n == 0)
		return NULL;
	return bsearch(key, s->entries, s->n, sizeof(*s->entries),
	    compare_with_key);
}

/* The next wider network that has an entry, or NULL. */
static const struct entry *
wider_network(const struct source *s, const struct entry *e)
{
	const struct entry *found;
	char key[KEY_MAX];
	struct prefix p;

	if (key_to_prefix(&p, e->key, strlen(e->key)) == -1)
		return NULL;
	while (p.len > 0) {
		p.len--;
		p.addr.bytes[p.len / 8] &= (uint8_t) ~(0x80 >> (p.len % 8));
		if (!s->lens[p.addr.family == 6][p.len])
			continue;
		key_from_prefix(key, &p);
		if ((found = source_find(s, key)) != NULL)
			return found;
	}
	return NULL;
}

/* The next .parent that has an entry, or NULL. */
static const struct entry *
wider_name(const struct source *s, const struct entry *e)
{
	const struct entry *found;
	char key[KEY_MAX];
	const char *dot = e->key[1] == '.' ? e->key + 2 : e->key + 1;

	if (e->key[1] != '.') {
		snprintf(key, sizeof(key), "=.%s", e->key + 1);
		if ((found = source_find(s, key)) != NULL)
			return found;
	}
	while ((dot = strchr(dot, '.')) != NULL) {
		snprintf(key, sizeof(key), "=%s", dot++);
		if ((found = source_find(s, key)) != NULL)
			return found;
	}
	return NULL;
}

static bool
is_needless(const struct entry *e, const struct entry *wider)
{
	return e->rule->action == wider->rule->action &&
	    strcmp(e->rule->argument, wider->rule->argument) == 0 &&
	    strcmp(e->rule->text, wider->rule->text) == 0 &&
	    !outlasts(e->rule->until, wider->rule->until);
}

void
source_warn_shadowed(const struct source *s, struct report *r)
{
	const struct entry *e, *wider;
	char key[KEY_MAX], by[KEY_MAX];
	size_t i;

	if (s->n > SHADOW_LIMIT ||
	    (list_kind(s->id)->keys & (KEY_ADDR | KEY_NAME)) == 0)
		return;
	for (i = 0; i < s->n; i++) {
		e = &s->entries[i];
		if (strchr(e->key, '@') != NULL || strchr(e->key, ':') != NULL)
			continue;
		wider = e->key[0] == '=' ? wider_name(s, e) :
					   wider_network(s, e);
		if (wider == NULL || !is_needless(e, wider))
			continue;
		key_format(key, s->id, e->key, strlen(e->key));
		key_format(by, s->id, wider->key, strlen(wider->key));
		report_warning(r, e->rule->file, e->line,
		    "%.60s is needless: %.60s in %s:%u says the same", key, by,
		    wider->rule->file, wider->line);
	}
}

void
source_order_by_line(struct source *s)
{
	if (s->n > 1)
		qsort(s->entries, s->n, sizeof(*s->entries), compare_place);
	s->sorted = false;
}
