/*
 * Feeds of networks as text: Spamhaus DROP, FireHOL, and plain lists. What a
 * feed says of itself, its date and its count, is held against what was read.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tools/import.h"

enum {
	SEEN_DATE = 1,
	SEEN_COUNT = 2,
	SEEN_ADDRESSES = 4 /* the count of addresses too */
};

/* A date in that format, UTC; or -1. */
static int64_t
parse_date(const char *text, const char *format)
{
	struct tm tm;
	const char *end;

	memset(&tm, 0, sizeof(tm));
	end = strptime(text, format, &tm);
	return end == NULL || *end != '\0' ? -1 : (int64_t)timegm(&tm);
}

static void
take_date(struct import *im, const char *text, const char *format)
{
	int64_t when = parse_date(text, format);

	im->own.seen |= SEEN_DATE;
	if (when == -1 && im->max_age > 0)
		import_fail(im, "`%.60s` is no date that is known here", text);
	else
		import_date(im, when);
}

/* The date is missing where it is looked at. */
static void
need_date(struct import *im, const char *what)
{
	if ((im->own.seen & SEEN_DATE) == 0 && im->max_age > 0)
		import_fail(im,
		    "there is no line `%s`: the feed does not say how old it "
		    "is (-a 0 takes it)",
		    what);
}

/* The rest of a line that begins so, or NULL. */
static char *
behind(char *text, const char *begin)
{
	size_t n = strlen(begin);

	if (strncasecmp(text, begin, n) != 0)
		return NULL;
	return text + n + strspn(text + n, " \t:");
}

/* -------------------------------------------------------- Spamhaus DROP */

/* "; text": all before the first entry is kept, the (c) line among it. */
static void
drop_comment(struct import *im, char *text)
{
	char *date;

	text += strspn(text, "; \t");
	if (im->own.entries == 0 && *text != '\0')
		import_credit(im, text);
	if ((date = behind(text, "Last-Modified:")) != NULL)
		take_date(im, date, "%a, %d %b %Y %H:%M:%S GMT");
}

/* 192.0.2.0/24 ; SBL1 */
void
drop_line(struct import *im, char *text)
{
	char *id;

	if (*text == '\0')
		return;
	if (*text == ';') {
		drop_comment(im, text);
		return;
	}
	im->own.entries++;
	id = strchr(text, ';');
	if (id != NULL) {
		*id++ = '\0';
		id += strspn(id, " \t");
		if (*id != '\0')
			import_comment(im, id);
	}
	import_add(im, LIST_BANNED, import_trim(text), ACT_REJECT, NULL, NULL);
}

void
drop_end(struct import *im)
{
	im->line = 0;
	need_date(im, "; Last-Modified:");
}

/* --------------------------------------------------------------- FireHOL */

/* "# Entries : 683 subnets, 22583552 unique IPs" or "# Entries : 9 unique IPs" */
static void
firehol_entries(struct import *im, const char *text)
{
	char *end;
	unsigned long long n = strtoull(text, &end, 10);

	im->own.seen |= SEEN_COUNT;
	im->own.places[0] = im->line;
	if (strncmp(end, " subnets, ", 10) == 0) {
		im->own.numbers[0] = n;
		n = strtoull(end + 10, &end, 10);
	} else {
		im->own.numbers[0] = n;
	}
	im->own.numbers[1] = n;
	if (strcmp(end, " unique IPs") != 0)
		import_fail(im, "`%.60s` is no count that is known here", text);
}

static void
firehol_comment(struct import *im, char *text)
{
	static const char *const kept[] = { "Maintainer", "List source URL",
		"License", "This File Date" };
	char *rest;
	size_t i;

	text += strspn(text, "# \t");
	for (i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		if (strncmp(text, kept[i], strlen(kept[i])) == 0)
			import_credit(im, text);
	if ((rest = behind(text, "This File Date")) != NULL)
		take_date(im, rest, "%a %b %d %H:%M:%S UTC %Y");
	if ((rest = behind(text, "Entries")) != NULL)
		firehol_entries(im, rest);
}

void
firehol_line(struct import *im, char *text)
{
	struct import_rule rule;
	bool bits;

	if (*text == '#') {
		firehol_comment(im, text);
		return;
	}
	text[strcspn(text, "#")] = '\0';
	import_trim(text);
	if (*text == '\0')
		return;
	im->own.entries++;
	import_add(im, LIST_BANNED, text, ACT_REJECT, NULL, NULL);
	memset(&rule, 0, sizeof(rule));
	if (prefix_parse(&rule.prefix, text, &bits) == 0 &&
	    rule.prefix.addr.family == 4)
		rule_add(im, &rule);
}

/* How many IPv4 addresses there are in all networks together. */
static uint64_t
count_addresses(struct import *im)
{
	const struct import_rule *r, *wide = NULL;
	uint64_t n = 0;

	rules_sort(im);
	for (r = im->rules; r < im->rules + im->nrules; r++) {
		if (wide != NULL &&
		    prefix_contains(&wide->prefix, &r->prefix.addr))
			continue;
		wide = r;
		n += (uint64_t)1 << (32 - r->prefix.len);
	}
	return n;
}

void
firehol_end(struct import *im)
{
	uint64_t n = count_addresses(im);

	im->nrules = 0;
	im->line = 0;
	need_date(im, "# This File Date");
	if ((im->own.seen & SEEN_COUNT) == 0) {
		import_fail(im,
		    "there is no line `# Entries`: the head of "
		    "the file is missing");
		return;
	}
	im->line = im->own.places[0];
	if (im->own.entries != im->own.numbers[0])
		import_fail(im,
		    "the feed has %llu entries, it says, and %zu were read",
		    (unsigned long long)im->own.numbers[0], im->own.entries);
	else if (n != im->own.numbers[1])
		import_fail(im,
		    "the feed has %llu addresses, it says, and %llu were read",
		    (unsigned long long)im->own.numbers[1],
		    (unsigned long long)n);
}

/* ----------------------------------------------------------------- plain */

void
plain_line(struct import *im, char *text)
{
	text[strcspn(text, "#;")] = '\0';
	import_trim(text);
	if (*text == '\0')
		return;
	im->own.entries++;
	nets_add(im, im->list == -1 ? LIST_BANNED : (enum list_id)im->list,
	    text,
	    NET_MASK | NET_PART | NET_RANGE | NET_OCTETS | NET_GROUPS |
		NET_BRACKETS);
}
