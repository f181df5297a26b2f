/*
 * Data sets of rbldnsd: addresses (ip4set, ip4trie, ip6trie) and names
 * (dnset). What is listed is refused, whatever the A value; an exclusion is
 * an exception. A text with a variable in it is left out, and that is said.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tools/import.h"

enum {
	SEEN_BASE = 1, /* $= */
	SEEN_LEFT = 2  /* a text was left out, and this was said */
};

/* Members of im->own.numbers. */
enum {
	MAXRANGE /* addresses; 0: any number */
};

/* -------------------------------------------------------------- specials */

/* yyyy:mm:dd[:hh[:mi[:ss]]], with : or - or nothing between; or -1. */
static int64_t
parse_stamp(const char *text)
{
	char digits[16];
	struct tm tm;
	size_t n = 0;

	for (; *text != '\0'; text++) {
		if (*text == ':' || *text == '-')
			continue;
		if (!isdigit((unsigned char)*text) || n == 14)
			return -1;
		digits[n++] = *text;
	}
	if (n < 8 || n % 2 != 0)
		return -1;
	memset(digits + n, '0', 14 - n);
	digits[14] = '\0';
	memset(&tm, 0, sizeof(tm));
	if (strptime(digits, "%Y%m%d%H%M%S", &tm) == NULL)
		return -1;
	return (int64_t)timegm(&tm);
}

/* A stamp, or +N with s, m, h, d or w behind it; or -1. */
static int64_t
parse_expiry(const char *text, int64_t from)
{
	static const char units[] = "smhdw";
	static const int64_t secs[] = { 1, 60, 3600, 86400, 604800 };
	const char *unit;
	char *end;
	long n;

	if (*text != '+')
		return parse_stamp(text);
	if (!isdigit((unsigned char)text[1]))
		return -1;
	n = strtol(text + 1, &end, 10);
	if (n < 0 || n > 100000000 || from == -1)
		return -1;
	unit = *end == '\0' ? units : strchr(units, *end);
	if (unit == NULL || (*end != '\0' && end[1] != '\0'))
		return -1;
	return from + n * secs[unit - units];
}

static bool
is_given(const char *stamp)
{
	return *stamp != '\0' && strcmp(stamp, "0") != 0 &&
	    strcmp(stamp, "-") != 0;
}

/* $TIMESTAMP dstamp [expires] */
static void
take_timestamp(struct import *im, char *text)
{
	char *expires = import_word(text);
	int64_t when = -1, end = 0;

	import_word(expires);
	if (is_given(text)) {
		when = parse_stamp(text);
		if (when == -1)
			import_fail(im, "`%.60s` is no time stamp", text);
		else
			import_date(im, when);
	}
	if (is_given(expires))
		end = parse_expiry(expires, when);
	if (end == -1)
		import_fail(im, "`%.60s` is no time stamp", expires);
	else if (end != 0 && end < im->now && im->max_age > 0)
		import_fail(im,
		    "the data has expired, it says (-a 0 takes "
		    "it)");
}

/* $MAXRANGE4 /24 or $MAXRANGE4 256 */
static void
take_maxrange(struct import *im, const char *text)
{
	const char *wrong = NULL;
	uint64_t n;

	if (*text == '/')
		n = (uint64_t)1 << (32 - strtonum(text + 1, 0, 32, &wrong));
	else
		n = (uint64_t)strtonum(text, 1, (long long)1 << 32, &wrong);
	if (wrong != NULL)
		import_fail(im, "`%.60s` is no size of a range", text);
	else
		im->own.numbers[MAXRANGE] = n;
}

/* True for $NAME, also behind #, ; and :. What is no part of a list passes. */
static bool
take_special(struct import *im, char *text)
{
	static const char *const passed[] = { "$SOA", "$NS", "$TTL" };
	char *rest;
	size_t i;

	if (text[0] != '$' &&
	    (*text == '\0' || strchr("#;:", *text) == NULL || text[1] != '$'))
		return false;
	text += text[0] != '$';
	rest = import_word(text);
	for (i = 0; i < sizeof(passed) / sizeof(passed[0]); i++)
		if (strcasecmp(text, passed[i]) == 0)
			return true;
	if (isdigit((unsigned char)text[1]) && text[2] == '\0') {
		return true; /* texts with variables are left out */
	} else if (strcmp(text, "$=") == 0) {
		im->own.seen |= SEEN_BASE;
	} else if (strcasecmp(text, "$TIMESTAMP") == 0) {
		take_timestamp(im, rest);
	} else if (strcasecmp(text, "$MAXRANGE4") == 0) {
		take_maxrange(im, rest);
	} else if (strcasecmp(text, "$DATASET") == 0) {
		import_fail(im,
		    "a combined file holds several sets: take "
		    "them apart");
		im->stop = true;
	} else {
		import_error(im, "`%.60s` is nothing that is known here", text);
	}
	return true;
}

/* ----------------------------------------------------------------- texts */

