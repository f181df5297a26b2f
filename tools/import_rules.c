/*
 * Tables of addresses and names in which the most specific entry decides, as
 * in our lists, but where an entry may also say "nothing": it becomes an
 * exception in our list, if it is one.
 */
#include <stdlib.h>
#include <string.h>

#include "tools/import.h"

void
rule_add(struct import *im, const struct import_rule *rule)
{
	im->rules = import_grow(im->rules, im->nrules, &im->rules_room,
	    sizeof(*rule));
	im->rules[im->nrules++] = *rule;
}

static int
compare_rules(const void *a, const void *b)
{
	const struct import_rule *x = a, *y = b;
	int r = (x->prefix.addr.family > y->prefix.addr.family) -
	    (x->prefix.addr.family < y->prefix.addr.family);

	if (r == 0)
		r = memcmp(x->prefix.addr.bytes, y->prefix.addr.bytes, 16);
	if (r == 0)
		r = (x->prefix.len > y->prefix.len) -
		    (x->prefix.len < y->prefix.len);
	return r != 0 ? r : (x->line > y->line) - (x->line < y->line);
}

void
rules_sort(struct import *im)
{
	if (im->nrules > 1)
		qsort(im->rules, im->nrules, sizeof(*im->rules), compare_rules);
}

static bool
text_same(const char *a, const char *b)
{
	return strcmp(a == NULL ? "" : a, b == NULL ? "" : b) == 0;
}

bool
rule_same(const struct import_rule *a, const struct import_rule *b)
{
	return a->ban == b->ban && a->relay == b->relay &&
	    text_same(a->text, b->text);
}

/* Does the rule say something to that list? */
static bool
rule_speaks(const struct import_rule *r, enum list_id list)
{
	return list == LIST_RELAY ? r->relay : r->ban != -1;
}

static void
rule_write(struct import *im, enum list_id list, const struct import_rule *r)
{
	bool speaks = rule_speaks(r, list);
	char key[PREFIX_TEXT_MAX];
	enum list_action action;

	if (list == LIST_RELAY)
		action = speaks ? ACT_RELAY : ACT_DENY;
	else
		action = speaks ? (enum list_action)r->ban : ACT_ALLOW;
	import_add(im, list, prefix_format(&r->prefix, key), action, NULL,
	    speaks && list != LIST_RELAY ? r->text : NULL);
}

/* Sorted, the prefixes that hold one another are a stack. */
void
rules_write(struct import *im, enum list_id list, bool always)
{
	const struct import_rule *stack[130], *r;
	bool wanted = im->list == -1 || im->list == (int)list;
	int top = 0;

	rules_sort(im);
	for (r = im->rules; r < im->rules + im->nrules; r++) {
		while (top > 0 &&
		    !prefix_contains(&stack[top - 1]->prefix, &r->prefix.addr))
			top--;
		im->line = r->line;
		if (!wanted && rule_speaks(r, list))
			import_wants(im, list);
		else if (wanted &&
		    (rule_speaks(r, list) || (always && r->prefix.len > 0) ||
			(top > 0 && rule_speaks(stack[top - 1], list))))
			rule_write(im, list, r);
		if (top > 0 && stack[top - 1]->prefix.len == r->prefix.len)
			continue; /* the same once more */
		stack[top++] = r;
	}
}

/* ----------------------------------------------------------------- names */

struct import_name *
name_new(struct import *im, const char *key)
{
	struct import_name *n;

	im->names = import_grow(im->names, im->nnames, &im->names_room,
	    sizeof(*n));
	n = &im->names[im->nnames++];
	memset(n, 0, sizeof(*n));
	n->key = key;
	n->line = im->line;
	return n;
}

void
name_add(struct import *im, char *key, int action, const char *argument,
    const char *text)
{
	char canonical[NAME_TEXT_MAX];
	char *name = *key == '.' ? key + 1 : key;
	struct import_name *n;

	if (strcmp(key, "*") != 0) {
		if (name_canonical(canonical, name, strlen(name)) == -1) {
			import_error(im, "`%.60s` is no domain name", key);
			return;
		}
		memcpy(name, canonical, strlen(name));
	}
	n = name_new(im, key);
	n->action = action;
	n->argument = argument;
	n->text = text;
}

static int
compare_names(const void *a, const void *b)
{
	const struct import_name *x = a, *y = b;
	int r = strcmp(x->key, y->key);

	return r != 0 ? r : (x->line > y->line) - (x->line < y->line);
}

static int
compare_name_key(const void *key, const void *name)
{
	return strcmp(key, ((const struct import_name *)name)->key);
}

void
names_sort(struct import *im)
{
	if (im->nnames > 1)
		qsort(im->names, im->nnames, sizeof(*im->names), compare_names);
}

const struct import_name *
name_find(const struct import *im, const char *key)
{
	if (im->nnames == 0)
		return NULL;
	return bsearch(key, im->names, im->nnames, sizeof(*im->names),
	    compare_name_key);
}

const struct import_name *
name_wider(const struct import *im, const char *name)
{
	const struct import_name *n;
	const char *domain = *name == '.' ? name + 1 : name;

	for (domain = strchr(domain, '.'); domain != NULL;
	     domain = strchr(domain + 1, '.'))
		if ((n = name_find(im, domain)) != NULL)
			return n;
	return name_find(im, "*");
}

static bool
name_same(const struct import_name *a, const struct import_name *b)
{
	return a->action == b->action && text_same(a->argument, b->argument) &&
	    text_same(a->text, b->text);
}

/*
 * ".domain" is below the domain alone: what the domain itself finds must be
 * said too, unless it is the same. A client that relays is cleared of what
 * list names says.
 */
static void
name_write_itself(struct import *im, enum list_id list,
    const struct import_name *n, int none)
{
	const char *domain = n->key + 1;
	const struct import_name *own = name_find(im, domain);

	if (own != NULL && own->action != NAME_SILENT)
		return; /* it is written where it stands */
	if (own == NULL)
		own = name_wider(im, domain);
	if (own != NULL &&
	    (own->action == NAME_WRONG || name_same(own, n) ||
		(own->relay && list == LIST_NAMES)))
		return;
	if (own != NULL && own->action != NAME_SILENT)
		import_add(im, list, domain, (enum list_action)own->action,
		    own->argument, own->text);
	else if (none != -1)
		import_add(im, list, domain, (enum list_action)none, NULL,
		    NULL);
	else
		import_error(im,
		    "`%.60s` does not hold %.60s itself, which list %s cannot "
		    "say%s",
		    n->key, domain, list_name(list),
		    name_find(im, domain) == NULL ? ": add a line for it" : "");
}

void
names_write(struct import *im, enum list_id list, int none)
{
	const struct import_name *n;

	names_sort(im);
	for (n = im->names; n < im->names + im->nnames; n++) {
		if (n->action < 0)
			continue;
		im->line = n->line;
		import_add(im, list, n->key, (enum list_action)n->action,
		    n->argument, n->text);
		if (n->key[0] == '.')
			name_write_itself(im, list, n, none);
	}
}
