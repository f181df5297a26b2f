/*
 * Postfix tables of clients: cidr_table(5), where the first match decides, and
 * access(5), where it is the most specific one. In both the result is an
 * action of access(5).
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "tools/import.h"

/* --------------------------------------------------------------- results */

enum result {
	RESULT_BAD, /* reported */
	RESULT_REFUSE,
	RESULT_OK,
	RESULT_NONE /* as if the table did not have it */
};

/* "4NN text" and "5NN text" */
static bool
is_code(const char *value)
{
	return (value[0] == '4' || value[0] == '5') &&
	    isdigit((unsigned char)value[1]) &&
	    isdigit((unsigned char)value[2]) &&
	    (value[3] == ' ' || value[3] == '\t');
}

/* An action of access(5), and its text behind it. */
static enum result
parse_result(struct import *im, char *value, int *action, char **text)
{
	size_t n;

	*action = ACT_REJECT;
	if (is_code(value)) {
		*action = value[0] == '4' ? ACT_DEFER : ACT_REJECT;
		*text = import_past_status(import_word(value));
		return RESULT_REFUSE;
	}
	n = strspn(value, "0123456789");
	if (n > 0 && value[n] == '\0') {
		import_error(im,
		    "`%.60s`: Postfix takes a number alone for "
		    "OK: write what is meant",
		    value);
		return RESULT_BAD;
	}
	*text = import_past_status(import_word(value));
	if (strcasecmp(value, "REJECT") == 0)
		return RESULT_REFUSE;
	if (strcasecmp(value, "DEFER") == 0) {
		*action = ACT_DEFER;
		return RESULT_REFUSE;
	}
	if (strcasecmp(value, "OK") == 0 || strcasecmp(value, "permit") == 0)
		return RESULT_OK;
	if (strcasecmp(value, "DUNNO") == 0)
		return RESULT_NONE;
	if (*value == '\0')
		import_error(im, "there is no result behind the key");
	else
		import_error(im, "`%.60s` is nothing a list can say", value);
	return RESULT_BAD;
}

/* What a result is in that list, or -1 after saying why it is nothing. */
static int
result_action(struct import *im, enum list_id list, enum result r, int refuse)
{
	static const struct {
		enum list_id list;
		int ok, none; /* actions, or -1 */
	} rows[] = {
		{ LIST_BANNED, -1, ACT_ALLOW },
		{ LIST_RELAY, ACT_RELAY, ACT_DENY },
		{ LIST_NAMES, ACT_ALLOW, -1 },
		{ LIST_SENDERS, -1, ACT_ALLOW },
		{ LIST_RECIPIENTS, -1, -1 },
	};

	size_t i;
	int action = -1;

	for (i = 0; rows[i].list != list; i++)
		continue;
	if (r == RESULT_REFUSE && list != LIST_RELAY)
		return refuse;
	if (r == RESULT_REFUSE)
		import_error(im, "list relay cannot refuse a client");
	else
		action = r == RESULT_OK ? rows[i].ok : rows[i].none;
	if (action != -1 || r == RESULT_REFUSE)
		return action;
	if (r == RESULT_OK && rows[i].none != -1)
		import_error(im,
		    "OK passes later tests too, which list %s cannot say: "
		    "DUNNO is an exception of this table alone",
		    list_name(list));
	else
		import_error(im, "list %s cannot say %s", list_name(list),
		    r == RESULT_OK ? "OK: nor that a recipient is known" :
				     "DUNNO: an exception that leaves later "
				     "tests in force");
	return -1;
}

/* The result for a network, as a rule. 0, or -1 after reporting. */
static int
result_rule(struct import *im, enum list_id list, char *value,
    struct import_rule *rule)
{
	int refuse, action;
	char *text;
	enum result r = parse_result(im, value, &refuse, &text);

	memset(rule, 0, sizeof(*rule));
	rule->line = im->line;
	rule->ban = -1;
	if (r == RESULT_BAD ||
	    (action = result_action(im, list, r, refuse)) == -1)
		return -1;
	if (r == RESULT_REFUSE) {
		rule->ban = action;
		rule->text = text;
	}
	rule->relay = r == RESULT_OK;
	return 0;
}

/* ------------------------------------------------------------------ cidr */

/* network_address or network_address/length, perhaps in brackets */
static int
cidr_pattern(struct import *im, const char *text, struct prefix *p)
{
	struct import_nets nets = { .p = NULL };
	const char *why = "no address or network";

	if (nets_parse(&nets, text, NET_BRACKETS, &why) == 0) {
		*p = nets.p[0];
		if (nets.hostbits)
			why = "bits behind the length are set";
		else if (p->addr.family == 4 && strchr(text, ':') != NULL)
			why = "no client has such an address: write it as "
			      "IPv4";
		else
			why = NULL;
	}
	nets_free(&nets);
	if (why == NULL)
		return 0;
	import_error(im, "`%.60s`: %s", text, why);
	return -1;
}