/* $$ is $; a text with any other $ cannot be said here: NULL. */
static const char *
plain_text(struct import *im, char *text)
{
	char *from, *to = text;
	bool whole = (im->own.seen & SEEN_BASE) == 0;

	for (from = text; *from != '\0' && whole; from++) {
		if (*from == '$' && *++from != '$')
			whole = false;
		else
			*to++ = *from;
	}
	if (whole) {
		*to = '\0';
		return text;
	}
	if ((im->own.seen & SEEN_LEFT) == 0)
		import_warn(im, "texts with a variable ($) are left out");
	im->own.seen |= SEEN_LEFT;
	return NULL;
}

/*
 * Values: ":A:text", ":A" (the default text), ":A:" (none) or "text"; a
 * comment and nothing at all are the default too.
 */
static const char *
take_values(struct import *im, char *values)
{
	char *second;

	if (*values == '\0' || *values == '#' || *values == ';')
		return im->own.text;
	if (*values == ':') {
		second = strchr(values + 1, ':');
		if (second == NULL)
			return im->own.text;
		values = second + 1 + strspn(second + 1, " \t");
	}
	return *values == '\0' ? NULL : plain_text(im, values);
}

/*
 * Comments, specials and default values are no entries. False, or the entry
 * with its "!" cut off and what is behind its key.
 */
static bool
take_entry(struct import *im, char **text, const char *ends, bool *excluded,
    char **values)
{
	const char *value;

	if (take_special(im, *text) || **text == '\0' || **text == '#' ||
	    **text == ';')
		return false;
	/* A line that begins with :: is an IPv6 address. */
	if (**text == ':' && (strchr(ends, ':') != NULL || (*text)[1] != ':')) {
		im->own.text = NULL; /* no default while it is read */
		value = take_values(im, *text);
		im->own.text = value == NULL ? NULL : *text + (value - *text);
		return false;
	}
	im->own.entries++;
	*excluded = **text == '!';
	if (*excluded)
		*text += 1 + strspn(*text + 1, " \t");
	*values = *text + strcspn(*text, ends);
	return true;
}

/* ------------------------------------------------------------- addresses */

static void
add_nets(struct import *im, const struct import_nets *nets, bool excluded,
    const char *text)
{
	struct import_rule r;
	size_t i;

	for (i = 0; i < nets->n; i++) {
		memset(&r, 0, sizeof(r));
		r.prefix = nets->p[i];
		r.line = im->line;
		/* The set has levels of whole octets, /0 is of the first. */
		r.level = (uint8_t)(r.prefix.len <= 8 ?
			8 :
			(r.prefix.len + 7) / 8 * 8);
		r.ban = excluded ? -1 : ACT_REJECT;
		r.text = text;
		rule_add(im, &r);
	}
}

static bool
is_too_large(const struct import *im, const struct import_nets *nets)
{
	uint64_t n = 0;
	size_t i;

	for (i = 0; i < nets->n; i++)
		if (nets->p[i].addr.family == 4)
			n += (uint64_t)1 << (32 - nets->p[i].len);
	return im->own.numbers[MAXRANGE] != 0 && n > im->own.numbers[MAXRANGE];
}

static void
take_nets(struct import *im, char *key, unsigned spellings, bool excluded,
    const char *text)
{
	struct import_nets nets = { .p = NULL };
	const char *why;
	size_t n = strlen(key);

	if (n == 0 || strchr(".:", key[n - 1]) != NULL ||
	    key[strspn(key, "0123456789")] == '\0')
		import_error(im, "`%.60s`: no IP address or network", key);
	else if (nets_parse(&nets, key, spellings, &why) == -1)
		import_error(im, "`%.60s`: %s", key, why);
	else if (nets.hostbits)
		import_error(im, "`%.60s`: bits behind the length are set",
		    key);
	else if ((nets.p[0].addr.family == 6) !=
	    ((spellings & NET_GROUPS) != 0))
		import_error(im, "`%.60s`: the other kind of address", key);
	else if (is_too_large(im, &nets))
		import_error(im,
		    "`%.60s` is larger than $MAXRANGE4: rbldnsd "
		    "leaves it out",
		    key);
	else
		add_nets(im, &nets, excluded, text);
	nets_free(&nets);
}

void
ip4set_line(struct import *im, char *text)
{
	char *values, key[64];
	bool excluded;

	if (!take_entry(im, &text, " \t:#;", &excluded, &values))
		return;
	snprintf(key, sizeof(key), "%.*s", (int)(values - text), text);
	take_nets(im, key, NET_PART | NET_SHORT | NET_RANGE | NET_ENDS,
	    excluded, take_values(im, values + strspn(values, " \t")));
}

void
iptrie_line(struct import *im, char *text)
{
	bool six = strcmp(im->format->name, "rbldnsd-ip6trie") == 0, excluded;
	char *values, key[64];

	if (!take_entry(im, &text, six ? " \t#;" : " \t:#;", &excluded,
		&values))
		return;
	snprintf(key, sizeof(key), "%.*s", (int)(values - text), text);
	take_nets(im, key, six ? NET_GROUPS | NET_SHORT : NET_PART | NET_SHORT,
	    excluded, take_values(im, values + strspn(values, " \t")));
}

