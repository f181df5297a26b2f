/*
 * The access map of sendmail, as makemap(8) reads it. A key may have a tag:
 * Connect: is asked about clients, From: about senders, To: about recipients,
 * and one without a tag where there is none with it. A domain holds what is
 * below it too.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "tools/import.h"

enum tag {
	TAG_NONE,
	TAG_CONNECT,
	TAG_FROM,
	TAG_TO,
	TAG_OTHER /* a setting of sendmail's own */
};

enum kind {
	KIND_BAD, /* reported */
	KIND_REFUSE,
	KIND_OK,
	KIND_RELAY,
	KIND_SKIP /* as if there were no entry */
};

struct value {
	enum kind kind;
	int action; /* of a refusal */
	const char *text;
};

static const char tagged[] = "tagged"; /* the argument of such a name */

/* ---------------------------------------------------------------- values */

/* "550 text", perhaps quoted. */
static bool
take_reply(char *text, struct value *v)
{
	size_t n = strlen(text);

	if (n >= 2 && text[0] == '"' && text[n - 1] == '"') {
		text[n - 1] = '\0';
		text++;
	}
	if ((text[0] != '4' && text[0] != '5') ||
	    !isdigit((unsigned char)text[1]) ||
	    !isdigit((unsigned char)text[2]) ||
	    (text[3] != '\0' && text[3] != ' ' && text[3] != '\t'))
		return false;
	v->kind = KIND_REFUSE;
	v->action = text[0] == '4' ? ACT_DEFER : ACT_REJECT;
	v->text = import_past_status(import_word(text));
	return true;
}

/* ERROR:550 text, ERROR:D.S.N:550 text */
static bool
take_error(char *text, struct value *v)
{
	size_t n;

	if (strncasecmp(text, "ERROR:", 6) != 0)
		return take_reply(text, v);
	text += 6;
	n = strspn(text, "0123456789.");
	return take_reply(text[n] == ':' ? text + n + 1 : text, v);
}

static struct value
parse_value(struct import *im, char *text)
{
	static const struct {
		const char *word;
		enum kind kind;
	} words[] = { { "OK", KIND_OK }, { "RELAY", KIND_RELAY },
		{ "REJECT", KIND_REFUSE }, { "SKIP", KIND_SKIP } };
	struct value v = { KIND_BAD, ACT_REJECT, NULL };
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcasecmp(text, words[i].word) == 0) {
			v.kind = words[i].kind;
			return v;
		}
	if (*text == '\0')
		import_error(im, "there is nothing behind the key");
	else if (!take_error(text, &v))
		import_error(im, "`%.60s` is nothing a list can say", text);
	return v;
}

/* ----------------------------------------------------------------- keys */

/* The tag, and the key behind it. */
static enum tag
parse_tag(char **key)
{
	static const struct {
		const char *text;
		enum tag tag;
	} tags[] = { { "Connect:", TAG_CONNECT }, { "From:", TAG_FROM },
		{ "To:", TAG_TO }, { "IPv6:", TAG_NONE } };

	size_t i, n = strcspn(*key, ":");

	if ((*key)[n] == '\0' || strcspn(*key, "@[.") < n)
		return TAG_NONE;
	for (i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
		if (strncasecmp(*key, tags[i].text, n + 1) != 0)
			continue;
		if (tags[i].tag != TAG_NONE)
			*key += n + 1;
		return tags[i].tag;
	}
	return TAG_OTHER;
}

static bool
is_address(const char *key)
{
	return strncasecmp(key, "IPv6:", 5) == 0 ||
	    key[strspn(key, "0123456789.")] == '\0';
}