/* if pattern: what stands in it holds for that network alone. */
static void
cidr_if(struct import *im, char *pattern)
{
	struct prefix p = { .len = 0 };
	unsigned n = im->own.nnest;
	bool skip = n > 0 && im->own.nest[n - 1].skip;

	if (n == sizeof(im->own.nest) / sizeof(im->own.nest[0])) {
		import_fail(im, "there are too many `if` in one another");
		im->stop = true;
		return;
	}
	if (!skip && *pattern == '!') {
		import_error(im,
		    "`if !` holds for all but a network, which no "
		    "list can say");
		skip = true;
	} else if (!skip && cidr_pattern(im, pattern, &p) == -1) {
		skip = true;
	}
	im->own.nest[n].prefix = p;
	im->own.nest[n].line = im->line;
	im->own.nest[n].skip = skip;
	im->own.nnest++;
}

/* The part of the pattern that is within all `if`. 0, or -1: none is. */
static int
cidr_within(struct import *im, struct prefix *p)
{
	unsigned i;
	const struct prefix *q;

	for (i = 0; i < im->own.nnest; i++) {
		q = &im->own.nest[i].prefix;
		if (!prefix_meets(p, q)) {
			import_error(im,
			    "this is never reached: it lies outside of `if` in "
			    "line %u",
			    im->own.nest[i].line);
			return -1;
		}
		if (q->len > p->len)
			*p = *q;
	}
	return 0;
}

void
cidr_line(struct import *im, char *text)
{
	enum list_id list = im->list == -1 ? LIST_BANNED :
					     (enum list_id)im->list;
	char *value = import_word(text);
	struct import_rule rule;
	struct prefix p;

	if (strcasecmp(text, "if") == 0) {
		cidr_if(im, value);
	} else if (strcasecmp(text, "endif") == 0) {
		if (im->own.nnest == 0)
			import_error(im, "`endif` without `if`");
		else
			im->own.nnest--;
	} else if (im->own.nnest > 0 && im->own.nest[im->own.nnest - 1].skip) {
		return;
	} else if (*text == '!') {
		import_error(im,
		    "`!` holds for all but a network, which no "
		    "list can say");
	} else if (cidr_pattern(im, text, &p) == 0 &&
	    result_rule(im, list, value, &rule) == 0 &&
	    cidr_within(im, &p) == 0) {
		rule.prefix = p;
		rule_add(im, &rule);
	}
}

/*
 * The first match decides there, the most specific here: that is the same
 * unless a wider rule comes first and says something else.
 */
static void
cidr_check_order(struct import *im)
{
	const struct import_rule *stack[130], *r;
	char key[PREFIX_TEXT_MAX];
	int i, top = 0;

	rules_sort(im);
	for (r = im->rules; r < im->rules + im->nrules; r++) {
		while (top > 0 &&
		    !prefix_contains(&stack[top - 1]->prefix, &r->prefix.addr))
			top--;
		for (i = 0; i < top; i++)
			if (stack[i]->line < r->line && !rule_same(stack[i], r))
				break;
		im->line = r->line;
		if (i < top)
			import_error(im,
			    "%s is never reached: line %u holds all of it and "
			    "says something else",
			    prefix_format(&r->prefix, key), stack[i]->line);
		if (top == 0 || stack[top - 1]->prefix.len < r->prefix.len)
			stack[top++] = r;
	}
}

void
cidr_end(struct import *im)
{
	if (im->own.nnest > 0) {
		im->line = im->own.nest[im->own.nnest - 1].line;
		import_error(im, "`if` without `endif`");
	}
	cidr_check_order(im);
	rules_write(im, im->list == -1 ? LIST_BANNED : (enum list_id)im->list,
	    false);
}

/* ---------------------------------------------------------------- access */

/* An IPv6 address or part of one, as Postfix looks it up: as text. */
static const char *
access_ipv6(char *key, struct import_nets *nets)
{
	char text[ADDR_TEXT_MAX];
	const char *why, *p;
	struct addr a;

	for (p = key; *p != '\0'; p++)
		key[p - key] = (char)tolower((unsigned char)*p);
	if (addr_parse(&a, key) == 0)
		return a.family == 6 &&
			strcmp(addr_format(&a, text), key) == 0 &&
			nets_parse(nets, key, 0, &why) == 0 ?
		    NULL :
		    "Postfix looks addresses up in their shortest form";
	if (p > key && p[-1] == ':')
		return "Postfix looks parts up without a colon at the end";
	if (key[0] == '0' || strstr(key, ":0") != NULL)
		return "Postfix never finds a part with zeros in front";
	return nets_parse(nets, key, NET_GROUPS, &why) == 0 ?
	    NULL :
	    "no IP address or part of one";
}

