/*
 * Rules of tcpserver: address:instructions. An address is looked up whole,
 * then the client's name, then shorter parts of the address, then shorter
 * parts of the name, "=" and the empty one; here addresses come first. So
 * rules for names and for addresses are taken together only where that makes
 * no difference.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "tools/import.h"

enum {
	SEEN_DEFAULT = 1, /* the empty address */
	SEEN_ANY = 2	  /* "=" */
};

/* ---------------------------------------------------------- instructions */

/* ,NAME="value" with any octet for quote; 0, or -1 after reporting. */
static int
take_variable(struct import *im, char **at, struct import_rule *r, bool *skip)
{
	char *name = *at + 1, *value = strchr(name, '='), *end;

	if (value == NULL || value[1] == '\0' ||
	    (end = strchr(value + 2, value[1])) == NULL) {
		import_error(im, "`%.60s` is no VARIABLE=\"value\"", name);
		return -1;
	}
	*value = *end = '\0';
	value += 2;
	*at = end + 1;
	if (strcmp(name, "RELAYCLIENT") == 0 && *value == '\0') {
		r->relay = true;
	} else if (strcmp(name, "RELAYCLIENT") == 0) {
		import_error(im,
		    "RELAYCLIENT that is not empty rewrites "
		    "recipients, which no list can say");
		return -1;
	} else if (strcmp(name, "RBLSMTPD") == 0 && *value == '\0') {
		*skip = true;
	} else if (strcmp(name, "RBLSMTPD") == 0) {
		r->ban = *value == '-' ? ACT_REJECT : ACT_DEFER;
		r->text = *value == '-' ? value + 1 : value;
	} else {
		import_error(im, "variable %.60s is nothing a list can say",
		    name);
		return -1;
	}
	return 0;
}

/* allow or deny, and variables. 0, or -1 after reporting. */
static int
take_instructions(struct import *im, char *text, struct import_rule *r)
{
	bool deny = strncmp(text, "deny", 4) == 0, skip = false;

	memset(r, 0, sizeof(*r));
	r->line = im->line;
	r->ban = -1;
	text += deny ? 4 : 5;
	if (deny) {
		r->ban = ACT_DROP; /* nothing runs that could see variables */
		return 0;
	}
	while (*text == ',')
		if (take_variable(im, &text, r, &skip) == -1)
			return -1;
	if (*text != '\0') {
		import_error(im, "`%.60s`: a comma is missing", text);
		return -1;
	}
	if (skip && !r->relay) {
		import_error(im,
		    "RBLSMTPD=\"\": only a client that may relay "
		    "skips DNS lists");
		return -1;
	}
	return 0;
}

/* ------------------------------------------------------------- addresses */

/* 1.2.3.4, 1.2.3., 10.2-3., 1.2.3.4-9: units of as many octets. */
static int
take_octets(struct import *im, const char *text, struct import_rule *r)
{
	struct import_nets nets = { .p = NULL };
	const char *why, *dot = text + strlen(text), *dash;
	int octets = 1, low, high;

	for (dash = text; *dash != '\0'; dash++)
		octets += *dash == '.' && dash[1] != '\0';
	dash = strchr(text, '-');
	if (strpbrk(text, ":/") != NULL ||
	    nets_parse(&nets, text, NET_DOT | NET_OCTETS, &why) == -1 ||
	    (dash != NULL && strchr(dash, '.') != NULL &&
		strchr(dash, '.') + 1 != dot)) {
		nets_free(&nets);
		return -1;
	}
	r->level = (uint8_t)(octets * 8);
	r->prefix = nets.p[0];
	r->prefix.len = r->level;
	low = high = r->prefix.addr.bytes[octets - 1];
	if (dash != NULL)
		high = atoi(dash + 1);
	for (; low <= high; low++) {
		r->prefix.addr.bytes[octets - 1] = (uint8_t)low;
		rule_add(im, r);
	}
	nets_free(&nets);
	return 0;
}

/* IPv6 as some forks have it: whole, or groups that end in a colon. */
static int
take_other(struct import *im, const char *text, struct import_rule *r)
{
	struct import_nets nets = { .p = NULL };
	const char *why, *colon = strchr(text, ':');
	size_t n = strlen(text);
	int ok = -1;

	if (colon != NULL && n > 0 && text[n - 1] == ':' &&
	    (text[0] == '0' || strstr(text, ":0") != NULL))
		return -1; /* such a part is looked up as text */
	if (strchr(text, '/') == NULL &&
	    nets_parse(&nets, text, NET_GROUPS, &why) == 0 &&
	    (nets.p[0].len == 128 || text[n - 1] == ':')) {
		r->prefix = nets.p[0];
		r->level = r->prefix.len;
		rule_add(im, r);
		ok = 0;
	}
	nets_free(&nets);
	return ok;
}