/* Remember what a key says, until it is known which others do. */
static void
remember(struct import *im, enum tag tag, const char *before, const char *key,
    const struct value *v)
{
	char text[MAILBOX_TEXT_MAX + 8];
	struct import_name *n;
	char *p;

	if ((size_t)snprintf(text, sizeof(text), "%s%s", before, key) >=
	    sizeof(text)) {
		import_error(im, "`%.60s` is too long", key);
		return;
	}
	for (p = text; *p != '\0'; p++)
		*p = (char)tolower((unsigned char)*p);
	n = name_new(im, import_keep(im, text));
	n->argument = tag == TAG_NONE ? NULL : tagged;
	n->text = v->text;
	n->relay = v->kind == KIND_RELAY;
	n->action = v->kind == KIND_REFUSE ? v->action :
	    v->kind == KIND_OK		   ? ACT_ALLOW :
					     -1;
}

/* ---------------------------------------------------------------- clients */

static void
client_address(struct import *im, enum tag tag, char *key,
    const struct value *v)
{
	struct import_nets nets = { .p = NULL };
	bool six = strncasecmp(key, "IPv6:", 5) == 0;
	size_t n = strlen(key);
	struct import_rule r;
	const char *why = "no part of an address (it has no dot or colon at "
			  "the end)";

	if (v->kind == KIND_OK && (im->list == -1 || im->list == LIST_BANNED)) {
		import_error(im,
		    "OK passes later tests too, which list banned "
		    "cannot say: SKIP is an exception of this "
		    "table alone");
	} else if (strchr(key, '/') != NULL || strchr(".:", key[n - 1]) ||
	    nets_parse(&nets, six ? key + 5 : key,
		six ? NET_GROUPS : NET_PART | NET_SHORT, &why) == -1) {
		import_error(im, "`%.60s`: %s", key, why);
	} else {
		memset(&r, 0, sizeof(r));
		r.prefix = nets.p[0];
		r.line = im->line;
		r.level = tag == TAG_NONE ? 1 : 0;
		r.ban = v->kind == KIND_REFUSE ? v->action : -1;
		r.text = v->text;
		r.relay = v->kind == KIND_RELAY;
		rule_add(im, &r);
	}
	nets_free(&nets);
}

/* ------------------------------------------------- senders and recipients */

static void
sender(struct import *im, enum tag tag, const char *before, const char *key,
    struct value v)
{
	if (im->list != -1 && im->list != LIST_SENDERS)
		import_wants(im, LIST_SENDERS);
	else if (v.kind == KIND_RELAY)
		import_error(im,
		    "relaying by what the sender says of itself "
		    "is nothing a list can say");
	else if (*before == '\0' && key[strlen(key) - 1] == '@')
		import_error(im,
		    "`%.60s`: a user of any domain is no key of "
		    "list senders",
		    key);
	else {
		if (v.kind == KIND_SKIP)
			v.kind = KIND_OK;
		remember(im, tag, before, key, &v);
	}
}

static void
recipient(struct import *im, const char *key, const struct value *v)
{
	char text[MAILBOX_TEXT_MAX + 8];
	bool mailbox = strchr(key, '@') != NULL;
	enum list_id list = v->kind == KIND_RELAY && !mailbox ? LIST_DOMAINS :
								LIST_RECIPIENTS;

	if (!import_wants(im, list))
		return;
	snprintf(text, sizeof(text), "%s%.540s",
	    mailbox		     ? "" :
		list == LIST_DOMAINS ? "." :
				       "@.",
	    key);
	if (list == LIST_DOMAINS)
		import_add(im, list, text, ACT_ACCEPT, NULL, NULL);
	else if (v->kind == KIND_REFUSE)
		import_add(im, list, text, (enum list_action)v->action, NULL,
		    v->text);
	else
		import_error(im,
		    "only a domain can have RELAY, and OK does "
		    "not say that a recipient is known");
}

/* --------------------------------------------------------------- entries */

