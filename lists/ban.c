/*
 * The bans that a program adds and takes out. They stand in a file of their
 * own, so that what is written by hand beside it is never rewritten; entries
 * keep their place in it, those that have expired go when it is written.
 */
#include <string.h>

#include "lists/change.h"
#include "lists/key.h"
#include "lists/parse.h"

static const char head[] =
    "# Kept by lictor-ban(8), which leaves out comments when it writes.\n";

static bool
is_over(const struct entry *e, int64_t now)
{
	return e->rule->until != 0 && e->rule->until <= now;
}

static void
print_entry(const struct entry *e, FILE *out)
{
	source_print(LIST_BANS, e, out);
	fputc('\n', out);
}

/* Of both the later end, and the text unless there is a new one. */
static int
extend(const struct list_ban *ban, uint32_t line, struct rule *rule,
    struct report *r)
{
	if (rule->action != ACT_REJECT) {
		report_error(r, rule->file, line,
		    "another action than a ban here (%s): take it out first",
		    list_action_name((enum list_action)rule->action));
		return -1;
	}
	if (rule->until != 0 && (ban->until == 0 || ban->until > rule->until))
		rule->until = ban->until;
	if (ban->text[0] != '\0')
		rule->text = ban->text;
	return 0;
}

static void
append(const struct list_ban *ban, const char *key, FILE *out)
{
	struct rule rule = { .argument = "", .text = ban->text, .file = "" };
	struct entry e = { .key = key, .rule = &rule };

	rule.until = ban->until;
	rule.action = ACT_REJECT;
	print_entry(&e, out);
}

/* The entries that stay, in their order, and the new one. 0, or -1. */
static int
rewrite(const struct list_ban *ban, struct source *own, int64_t now, FILE *out,
    struct report *r)
{
	char key[KEY_MAX];
	bool found = false;
	struct rule rule;
	struct entry *e;

	fputs(head, out);
	key_from_prefix(key, &ban->net);
	for (e = own->entries; e < own->entries + own->n; e++) {
		if (is_over(e, now))
			continue;
		if (strcmp(e->key, key) == 0) {
			found = true;
			if (!ban->add)
				continue;
			rule = *e->rule;
			e->rule = &rule;
			if (extend(ban, e->line, &rule, r) == -1)
				return -1;
		}
		print_entry(e, out);
	}
	if (ban->add && !found)
		append(ban, key, out);
	return 0;
}

static bool
is_there(const struct source *own, const struct prefix *net, int64_t now)
{
	const struct entry *e;
	char key[KEY_MAX];

	key_from_prefix(key, net);
	for (e = own->entries; e < own->entries + own->n; e++)
		if (strcmp(e->key, key) == 0 && !is_over(e, now))
			return true;
	return false;
}

static int
edit(struct change *ch, const char *old, size_t size, int64_t now, FILE *new,
    struct report *r)
{
	struct list_ban *ban = ch->arg;
	const char *why = text_trouble(ban->text, strlen(ban->text));
	unsigned errors = r->errors;
	struct source own;
	int done = 0;

	if (why != NULL)
		report_error(r, ch->file, 0, "%s", why);
	source_init(&own, LIST_BANS);
	source_parse_text(&own, ch->file, old, size, r);
	ban->absent = !ban->add && !is_there(&own, &ban->net, now);
	if (r->errors != errors)
		done = -1;
	else if (ban->absent)
		fwrite(old, size, 1, new);
	else
		done = rewrite(ban, &own, now, new, r);
	source_free(&own);
	return done;
}

enum compile_outcome
list_ban(const struct list_compile *ask, struct list_ban *ban, char *name,
    size_t size)
{
	struct list_compile bans = *ask;
	struct change ch;
	enum compile_outcome outcome;

	strlcpy(name, "", size);
	ban->absent = false;
	bans.wanted = BIT(LIST_BANS);
	memset(&ch, 0, sizeof(ch));
	ch.id = LIST_BANS;
	ch.file = BAN_FILE;
	ch.edit = edit;
	ch.arg = ban;
	ch.dirfd = -1;
	outcome = compile_change(&bans, &ch, name, size);
	change_free(&ch);
	return outcome;
}