static void
take_default(struct import *im, struct import_rule *r)
{
	im->own.seen |= SEEN_DEFAULT;
	r->prefix.addr.family = 4;
	rule_add(im, r);
	r->prefix.addr.family = 6;
	rule_add(im, r);
}

static void
take_address(struct import *im, char *address, struct import_rule *r)
{
	struct import_name *n;

	if (*address == '\0') {
		take_default(im, r);
	} else if (strchr(address, '@') != NULL) {
		import_error(im,
		    "`%.60s`: what IDENT says is nothing a list "
		    "asks for",
		    address);
	} else if (strcmp(address, "=") == 0) {
		im->own.seen |= SEEN_ANY;
		im->own.places[0] = im->line;
		im->own.numbers[0] = r->ban != -1 || r->relay;
	} else if (*address == '=') {
		name_add(im, address + 1, r->ban, NULL, r->text);
		n = im->nnames > 0 ? &im->names[im->nnames - 1] : NULL;
		if (n != NULL && n->line == im->line)
			n->relay = r->relay;
	} else if (take_octets(im, address, r) == -1 &&
	    take_other(im, address, r) == -1) {
		import_error(im,
		    "`%.60s`: no address that tcpserver would look up (a part "
		    "ends in a dot)",
		    address);
	}
}

/* The colon before the instructions: IPv6 addresses have others. */
static char *
find_instructions(char *text)
{
	char *p;
	size_t n;

	for (p = text; (p = strchr(p, ':')) != NULL; p++) {
		n = strncmp(p + 1, "allow", 5) == 0 ? 6 :
		    strncmp(p + 1, "deny", 4) == 0  ? 5 :
						      0;
		if (n > 0 && (p[n] == '\0' || p[n] == ','))
			return p;
	}
	return NULL;
}

void
tcprules_line(struct import *im, char *text)
{
	struct import_rule r;
	char *colon;

	if (*text == '\0' || *text == '#')
		return;
	im->own.entries++;
	colon = find_instructions(text);
	if (colon == NULL) {
		import_error(im,
		    "`%.60s`: a rule is address:allow or "
		    "address:deny",
		    text);
		return;
	}
	*colon = '\0';
	if (take_instructions(im, colon + 1, &r) == 0)
		take_address(im, text, &r);
}

/* ---------------------------------------------------------------- output */

/* The first rule for an address holds; the later ones are never used. */
static void
keep_first(struct import *im)
{
	struct import_rule *r, *last = NULL;
	unsigned told = 0;
	size_t n = 0;

	rules_sort(im);
	for (r = im->rules; r < im->rules + im->nrules; r++) {
		if (last == NULL || last->prefix.len != r->prefix.len ||
		    !addr_equal(&last->prefix.addr, &r->prefix.addr)) {
			last = &im->rules[n++];
			*last = *r;
			continue;
		}
		im->line = r->line;
		if (!rule_same(last, r) && r->line != told)
			import_warn(im, "not used: line %u comes first",
			    last->line);
		told = r->line;
	}
	im->nrules = n;
}

static int
compare_level(const void *a, const void *b)
{
	const struct import_rule *x = a, *y = b;
	int r = (x->level > y->level) - (x->level < y->level);

	if (r == 0)
		r = (x->line > y->line) - (x->line < y->line);
	return r != 0 ? r :
			memcmp(x->prefix.addr.bytes, y->prefix.addr.bytes, 16);
}

/* Does b begin where a ends? */
static bool
is_next(const struct import_rule *a, const struct import_rule *b)
{
	int i = a->level / 8 - 1;

	return a->line == b->line && a->level == b->level && i >= 0 &&
	    a->prefix.addr.family == 4 && b->prefix.addr.family == 4 &&
	    memcmp(a->prefix.addr.bytes, b->prefix.addr.bytes, (size_t)i) ==
	    0 &&
	    b->prefix.addr.bytes[i] == a->prefix.addr.bytes[i] + 1;
}

/*
 * The units of a range, as few prefixes as can be; but none as wide as a part
 * of one octet less, which is another rule.
 */