/* 192.0.2 or 2001:db8; the reason when it is none that is ever found. */
static const char *
access_net(char *key, struct import_nets *nets)
{
	size_t n = strlen(key);
	const char *why;

	if (strpbrk(key, "/[]") != NULL)
		return "a network with a length is for cidr tables";
	if (strchr(key, ':') != NULL)
		return access_ipv6(key, nets);
	if (n > 0 && key[n - 1] == '.')
		return "Postfix looks parts up without a dot at the end";
	return nets_parse(nets, key, NET_PART | NET_SHORT, &why) == 0 ? NULL :
									why;
}

static void
access_address(struct import *im, char *key, char *value)
{
	struct import_nets nets = { .p = NULL };
	struct import_rule rule;
	const char *why = access_net(key, &nets);

	if (why != NULL)
		import_error(im, "`%.60s`: %s", key, why);
	else if (result_rule(im, (enum list_id)im->list, value, &rule) == 0) {
		rule.prefix = nets.p[0];
		rule_add(im, &rule);
		if (!rule.relay)
			im->own.places[1] = im->line;
	}
	nets_free(&nets);
}

/* The action of a key and its text, or NULL; false after reporting. */
static bool
access_action(struct import *im, char *value, int *action, char **text)
{
	int refuse;
	enum result r = parse_result(im, value, &refuse, text);

	if (r == RESULT_BAD)
		return false;
	*action = result_action(im, (enum list_id)im->list, r, refuse);
	if (r != RESULT_REFUSE)
		*text = NULL;
	if (r == RESULT_NONE)
		im->own.places[1] = im->line;
	return *action != -1;
}

/* A domain and all below it, as parent_domain_matches_subdomains has it. */
static void
access_domain(struct import *im, const char *before, char *key, char *value)
{
	char name[MAILBOX_TEXT_MAX], *text;
	int action;

	if (!access_action(im, value, &action, &text))
		return;
	im->own.places[2] = im->line;
	if (key[0] == '.')
		import_error(im,
		    "`%.60s`: Postfix looks this up only if "
		    "smtpd_access_maps is not in "
		    "parent_domain_matches_subdomains, which is read as if "
		    "it were",
		    key);
	else if (im->list != LIST_SENDERS && im->list != LIST_RECIPIENTS &&
	    strcasecmp(key, "unknown") == 0)
		import_error(im,
		    "`unknown` is a client without a name, for "
		    "test \"rdns\" to refuse");
	else if ((size_t)snprintf(name, sizeof(name), "%s.%s", before, key) >=
	    sizeof(name))
		import_error(im, "`%.60s` is too long", key);
	else
		import_add(im, (enum list_id)im->list, name,
		    (enum list_action)action, NULL, text);
}

static void
access_mailbox(struct import *im, char *key, char *value)
{
	char *text;
	int action;

	if (!access_action(im, value, &action, &text))
		return;
	if (key[strlen(key) - 1] == '@')
		import_error(im,
		    "`%.60s`: a user of any domain is no key of "
		    "list %s",
		    key, list_name((enum list_id)im->list));
	else
		import_add(im, (enum list_id)im->list, key,
		    (enum list_action)action, NULL, text);
}

static bool
is_address(const char *key)
{
	return key[strspn(key, "0123456789.")] == '\0' ||
	    strchr(key, ':') != NULL || key[0] == '[';
}

/* Where the table is used, which -l tells, decides what a key can be. */
void
access_line(struct import *im, char *text)
{
	char *value = logical_value(text);
	bool mail = im->list == LIST_SENDERS || im->list == LIST_RECIPIENTS;

	if (is_address(text)) {
		if (im->list == LIST_RELAY || import_wants(im, LIST_BANNED))
			access_address(im, text, value);
	} else if (strchr(text, '@') != NULL || strcmp(text, "<>") == 0) {
		if (mail || import_wants(im, LIST_COUNT))
			access_mailbox(im, text, value);
	} else if (mail) {
		access_domain(im, "@", text, value);
	} else if (im->list == LIST_RELAY || import_wants(im, LIST_NAMES)) {
		access_domain(im, "", text, value);
	}
}

/* Postfix looks up a client's name first, lictord its address. */
void
access_end(struct import *im)
{
	unsigned none = im->own.places[1], name = im->own.places[2];

	if (im->list == LIST_RELAY && none != 0 && name != 0 &&
	    im->nrules > 0) {
		im->line = none;
		import_error(im,
		    "DUNNO beside names and addresses: Postfix asks for the "
		    "name (line %u) first, list relay for the address",
		    name);
	}
	if (im->list == LIST_RELAY || im->list == LIST_BANNED)
		rules_write(im, (enum list_id)im->list, false);
}
