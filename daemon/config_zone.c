/*
 * Values of the settings of a DNS list. A filter that could only match error
 * codes, or a pair of test points that do not go together, would make a list
 * that never does anything: it is refused here.
 */
#include <arpa/inet.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config_rows.h"
#include "daemon/config_zone.h"
#include "worker/dnsbl.h"
#include "worker/settings.h"
#include "worker/zone.h"

#define LOOPBACK   0x7f000000u
#define KEY_OCTETS 16 /* a label so long, with a digit, looks like a key */

/* ------------------------------------------------------------------ replies */

/* An IPv4 address of that length within text. */
static int
parse_reply(uint32_t *reply, const char *text, size_t len)
{
	char copy[ADDR_TEXT_MAX];
	struct addr a;

	if (len >= sizeof(copy))
		return -1;
	memcpy(copy, text, len);
	copy[len] = '\0';
	if (addr_parse(&a, copy) == -1 || a.family != 4)
		return -1;
	memcpy(reply, a.bytes, sizeof(*reply));
	*reply = ntohl(*reply);
	return 0;
}

static int
parse_network(struct reply_filter *f, const char *text)
{
	struct prefix p;
	bool hostbits;

	if (prefix_parse(&p, text, &hostbits) == -1 || p.addr.family != 4 ||
	    hostbits)
		return -1;
	memcpy(&f->first, p.addr.bytes, sizeof(f->first));
	f->first = ntohl(f->first);
	f->last = f->first | (p.len < 32 ? UINT32_MAX >> p.len : 0);
	return 0;
}

static int
parse_filter(struct reply_filter *f, const char *text)
{
	const char *dash = strchr(text, '-');

	memset(f, 0, sizeof(*f));
	if (text[0] == '&') {
		f->is_mask = true;
		if (parse_reply(&f->first, text + 1, strlen(text + 1)) == -1)
			return -1;
		return f->first != 0 ? 0 : -1;
	}
	if (dash == NULL)
		return parse_network(f, text);
	if (parse_reply(&f->first, text, (size_t)(dash - text)) == -1 ||
	    parse_reply(&f->last, dash + 1, strlen(dash + 1)) == -1)
		return -1;
	return f->first <= f->last ? 0 : -1;
}

/* Only error codes, whatever the answer. */
static bool
never_counts(const struct reply_filter *f)
{
	uint32_t reply;

	if (f->is_mask || f->last - f->first > 255)
		return false;
	for (reply = f->first; reply != f->last; reply++)
		if (zone_error_text(reply, false) == NULL)
			return false;
	return zone_error_text(reply, false) != NULL;
}

int
config_zone_reply(struct zone *z, const struct config_row *row,
    const char *text, char why[CONFIG_WHY_MAX])
{
	struct reply_filter f;

	if (parse_filter(&f, text) == -1)
		return config_refuse(why,
		    "\"%.80s\" is no reply: write an IPv4 address, "
		    "first-last, a network or &mask",
		    text);
	if (!f.is_mask &&
	    (f.first < LOOPBACK || f.last > (LOOPBACK | 0xffffff)))
		return config_refuse(why,
		    "\"%.80s\": only replies in 127.0.0.0/8 count", text);
	if (never_counts(&f))
		return config_refuse(why, "\"%.80s\" is never a listing: %s",
		    text, zone_error_text(f.first, false));
	if (z->nreplies >= (size_t)row->most)
		return config_refuse(why, "more than %lld values",
		    (long long)row->most);
	z->replies = config_need(
	    reallocarray(z->replies, z->nreplies + 1, sizeof(f)));
	f.text = config_need(strdup(text));
	z->replies[z->nreplies++] = f;
	return 0;
}

/* ------------------------------------------------------------- other values */

/* 4, 6, or 0 for a name; -1: it is none of these. */
static int
point_kind(const char *text)
{
	char name[NAME_TEXT_MAX];
	struct addr a;

	if (addr_parse(&a, text) == 0)
		return a.family;
	return name_canonical(name, text, strlen(text));
}

int
config_zone_point(const struct config_row *row, struct strings *probe,
    const char *text, char why[CONFIG_WHY_MAX])
{
	if (point_kind(text) == -1)
		return config_refuse(why,
		    "\"%.80s\" is neither an address nor a name", text);
	return config_add_string(row, probe, text, why);
}

int
config_zone_text(const char *text, char why[CONFIG_WHY_MAX])
{
	const char *wrong = dnsbl_words_wrong(text);

	return wrong == NULL ? 0 : config_refuse(why, "%s", wrong);
}

int
config_zone_name(struct zone *z, const char *title, char why[CONFIG_WHY_MAX])
{
	char name[NAME_TEXT_MAX];

	if (name_canonical(name, title, strlen(title)) == -1)
		return config_refuse(why, "\"%.255s\" is not a domain name",
		    title);
	if (strlen(name) > ZONE_NAME_MAX)
		return config_refuse(why, "a zone's name has %d octets at most",
		    ZONE_NAME_MAX);
	z->name = config_need(strdup(name));
	return 0;
}

/* ----------------------------------------------------------------- together */

/* Long, letters and digits mixed: what operators give to their customers. */
static bool
looks_like_key(const char *label, size_t len)
{
	bool digit = false, letter = false;
	size_t i;

	for (i = 0; i < len; i++) {
		digit |= isdigit((unsigned char)label[i]) != 0;
		letter |= isalpha((unsigned char)label[i]) != 0;
	}
	return len >= KEY_OCTETS && digit && letter;
}

/* The zone's name without what looks like a key. */
static char *
shown_name(const char *name)
{
	char *shown = config_need(calloc(1, strlen(name) + 2));
	const char *label = name;
	size_t len;

	for (;; label += len + 1) {
		len = strcspn(label, ".");
		if (!looks_like_key(label, len)) {
			if (shown[0] != '\0')
				strcat(shown, ".");
			strncat(shown, label, len);
		}
		if (label[len] == '\0')
			break;
	}
	return shown[0] != '\0' ? shown : strcpy(shown, "-");
}

int
config_zone_check(struct zone *z, char why[CONFIG_WHY_MAX])
{
	int kind;

	if (z->show_as == NULL)
		z->show_as = shown_name(z->name);
	if (z->of == 0)
		return config_refuse(why, "of: at least one is wanted");
	if (z->probe.n == 0)
		return 0;
	if (z->probe.n != 2)
		return config_refuse(why,
		    "probe: two are wanted, one listed and one clean");
	kind = point_kind(z->probe.item[0]);
	if (kind != point_kind(z->probe.item[1]))
		return config_refuse(why,
		    "probe: both are to be IPv4 or IPv6 addresses, or names");
	if (!zone_has_family(z, kind == 0 ? ZONE_NAMES : ZONE_IPV4))
		return config_refuse(why,
		    "probe: the list is not asked about %s",
		    kind == 0 ? "names" : "addresses");
	return 0;
}

void
config_zone_free(struct zone *z)
{
	size_t i;

	for (i = 0; i < z->nreplies; i++)
		free(z->replies[i].text);
	free(z->replies);
	config_strings_free(&z->probe);
	free(z->name);
	free(z->show_as);
	free(z->text);
}