/* Without a tag: about clients and senders; recipients are in doubt. */
static void
untagged(struct import *im, char *key, const struct value *v)
{
	bool mailbox = strchr(key, '@') != NULL;

	if (im->list == LIST_RECIPIENTS && v->kind == KIND_REFUSE &&
	    !is_address(key)) {
		import_error(im,
		    "`%.60s`: without a tag it depends on "
		    "FEATURE(blacklist_recipients) whether this is about "
		    "recipients: write From: or To:",
		    key);
	} else if (is_address(key)) {
		client_address(im, TAG_NONE, key, v);
	} else if (v->kind == KIND_RELAY) {
		import_error(im,
		    "`%.60s`: RELAY without a tag relays from and to it: "
		    "write Connect: or To:",
		    key);
	} else if (mailbox) {
		sender(im, TAG_NONE, "", key, *v);
	} else {
		remember(im, TAG_NONE, ".", key, v);
		sender(im, TAG_NONE, "@.", key, *v);
	}
}

static void
entry(struct import *im, enum tag tag, char *key, const struct value *v)
{
	bool mailbox = strchr(key, '@') != NULL;

	if (strchr(key, '[') != NULL)
		import_error(im,
		    "`%.60s`: an address in [] stands for "
		    "clients without a name or for a domain, "
		    "which no list can say",
		    key);
	else if (tag == TAG_NONE)
		untagged(im, key, v);
	else if (tag == TAG_CONNECT && is_address(key))
		client_address(im, tag, key, v);
	else if (tag == TAG_CONNECT)
		remember(im, tag, ".", key, v);
	else if (tag == TAG_FROM)
		sender(im, tag, mailbox ? "" : "@.", key, *v);
	else
		recipient(im, key, v);
}

/*
 * Can the entry be for the list that is wanted? One that cannot is counted,
 * and not looked at.
 */
static bool
concerns(struct import *im, enum tag tag, const char *key)
{
	const unsigned clients = BIT(LIST_BANNED) | BIT(LIST_RELAY) |
	    BIT(LIST_NAMES);
	const unsigned rcpts = BIT(LIST_RECIPIENTS) | BIT(LIST_DOMAINS);
	unsigned lists = BIT(LIST_SENDERS);
	int id = 0;

	if (tag == TAG_CONNECT || (tag == TAG_NONE && is_address(key)))
		lists = clients;
	else if (tag == TAG_TO)
		lists = rcpts;
	else if (tag == TAG_NONE && strchr(key, '@') != NULL)
		lists |= BIT(LIST_RECIPIENTS);
	else if (tag == TAG_NONE)
		lists |= clients | BIT(LIST_RECIPIENTS);
	if (im->list == -1 || (lists & BIT(im->list)) != 0)
		return true;
	while ((lists & BIT(id)) == 0)
		id++;
	return import_wants(im, (enum list_id)id);
}

void
sendmail_line(struct import *im, char *text)
{
	struct value v;
	enum tag tag;
	char *rest;

	if (*text == '\0' || *text == '#')
		return;
	im->own.entries++;
	if (*text == ' ' || *text == '\t') {
		import_error(im, "the line begins with a blank");
		return;
	}
	rest = import_word(text);
	tag = parse_tag(&text);
	if (tag == TAG_OTHER) {
		import_wants(im, LIST_COUNT);
		return;
	}
	if (!concerns(im, tag, text))
		return;
	v = parse_value(im, rest);
	if (v.kind == KIND_BAD)
		return;
	if (*text == '\0')
		import_error(im, "there is nothing behind the tag");
	else
		entry(im, tag, text, &v);
}

/* ---------------------------------------------------------------- output */

static bool
name_says_same(const struct import_name *a, const struct import_name *b)
{
	return a->action == b->action && a->relay == b->relay &&
	    strcmp(a->text == NULL ? "" : a->text,
		b->text == NULL ? "" : b->text) == 0;
}

static void
report_twice(struct import *im, unsigned line, unsigned first)
{
	im->line = line;
	import_error(im, "line %u says something else of the same", first);
}