/*
 * Of the same network one counts: in a set an exclusion, in a trie the first.
 */
static void
keep_one(struct import *im, bool set)
{
	struct import_rule *r, *last = NULL;
	size_t i, n = 0;

	rules_sort(im);
	for (i = 0; i < im->nrules; i++) {
		r = &im->rules[i];
		if (last == NULL || last->prefix.len != r->prefix.len ||
		    !addr_equal(&last->prefix.addr, &r->prefix.addr)) {
			last = &im->rules[n++];
			*last = *r;
		} else if (set && r->ban == -1) {
			*last = *r;
		} else if (!set && (last->ban == -1) != (r->ban == -1)) {
			im->line = r->line;
			import_warn(im, "not used: line %u comes first",
			    last->line);
		}
	}
	im->nrules = n;
}

/*
 * Within a level of the set exclusions win, however wide: what they hold there
 * is not listed at all.
 */
static void
drop_excluded(struct import *im)
{
	const struct import_rule *stack[130];
	struct import_rule *r;
	int i, top = 0;
	size_t n = 0, k;

	for (k = 0; k < im->nrules; k++) {
		r = &im->rules[k];
		while (top > 0 &&
		    !prefix_contains(&stack[top - 1]->prefix, &r->prefix.addr))
			top--;
		for (i = 0; i < top; i++)
			if (r->ban != -1 && stack[i]->level == r->level)
				break;
		if (i < top)
			continue;
		im->rules[n] = *r;
		if (r->ban == -1)
			stack[top++] = &im->rules[n];
		n++;
	}
	im->nrules = n;
}

void
ip4set_end(struct import *im)
{
	keep_one(im, true);
	drop_excluded(im);
	rules_write(im, LIST_BANNED, false);
}

void
iptrie_end(struct import *im)
{
	keep_one(im, false);
	rules_write(im, LIST_BANNED, false);
}

/* ----------------------------------------------------------------- names */

/*
 * example.com is itself alone, *.example.com what is below it, .example.com
 * both: two names of the table.
 */
void
dnset_line(struct import *im, char *text)
{
	char *values;
	const char *value;
	bool excluded;
	int action;

	if (!take_entry(im, &text, " \t:#;", &excluded, &values))
		return;
	value = take_values(im, values + strspn(values, " \t"));
	*values = '\0';
	action = excluded ? -1 : ACT_REJECT;
	if (strncmp(text, "*.", 2) == 0) {
		name_add(im, text + 1, action, NULL, value);
		return;
	}
	if (*text == '.')
		name_add(im, import_keep(im, text + 1), action, NULL, value);
	name_add(im, text, action, NULL, value);
}

/* The key in the list that is written. */
static void
dnset_add(struct import *im, const char *key, int action, const char *text)
{
	char buf[NAME_TEXT_MAX + 2];

	snprintf(buf, sizeof(buf), "%s%s", im->list == LIST_SENDERS ? "@" : "",
	    key);
	import_add(im, (enum list_id)im->list, buf, (enum list_action)action,
	    NULL, text);
}

/* An exception: in list names nothing says "as if it were not listed". */
static void
dnset_except(struct import *im, const char *key)
{
	if (im->list == LIST_SENDERS)
		dnset_add(im, key, ACT_ALLOW, NULL);
	else
		import_error(im,
		    "`%.60s` would have to be left out of what is wider, which "
		    "list names cannot say",
		    key);
}

static bool
is_listed(const struct import_name *n)
{
	return n != NULL && n->action != -1;
}

/* Our .domain holds the domain too: say what the domain itself finds. */
static void
dnset_itself(struct import *im, const char *domain, bool below)
{
	const struct import_name *n = name_find(im, domain);

	if (n != NULL)
		return; /* it is written where it stands */
	n = name_wider(im, domain);
	if (is_listed(n) != below && is_listed(n))
		dnset_add(im, domain, n->action, n->text);
	else if (is_listed(n) != below)
		dnset_except(im, domain);
}

static void
dnset_write(struct import *im, const struct import_name *n)
{
	const char *domain = n->key[0] == '.' ? n->key + 1 : n->key;
	char below[NAME_TEXT_MAX + 1];
	bool held = is_listed(name_wider(im, domain));

	im->line = n->line;
	snprintf(below, sizeof(below), ".%s", domain);
	if (n->key[0] != '.' && name_find(im, below) != NULL)
		held = is_listed(name_find(im, below));
	if (is_listed(n))
		dnset_add(im, n->key, n->action, n->text);
	else if (held)
		dnset_except(im, n->key);
	if (n->key[0] == '.' && (is_listed(n) || held))
		dnset_itself(im, domain, is_listed(n));
}

/* An exclusion wins over the same name. */
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
		} else if (n->action == -1) {
			*last = *n;
		}
	}
	im->nnames = kept;
}

void
dnset_end(struct import *im)
{
	const struct import_name *n;

	keep_names(im);
	for (n = im->names; n < im->names + im->nnames; n++)
		dnset_write(im, n);
}