static void
join_units(struct import *im)
{
	struct import_rule *units = im->rules, r;
	struct import_nets nets = { .p = NULL };
	size_t n = im->nrules, i, j, k;
	struct addr last;

	if (n == 0)
		return;
	qsort(units, n, sizeof(*units), compare_level);
	im->rules = NULL;
	im->nrules = im->rules_room = 0;
	for (i = 0; i < n; i = j) {
		for (j = i + 1; j < n && is_next(&units[j - 1], &units[j]); j++)
			continue;
		r = units[i];
		if (j == i + 1) {
			rule_add(im, &r);
			continue;
		}
		last = units[j - 1].prefix.addr;
		for (k = r.level / 8; k < 4; k++)
			last.bytes[k] = 255;
		nets.n = 0;
		nets_range(&nets, &r.prefix.addr, &last,
		    (uint8_t)(r.level - 7));
		for (k = 0; k < nets.n; k++) {
			r.prefix = nets.p[k];
			rule_add(im, &r);
		}
	}
	nets_free(&nets);
	free(units);
}

static bool
is_silent(int ban, bool relay)
{
	return ban == -1 && !relay;
}

/*
 * A client to which both belong: does lictord decide as tcpserver does? It
 * bans by address first; then an address in list relay is final, and there a
 * rule that says nothing stands too once there are names in the list.
 */
static bool
agree(const struct import_rule *a, const struct import_name *n)
{
	bool whole = a->prefix.len == (a->prefix.addr.family == 4 ? 32 : 128);
	bool all = a->prefix.len == 0;
	bool name_first = all || (!whole && n->key[0] != '.');

	if (a->ban == n->action && a->relay == n->relay)
		return true;
	if (!name_first)
		return !is_silent(a->ban, a->relay) || n->action == -1;
	if (a->ban != -1)
		return false;
	if (a->relay)
		return n->relay && n->action == -1;
	return all || !n->relay;
}

static void
check_names(struct import *im)
{
	const struct import_rule *r;
	const struct import_name *n;

	for (n = im->names; n < im->names + im->nnames; n++) {
		for (r = im->rules; r < im->rules + im->nrules; r++)
			if (!agree(r, n))
				break;
		if (r == im->rules + im->nrules)
			continue;
		im->line = n->line;
		import_error(im,
		    "a client of this name may be one of line %u too, and "
		    "lictord would decide otherwise than tcpserver",
		    r->line);
	}
}

/* "=", any client that has a name, is nothing: unless it changes nothing. */
static void
check_any(struct import *im)
{
	im->line = im->own.places[0];
	if ((im->own.seen & SEEN_ANY) &&
	    (im->own.numbers[0] != 0 || (im->own.seen & SEEN_DEFAULT) ||
		im->nnames > 0))
		import_error(im,
		    "`=` holds for all clients with a name, which "
		    "no list can say");
}

/* What a name says to that list, or -1. */
static int
name_action(struct import *im, enum list_id list, const struct import_name *n)
{
	const struct import_name *wider = name_wider(im, n->key);

	if (list == LIST_RELAY && n->relay)
		return ACT_RELAY;
	if (list == LIST_RELAY)
		return wider != NULL && wider->relay ? ACT_DENY : -1;
	im->line = n->line;
	if (n->action == ACT_DROP)
		import_error(im,
		    "list names cannot close a connection: "
		    "RBLSMTPD=\"-text\" refuses");
	else if (is_silent(n->action, n->relay) && wider != NULL &&
	    wider->action != -1)
		import_error(im,
		    "list names cannot say that line %u does not hold here "
		    "and later tests do",
		    wider->line);
	return n->action == ACT_DROP ? -1 : n->action;
}

static void
write_names(struct import *im, enum list_id list, int none)
{
	struct import_name *all = im->names, *some;
	size_t i, n = im->nnames;

	some = calloc(n + 1, sizeof(*some));
	if (some == NULL)
		abort();
	for (i = 0; i < n; i++) {
		some[i] = all[i];
		im->line = all[i].line;
		if (list == LIST_RELAY ? all[i].relay : all[i].action != -1)
			if (!import_wants(im, list))
				continue;
		some[i].action = name_action(im, list, &all[i]);
	}
	if (im->list == -1 || im->list == (int)list) {
		im->names = some;
		names_write(im, list, none);
		im->names = all;
	}
	free(some);
}

static bool
has_relay_names(const struct import *im)
{
	size_t i;

	for (i = 0; i < im->nnames; i++)
		if (im->names[i].relay)
			return true;
	return false;
}

void
tcprules_end(struct import *im)
{
	bool relay_names = has_relay_names(im);

	keep_first(im);
	names_sort(im);
	check_names(im);
	check_any(im);
	join_units(im);
	rules_write(im, LIST_BANNED, false);
	rules_write(im, LIST_RELAY, relay_names);
	write_names(im, LIST_NAMES, -1);
	write_names(im, LIST_RELAY, ACT_DENY);
}