/* Of each key one: with a tag before without one. */
static void
keep_names(struct import *im)
{
	struct import_name *n, *last = NULL;
	size_t i, kept = 0;

	names_sort(im);
	for (i = 0; i < im->nnames; i++) {
		n = &im->names[i];
		if (last == NULL || strcmp(last->key, n->key) != 0) {
			last = &im->names[kept++];
			*last = *n;
		} else if (last->argument == n->argument) {
			if (!name_says_same(last, n))
				report_twice(im, n->line, last->line);
		} else if (n->argument != NULL) {
			*last = *n;
		}
	}
	im->nnames = kept;
}

static void
keep_rules(struct import *im)
{
	struct import_rule *r, *last = NULL;
	size_t i, kept = 0;

	rules_sort(im);
	for (i = 0; i < im->nrules; i++) {
		r = &im->rules[i];
		if (last == NULL || last->prefix.len != r->prefix.len ||
		    !addr_equal(&last->prefix.addr, &r->prefix.addr)) {
			last = &im->rules[kept++];
			*last = *r;
		} else if (last->level == r->level) {
			if (!rule_same(last, r))
				report_twice(im, r->line, last->line);
		} else if (r->level < last->level) {
			*last = *r;
		}
	}
	im->nrules = kept;
}

/* What a name says to list names. */
static void
write_name(struct import *im, const struct import_name *n)
{
	const struct import_name *wider = name_wider(im, n->key);

	if (n->action != -1) {
		if (import_wants(im, LIST_NAMES))
			import_add(im, LIST_NAMES, n->key,
			    (enum list_action)n->action, NULL, n->text);
	} else if (!n->relay && wider != NULL && wider->action != -1 &&
	    (im->list == -1 || im->list == LIST_NAMES)) {
		import_error(im,
		    "list names cannot say that line %u does not hold here "
		    "and later tests do",
		    wider->line);
	}
}

/* And to list relay. */
static void
write_relay(struct import *im, const struct import_name *n)
{
	const struct import_name *wider = name_wider(im, n->key);

	if (n->relay && import_wants(im, LIST_RELAY))
		import_add(im, LIST_RELAY, n->key, ACT_RELAY, NULL, NULL);
	else if (!n->relay && wider != NULL && wider->relay &&
	    (im->list == -1 || im->list == LIST_RELAY))
		import_add(im, LIST_RELAY, n->key, ACT_DENY, NULL, NULL);
}

/*
 * sendmail asks for the client's name first, lictord for its address. Which
 * names the clients of a network have nobody knows, so this can but be said.
 */
static void
warn_order(struct import *im)
{
	const struct import_name *in = NULL, *out = NULL, *n;
	const struct import_rule *ban = NULL, *relay = NULL, *r;

	for (n = im->names; n < im->names + im->nnames; n++) {
		if (n->key[0] != '.')
			continue;
		if (n->relay || n->action == ACT_ALLOW)
			in = n;
		else if (n->action != -1)
			out = n;
	}
	for (r = im->rules; r < im->rules + im->nrules; r++) {
		ban = r->ban != -1 ? r : ban;
		relay = r->relay ? r : relay;
	}
	if (in != NULL && ban != NULL && im->list == LIST_BANNED) {
		im->line = ban->line;
		import_warn(im,
		    "bans by address come first here: names that sendmail lets "
		    "in before it asks (line %u) are banned too",
		    in->line);
	}
	if (out != NULL && relay != NULL && im->list == LIST_RELAY) {
		im->line = relay->line;
		import_warn(im,
		    "addresses that relay come first here: names that sendmail "
		    "refuses before it asks (line %u) relay too",
		    out->line);
	}
}

void
sendmail_end(struct import *im)
{
	const struct import_name *n;

	keep_rules(im);
	keep_names(im);
	warn_order(im);
	rules_write(im, LIST_BANNED, false);
	rules_write(im, LIST_RELAY, false);
	for (n = im->names; n < im->names + im->nnames; n++) {
		im->line = n->line;
		if (n->key[0] == '.') {
			write_name(im, n);
			write_relay(im, n);
		} else {
			import_add(im, LIST_SENDERS, n->key,
			    (enum list_action)n->action, NULL, n->text);
		}
	}
}
