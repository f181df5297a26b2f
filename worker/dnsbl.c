/*
 * Asking the DNS lists. Every question is one about a zone and a thing; what
 * it comes to is kept in a table of both, which a worker makes when its first
 * session asks, and keeps.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/dnsbl.h"
#include "worker/zone_health.h"

const struct dnsbl dnsbl_asked = { .listings = NULL };

static struct listing *
listing_at(const struct dnsbl *b, size_t zone, enum zone_of of)
{
	return &b->listings[zone * OF_COUNT + of];
}

const struct listing *
dnsbl_listing(const struct dnsbl *b, size_t zone, enum zone_of of)
{
	return listing_at(b, zone, of);
}

enum zone_of
dnsbl_listing_of(const struct listing *l)
{
	return (enum zone_of)((size_t)(l - l->owner->listings) % OF_COUNT);
}

static bool
in_service(const struct state *state, const struct zone *z, enum zone_of of,
    const struct addr *client)
{
	return z->mode != MODE_OFF && (z->of & 1u << of) != 0 &&
	    !zone_is_out(state, z,
		of == OF_CLIENT ? zone_family_of(client) : ZONE_NAMES);
}

bool
dnsbl_is_wanted(const struct settings *set, const struct state *state,
    const struct addr *client, unsigned wanted)
{
	unsigned of;
	size_t i;

	for (i = 0; i < set->nzones; i++)
		for (of = 0; of < OF_COUNT; of++)
			if ((wanted & 1u << of) != 0 &&
			    in_service(state, &set->zones[i], (enum zone_of)of,
				client))
				return true;
	return false;
}

/* The name to ask for. -1: DNS cannot hold it, so no list does. */
static int
question(char out[NAME_TEXT_MAX], const struct dnsbl *b, const struct zone *z,
    enum zone_of of)
{
	return of == OF_CLIENT ? zone_addr_question(out, z, &b->client) :
				 zone_name_question(out, z, b->names[of]);
}

static void
take_reply(void *arg, const struct dns_answer *a)
{
	static const enum listing_state states[] = {
		[ZONE_CLEAN] = LISTING_NONE,
		[ZONE_LISTED] = LISTING_FOUND,
		[ZONE_ERROR] = LISTING_UNKNOWN,
		[ZONE_UNKNOWN] = LISTING_UNKNOWN,
	};
	struct listing *l = arg;
	struct dnsbl *b = l->owner;
	const struct zone *z = &b->set->zones[l->zone];
	enum zone_reply r = zone_reply(z, a, &l->reply);
	bool news = false;

	l->state = states[r];
	if (r == ZONE_ERROR)
		news = zone_note_error(b->clients, z, l->reply);
	else if (r != ZONE_UNKNOWN)
		news = zone_count(b->clients, z, &b->client, r == ZONE_LISTED);
	if (news)
		b->alarm(b->alarm_arg);
}

static void
ask_zone(struct dnsbl *b, size_t zone, enum zone_of of)
{
	struct listing *l = listing_at(b, zone, of);
	char name[NAME_TEXT_MAX];

	if (question(name, b, &b->set->zones[zone], of) == -1)
		l->state = LISTING_NONE;
	else if (b->dns == NULL ||
	    dns_ask_addrs(b->dns, name, 4, take_reply, l) == -1)
		l->state = LISTING_UNKNOWN;
}

/* Nothing is known of that thing any more but this, of the zones that want it. */
static void
put_all(struct dnsbl *b, enum zone_of of, enum listing_state state)
{
	struct listing *l;
	size_t i;

	for (i = 0; i < b->set->nzones; i++) {
		l = listing_at(b, i, of);
		if (l->state == LISTING_ASKED && b->dns != NULL)
			dns_forget(b->dns, l);
		l->state = in_service(b->state, &b->set->zones[i], of,
			       &b->client) ?
		    state :
		    LISTING_NONE;
	}
}

static void
ask_all(struct dnsbl *b, enum zone_of of)
{
	size_t i;

	put_all(b, of, LISTING_ASKED);
	for (i = 0; i < b->set->nzones; i++)
		if (listing_at(b, i, of)->state == LISTING_ASKED)
			ask_zone(b, i, of);
}

/* The table of a worker's first session that asks. */
static int
make_table(struct dnsbl *b)
{
	size_t i, n = b->set->nzones * OF_COUNT;

	if (b->listings != NULL)
		return 0;
	if ((b->listings = calloc(n, sizeof(*b->listings))) == NULL)
		return -1;
	for (i = 0; i < n; i++) {
		b->listings[i].zone = (unsigned)(i / OF_COUNT);
		b->listings[i].owner = b;
	}
	return 0;
}

int
dnsbl_begin(struct dnsbl *b, struct dns *dns, const struct addr *client)
{
	unsigned of;

	if (make_table(b) == -1)
		return -1;
	b->dns = dns;
	b->client = *client;
	b->text_of = NULL;
	ask_all(b, OF_CLIENT);
	for (of = OF_CLIENT + 1; of < OF_COUNT; of++) {
		b->names[of][0] = '\0';
		put_all(b, (enum zone_of)of,
		    of == OF_NAME ? LISTING_ASKED : LISTING_LATER);
	}
	return 0;
}

/* A name that a list can hold: more than a top-level domain, no literal. */
static bool
can_be_listed(char out[NAME_TEXT_MAX], const char *name)
{
	return strchr(name, '.') != NULL &&
	    name_canonical(out, name, strlen(name)) == 0;
}

