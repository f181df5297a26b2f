/*
 * What the DNS lists say of a session: of the client's address, its confirmed
 * name, its HELO name and the sender's domain. Facts only;
 * worker/check_dnsbl.c judges.
 */
#ifndef LICTOR_DNSBL_H
#define LICTOR_DNSBL_H

#include "worker/dns.h"
#include "worker/settings.h"

struct clients;
struct dnsbl;
struct state;

#define DNSBL_WORDS_MAX 400 /* of a refusal, with its NUL */

enum listing_state {
	LISTING_NONE,  /* not listed, or not asked at all */
	LISTING_LATER, /* the thing to ask about is not known yet */
	LISTING_ASKED, /* or its name is */
	LISTING_FOUND,
	LISTING_UNKNOWN
};

/* What one zone says of one thing. */
struct listing {
	enum listing_state state;
	uint32_t reply; /* host order; of LISTING_FOUND */
	unsigned zone;	/* its place in the settings */
	struct dnsbl *owner;
};

struct dnsbl {
	const struct settings *set;
	const struct state *state;
	struct clients *clients;
	void (*alarm)(void *); /* the master should look at a zone */
	void *alarm_arg;

	struct dns *dns;
	struct addr client;
	char names[OF_COUNT][NAME_TEXT_MAX]; /* what was asked about */
	struct listing *listings; /* nzones * OF_COUNT; NULL before the first */
	const struct listing *text_of; /* what text is about, or NULL */
	bool text_open;		       /* it was asked for */
	char text[DNS_TEXT_MAX];       /* TXT, or "" */
	char words[DNSBL_WORDS_MAX];
};

/* Before anything is asked: every zone in service is to come. */
extern const struct dnsbl dnsbl_asked;

/*
 * Ask all zones that want the client's address; the other things are to come.
 * dns NULL: all is unknown. set, state, clients and alarm are filled already.
 * -1: there is no memory, and nothing is asked.
 */
int dnsbl_begin(struct dnsbl *, struct dns *, const struct addr *client);

/*
 * That thing is known now, or known anew: ask about it. name "" is: there is
 * none, or none that a list of names could hold; NULL: it is unknown.
 */
void dnsbl_ask(struct dnsbl *, enum zone_of, const char *name);

/* Nothing more is waited for: what is open is unknown. */
void dnsbl_settle(struct dnsbl *);

/*
 * What to tell the client about a listing: the zone's words with $ip, $zone
 * and $txt filled in. Where they hold $txt, dnsbl_ask_text asks for it first,
 * once a listing; true: wait until text_open is off.
 */
bool dnsbl_ask_text(struct dnsbl *, const struct listing *);
const char *dnsbl_words(struct dnsbl *, const struct listing *);
/* What may be in the words of a zone; NULL, or what is wrong with them. */
const char *dnsbl_words_wrong(const char *text);

/*
 * The listings by zones of at least that mode, as shown: each with head before
 * it, "zone:127.0.0.2", commas between. Returns buf.
 */
const char *dnsbl_listed(const struct dnsbl *, enum test_mode least,
    const char *head, char *buf, size_t size);

const struct listing *
dnsbl_listing(const struct dnsbl *, size_t zone, enum zone_of);
/* Which thing a listing is about. */
enum zone_of dnsbl_listing_of(const struct listing *);

/* Does any zone in service want any of these things (bits of enum zone_of)? */
bool dnsbl_is_wanted(const struct settings *, const struct state *,
    const struct addr *client, unsigned of);

void dnsbl_free(struct dnsbl *);

#endif