void
dnsbl_ask(struct dnsbl *b, enum zone_of of, const char *name)
{
	char canonical[NAME_TEXT_MAX];

	if (name == NULL) {
		put_all(b, of, LISTING_UNKNOWN);
		b->names[of][0] = '\0';
	} else if (!can_be_listed(canonical, name)) {
		put_all(b, of, LISTING_NONE);
		b->names[of][0] = '\0';
	} else if (strcmp(canonical, b->names[of]) != 0) {
		strlcpy(b->names[of], canonical, sizeof(b->names[of]));
		ask_all(b, of);
	}
}

void
dnsbl_settle(struct dnsbl *b)
{
	size_t i;

	for (i = 0; i < b->set->nzones * OF_COUNT; i++)
		if (b->listings[i].state == LISTING_ASKED) {
			if (b->dns != NULL)
				dns_forget(b->dns, &b->listings[i]);
			b->listings[i].state = LISTING_UNKNOWN;
		}
}

/* ---------------------------------------------------------------- in words */

enum word {
	WORD_IP,
	WORD_ZONE,
	WORD_TXT,
	WORD_DOLLAR,
	WORD_COUNT
};

static const char *const words[WORD_COUNT] = {
	[WORD_IP] = "$ip",
	[WORD_ZONE] = "$zone",
	[WORD_TXT] = "$txt",
	[WORD_DOLLAR] = "$$",
};

static const char *const usual_words[OF_COUNT] = {
	[OF_CLIENT] = "your address is listed by $zone",
	[OF_NAME] = "the name of your address is listed by $zone",
	[OF_HELO] = "your HELO name is listed by $zone",
	[OF_SENDER] = "the domain of the sender is listed by $zone",
};

/* Which word stands at p, or WORD_COUNT. */
static enum word
word_at(const char *p)
{
	unsigned i;

	for (i = 0; i < WORD_COUNT; i++)
		if (strncmp(p, words[i], strlen(words[i])) == 0)
			break;
	return (enum word)i;
}

const char *
dnsbl_words_wrong(const char *text)
{
	const char *p = text;

	for (; *p != '\0'; p++) {
		if (*p < ' ' || *p > '~')
			return "only printable ASCII can be spoken";
		if (*p != '$')
			continue;
		if (word_at(p) == WORD_COUNT)
			return "after $ comes ip, zone, txt or another $";
		p += strlen(words[word_at(p)]) - 1;
	}
	return p - text < DNSBL_WORDS_MAX ? NULL : "it is too long";
}

static const char *
template_of(const struct dnsbl *b, const struct listing *l)
{
	const char *text = b->set->zones[l->zone].text;

	return text[0] != '\0' ? text : usual_words[dnsbl_listing_of(l)];
}

static void
take_text(void *arg, const struct dns_answer *a)
{
	struct dnsbl *b = arg;

	b->text_open = false;
	if (a->state == DNS_FOUND)
		strlcpy(b->text, a->text, sizeof(b->text));
}

bool
dnsbl_ask_text(struct dnsbl *b, const struct listing *l)
{
	char name[NAME_TEXT_MAX];

	if (b->text_of == l || strstr(template_of(b, l), "$txt") == NULL)
		return false;
	b->text_of = l;
	b->text[0] = '\0';
	b->text_open = b->dns != NULL &&
	    question(name, b, &b->set->zones[l->zone], dnsbl_listing_of(l)) ==
		0 &&
	    dns_ask_text(b->dns, name, take_text, b) == 0;
	return b->text_open;
}

const char *
dnsbl_words(struct dnsbl *b, const struct listing *l)
{
	const struct zone *z = &b->set->zones[l->zone];
	const char *p = template_of(b, l);
	char ip[ADDR_TEXT_MAX];
	const char *const values[WORD_COUNT + 1] = {
		[WORD_IP] = addr_format(&b->client, ip),
		[WORD_ZONE] = z->show_as,
		[WORD_TXT] = b->text_of == l ? b->text : "",
		[WORD_DOLLAR] = "$",
	};
	size_t n = 0;
	enum word w;

	for (; *p != '\0' && n + 1 < sizeof(b->words); p++) {
		w = *p == '$' ? word_at(p) : WORD_COUNT;
		if (w == WORD_COUNT) {
			b->words[n++] = *p;
			continue;
		}
		n += strlcpy(b->words + n, values[w], sizeof(b->words) - n);
		if (n >= sizeof(b->words))
			n = sizeof(b->words) - 1;
		p += strlen(words[w]) - 1;
	}
	b->words[n] = '\0';
	return b->words;
}

/* The first listing of a zone, or NULL. */
static const struct listing *
first_listing(const struct dnsbl *b, size_t zone)
{
	unsigned of;

	for (of = 0; of < OF_COUNT; of++)
		if (listing_at(b, zone, (enum zone_of)of)->state ==
		    LISTING_FOUND)
			return listing_at(b, zone, (enum zone_of)of);
	return NULL;
}

const char *
dnsbl_listed(const struct dnsbl *b, enum test_mode least, const char *head,
    char *buf, size_t size)
{
	const struct listing *l;
	char reply[ZONE_REPLY_MAX];
	size_t i, n = 0;

	buf[0] = '\0';
	for (i = 0; i < b->set->nzones && n < size; i++) {
		if (b->set->zones[i].mode < least ||
		    (l = first_listing(b, i)) == NULL)
			continue;
		n += (size_t)snprintf(buf + n, size - n, "%s%s%s:%s",
		    n > 0 ? "," : "", head, b->set->zones[i].show_as,
		    zone_reply_text(l->reply, reply));
	}
	return buf;
}

void
dnsbl_free(struct dnsbl *b)
{
	free(b->listings);
	b->listings = NULL;
}
