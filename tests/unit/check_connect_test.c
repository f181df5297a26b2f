/*
 * The connection tests together: who is refused, by which test, and where. A
 * row that fails is a client who hears a refusal that something clears, one
 * who hears none, or a printer of ours that is told 5xx while DNS is down.
 */
#include "tests/unit/fixture.h"
#include "worker/check.h"
#include "worker/dnsbl.h"
#include "worker/peer.h"

static struct settings set;
static struct peer peer;
static struct zone zones[2];
static struct listing table[2 * OF_COUNT];
static struct dnsbl dnsbl = { .set = &set, .listings = table };
static struct finding found[CHECK_COUNT];

/* --------------------------------------------------------------- the client */

#define BANNED	 "192.0.2.1"
#define DEFERRED "192.0.2.2"
#define DROPPED	 "192.0.2.3"
#define STRANGER "198.51.100.1"
#define RELAYER	 "10.0.0.1"
#define DENIED	 "10.1.0.1"

static struct generation *
lists(struct fixture *f)
{
	fixture_write(f, "banned",
	    BANNED "\n" DEFERRED " defer\n" DROPPED " drop\n");
	fixture_write(f, "relay",
	    "10.0.0.0/8\n" DENIED " deny\n.printers.example\n");
	fixture_write(f, "names",
	    "bad.example reject\nslow.example defer\ngood.example allow\n");
	return fixture_open(f);
}

/* Its names. */
static const struct rdns none = { .ptr = DNS_NONE };
#define NAMED(text, how)                                                       \
	{                                                                      \
		.ptr = DNS_FOUND, .n = 1, .names = {                           \
			{ .name = (text), .forward = (how) }                   \
		}                                                              \
	}
static const struct rdns bad = NAMED("bad.example", FORWARD_NONE);
static const struct rdns slow = NAMED("slow.example", FORWARD_NONE);
static const struct rdns good = NAMED("good.example", FORWARD_CONFIRMED);
static const struct rdns liar = NAMED("good.example", FORWARD_OTHER);
static const struct rdns maybe = NAMED("good.example", FORWARD_ASKED);
static const struct rdns printer = NAMED("a.printers.example",
    FORWARD_CONFIRMED);
static const struct rdns lost = NAMED("bad.example", FORWARD_UNKNOWN);
static const struct rdns slow_to_come = NAMED("bad.example", FORWARD_ASKED);

/* What the DNS list says of it. */
static enum listing_state
listed(char c)
{
	return c == 'L' ? LISTING_FOUND :
	    c == '?'	? LISTING_UNKNOWN :
	    c == 'a'	? LISTING_ASKED :
			  LISTING_NONE;
}

struct client {
	const char *addr;
	const struct rdns *names;
	const char *listed; /* by a zone that is on, by one in mode warn */
};

static void
come(const struct client *c, const struct generation *g)
{
	size_t i;

	memset(&peer, 0, sizeof(peer));
	assert_int_equal(addr_parse(&peer.addr, c->addr), 0);
	peer.lists = g;
	peer.now = 1700000000;
	peer.rdns = c->names;
	peer.dnsbl = &dnsbl;
	memset(zones, 0, sizeof(zones));
	memset(table, 0, sizeof(table));
	set.zones = zones;
	set.nzones = strlen(c->listed);
	for (i = 0; i < set.nzones; i++) {
		zones[i].mode = i == 0 ? MODE_ON : MODE_WARN;
		zones[i].weight = 1;
		table[i * OF_COUNT].state = listed(c->listed[i]);
		table[i * OF_COUNT].zone = (unsigned)i;
		table[i * OF_COUNT].owner = &dnsbl;
	}
}

/* -------------------------------------------------------------- the settings */

/* Modes and places of banned, rdns, relay, dnsbl; n, w, f: on, warn, off. */
struct ways {
	const char *modes, *places; /* g, r: greeting, rcpt */
	enum test_unknown unknown;
};

static void
settings_for(const struct ways *w)
{
	static const enum test_id tests[] = { TEST_BANNED, TEST_RDNS,
		TEST_RELAY, TEST_DNSBL };

	size_t i;

	memset(&set, 0, sizeof(set));
	for (i = 0; i < NITEMS(tests); i++) {
		set.tests[tests[i]].mode = w->modes[i] == 'n' ? MODE_ON :
		    w->modes[i] == 'w'			      ? MODE_WARN :
								MODE_OFF;
		set.tests[tests[i]].at = w->places[i] == 'g' ? AT_GREETING :
							       AT_RCPT;
		set.tests[tests[i]].unknown = w->unknown;
	}
	set.tests[TEST_DNSBL].threshold = 1;
}

static const struct ways usual = { "nnnn", "grrr", UNKNOWN_DEFER };
static const struct ways pass = { "nnnn", "grrr", UNKNOWN_PASS };
static const struct ways early = { "nnnn", "gggg", UNKNOWN_DEFER };
static const struct ways late = { "nnnn", "rrrr", UNKNOWN_DEFER };
static const struct ways lists_early = { "nnnn", "grrg", UNKNOWN_DEFER };
static const struct ways names_early = { "nnnn", "rgrr", UNKNOWN_DEFER };
static const struct ways warn_all = { "wwww", "gggg", UNKNOWN_DEFER };
static const struct ways warn_banned = { "wnnn", "grrr", UNKNOWN_DEFER };
static const struct ways warn_rdns = { "nwnn", "grrr", UNKNOWN_DEFER };
static const struct ways warn_relay = { "nnwn", "grrr", UNKNOWN_DEFER };
static const struct ways warn_dnsbl = { "nnnw", "grrr", UNKNOWN_DEFER };
static const struct ways off_relay = { "nnfn", "grrr", UNKNOWN_DEFER };
static const struct ways off_all = { "ffff", "gggg", UNKNOWN_DEFER };

/* ------------------------------------------------------------------- refusals */

#define NOBODY                                                                 \
	{                                                                      \
		0, V_NEXT, NULL                                                \
	}

/* Who refuses: V_NEXT nobody. */
struct by {
	enum test_id test;
	enum verdict verdict;
	const char *status;
};

static const struct {
	const struct ways *ways;
	struct client client;
	struct by greeting, rcpt;
} rows[] = {
	/* nothing is wrong */
	{ &usual, { STRANGER, &none, "." }, NOBODY, NOBODY },
	{ &early, { STRANGER, &none, "." }, NOBODY, NOBODY },

	/* one of them, at its place */
	{ &usual, { BANNED, &none, "." }, { TEST_BANNED, V_REJECT, "5.7.1" },
	    { TEST_BANNED, V_REJECT, "5.7.1" } },
	{ &late, { BANNED, &none, "." }, NOBODY,
	    { TEST_BANNED, V_REJECT, "5.7.1" } },
	{ &usual, { STRANGER, &bad, "." }, NOBODY,
	    { TEST_RDNS, V_REJECT, "5.7.1" } },
	{ &usual, { STRANGER, &slow, "." }, NOBODY,
	    { TEST_RDNS, V_DEFER, "4.7.1" } },
	{ &early, { STRANGER, &bad, "." }, { TEST_RDNS, V_REJECT, "5.7.1" },
	    { TEST_RDNS, V_REJECT, "5.7.1" } },
	{ &usual, { STRANGER, &none, "L" }, NOBODY,
	    { TEST_DNSBL, V_REJECT, "5.7.1" } },
	{ &early, { STRANGER, &none, "L" }, { TEST_DNSBL, V_REJECT, "5.7.1" },
	    { TEST_DNSBL, V_REJECT, "5.7.1" } },

	/* several: the first in the order, of those that speak there */
	{ &early, { STRANGER, &bad, "L" }, { TEST_RDNS, V_REJECT, "5.7.1" },
	    { TEST_RDNS, V_REJECT, "5.7.1" } },
	{ &usual, { STRANGER, &slow, "L" }, NOBODY,
	    { TEST_RDNS, V_DEFER, "4.7.1" } },
	{ &lists_early, { STRANGER, &bad, "L" },
	    { TEST_DNSBL, V_REJECT, "5.7.1" },
	    { TEST_RDNS, V_REJECT, "5.7.1" } },
	{ &names_early, { STRANGER, &bad, "L" },
	    { TEST_RDNS, V_REJECT, "5.7.1" },
	    { TEST_RDNS, V_REJECT, "5.7.1" } },
	/* a ban ends it, whatever its place: DNS has no say */
	{ &early, { DEFERRED, &bad, "L" }, { TEST_BANNED, V_DEFER, "4.7.1" },
	    { TEST_BANNED, V_DEFER, "4.7.1" } },
	{ &early, { DROPPED, &good, "L" }, { TEST_BANNED, V_DROP, "5.7.1" },
	    { TEST_BANNED, V_DROP, "5.7.1" } },
	{ &names_early, { BANNED, &bad, "L" }, NOBODY,
	    { TEST_BANNED, V_REJECT, "5.7.1" } },

	/* what clears */
	{ &early, { STRANGER, &good, "L" }, NOBODY, NOBODY },
	{ &early, { STRANGER, &liar, "L" }, { TEST_DNSBL, V_REJECT, "5.7.1" },
	    { TEST_DNSBL, V_REJECT, "5.7.1" } },
	{ &early, { BANNED, &good, "." }, { TEST_BANNED, V_REJECT, "5.7.1" },
	    { TEST_BANNED, V_REJECT, "5.7.1" } },
	{ &early, { RELAYER, &bad, "L" }, NOBODY, NOBODY },
	{ &early, { DENIED, &bad, "L" }, { TEST_RDNS, V_REJECT, "5.7.1" },
	    { TEST_RDNS, V_REJECT, "5.7.1" } },
	{ &early, { STRANGER, &printer, "L" }, NOBODY, NOBODY },

	/* mode warn neither refuses, clears nor grants; off even less */
	{ &warn_all, { BANNED, &bad, "L" }, NOBODY, NOBODY },
	{ &off_all, { BANNED, &bad, "L" }, NOBODY, NOBODY },
	{ &warn_banned, { BANNED, &bad, "L" }, NOBODY,
	    { TEST_RDNS, V_REJECT, "5.7.1" } },
	{ &warn_rdns, { STRANGER, &good, "L" }, NOBODY,
	    { TEST_DNSBL, V_REJECT, "5.7.1" } },
	{ &warn_rdns, { STRANGER, &bad, "." }, NOBODY, NOBODY },
	{ &warn_relay, { RELAYER, &bad, "L" }, NOBODY,
	    { TEST_RDNS, V_REJECT, "5.7.1" } },
	{ &warn_relay, { STRANGER, &printer, "L" }, NOBODY,
	    { TEST_DNSBL, V_REJECT, "5.7.1" } },
	{ &off_relay, { RELAYER, &none, "L" }, NOBODY,
	    { TEST_DNSBL, V_REJECT, "5.7.1" } },
	{ &warn_dnsbl, { STRANGER, &none, "L" }, NOBODY, NOBODY },
	{ &usual, { STRANGER, &none, ".L" }, NOBODY, NOBODY },

	/* unknown: never 5xx */
	{ &early, { STRANGER, &none, "?" }, { TEST_DNSBL, V_DEFER, "4.4.3" },
	    { TEST_DNSBL, V_DEFER, "4.4.3" } },
	{ &pass, { STRANGER, &none, "?" }, NOBODY, NOBODY },
	{ &usual, { STRANGER, &rdns_unasked, "." }, NOBODY,
	    { TEST_RDNS, V_DEFER, "4.4.3" } },
	{ &pass, { STRANGER, &rdns_unasked, "." }, NOBODY, NOBODY },
	/* an answer that is to come refuses nobody */
	{ &early, { STRANGER, &none, "a" }, NOBODY, NOBODY },
	{ &early, { STRANGER, &rdns_asked, "." }, NOBODY, NOBODY },

	/* while it is not known whether it may relay, 4xx for 5xx */
	{ &usual, { STRANGER, &lost, "." }, NOBODY,
	    { TEST_RDNS, V_DEFER, "4.4.3" } },
	{ &usual, { STRANGER, &slow_to_come, "." }, NOBODY,
	    { TEST_RDNS, V_DEFER, "4.4.3" } },
	{ &early, { STRANGER, &rdns_asked, "L" },
	    { TEST_DNSBL, V_DEFER, "4.4.3" },
	    { TEST_DNSBL, V_DEFER, "4.4.3" } },
	{ &early, { STRANGER, &maybe, "L" }, { TEST_DNSBL, V_DEFER, "4.4.3" },
	    { TEST_DNSBL, V_DEFER, "4.4.3" } },
	/* unless the relay test passes the unknown, or has no say */
	{ &pass, { STRANGER, &lost, "." }, NOBODY,
	    { TEST_RDNS, V_REJECT, "5.7.1" } },
	{ &pass, { STRANGER, &rdns_unasked, "L" }, NOBODY,
	    { TEST_DNSBL, V_REJECT, "5.7.1" } },
	{ &warn_relay, { STRANGER, &lost, "." }, NOBODY,
	    { TEST_RDNS, V_REJECT, "5.7.1" } },
	/* an address entry is final */
	{ &usual, { DENIED, &lost, "." }, NOBODY,
	    { TEST_RDNS, V_REJECT, "5.7.1" } },
	/* and it is not for banned: nothing clears it */
	{ &early, { BANNED, &rdns_unasked, "L" },
	    { TEST_BANNED, V_REJECT, "5.7.1" },
	    { TEST_BANNED, V_REJECT, "5.7.1" } },
	{ &early, { STRANGER, &lost, "L" }, { TEST_RDNS, V_DEFER, "4.4.3" },
	    { TEST_RDNS, V_DEFER, "4.4.3" } },
};

static void
see(size_t row, bool greeting, const struct by *by)
{
	const struct finding *f = check_refusal(&set, found, greeting);
	enum verdict v = f == NULL ? V_NEXT : f->verdict;

	if (v != by->verdict || (f != NULL && f->test != by->test))
		fail_msg("row %zu, %s: %s by %s", row,
		    greeting ? "greeting" : "rcpt", verdict_name(v),
		    f == NULL ? "nobody" : check_name(f->test));
	if (f != NULL && strcmp(f->why.status, by->status) != 0)
		fail_msg("row %zu: %s", row, f->why.status);
}

static void
test_refusals(void **state)
{
	struct generation *g = lists(*state);
	size_t i;

	for (i = 0; i < NITEMS(rows); i++) {
		settings_for(rows[i].ways);
		come(&rows[i].client, g);
		check_session(&peer, &set, found, ROWS_ALL);
		see(i, true, &rows[i].greeting);
		see(i, false, &rows[i].rcpt);
	}
	generation_close(g);
}

/* ------------------------------------------------------------------ would be */

static const struct {
	const struct ways *ways;
	struct client client;
	enum verdict would[CHECK_COUNT]; /* as found */
} woulds[] = {
	{ &warn_all, { BANNED, &bad, "L" },
	    { V_REJECT, V_REJECT, V_NEXT, V_REJECT, V_NEXT } },
	{ &warn_all, { RELAYER, &bad, "L" },
	    { V_NEXT, V_REJECT, V_RELAY, V_REJECT, V_NEXT } },
	{ &warn_all, { STRANGER, &good, "L" },
	    { V_NEXT, V_ALLOW, V_NEXT, V_REJECT, V_NEXT } },
	{ &off_all, { BANNED, &bad, "L" },
	    { V_NEXT, V_NEXT, V_NEXT, V_NEXT, V_NEXT } },
	/* a zone in mode warn: what would be with it, where that is news */
	{ &early, { STRANGER, &none, ".L" },
	    { V_NEXT, V_NEXT, V_NEXT, V_NEXT, V_REJECT } },
	{ &early, { STRANGER, &none, "LL" },
	    { V_NEXT, V_NEXT, V_NEXT, V_REJECT, V_NEXT } },
	{ &early, { STRANGER, &none, "L." },
	    { V_NEXT, V_NEXT, V_NEXT, V_REJECT, V_NEXT } },
	{ &early, { STRANGER, &none, ".a" },
	    { V_NEXT, V_NEXT, V_NEXT, V_NEXT, V_PENDING } },
	{ &early, { STRANGER, &none, "?L" },
	    { V_NEXT, V_NEXT, V_NEXT, V_DEFER, V_REJECT } },
	{ &pass, { STRANGER, &none, ".?" },
	    { V_NEXT, V_NEXT, V_NEXT, V_NEXT, V_NEXT } },
	/* softened like any other */
	{ &early, { STRANGER, &rdns_unasked, ".L" },
	    { V_NEXT, V_DEFER, V_UNKNOWN, V_NEXT, V_DEFER } },
	{ &warn_dnsbl, { STRANGER, &rdns_unasked, "L" },
	    { V_NEXT, V_DEFER, V_UNKNOWN, V_DEFER, V_NEXT } },
	/* nor is it news where the refusal is softened: it stays the same one */
	{ &early, { STRANGER, &rdns_unasked, "LL" },
	    { V_NEXT, V_DEFER, V_UNKNOWN, V_DEFER, V_NEXT } },
	{ &warn_dnsbl, { STRANGER, &none, ".L" },
	    { V_NEXT, V_NEXT, V_NEXT, V_NEXT, V_REJECT } },
};

static void
test_would(void **state)
{
	struct generation *g = lists(*state);
	size_t i;
	int j;

	for (i = 0; i < NITEMS(woulds); i++) {
		settings_for(woulds[i].ways);
		come(&woulds[i].client, g);
		check_session(&peer, &set, found, ROWS_ALL);
		for (j = 0; j < CHECK_COUNT; j++)
			if (found[j].found != woulds[i].would[j])
				fail_msg("row %zu, test %d: %s", i, j,
				    verdict_name(found[j].found));
		assert_int_equal(found[CHECK_REHEARSAL].verdict, V_NEXT);
	}
	generation_close(g);
}

#define WITH_LISTS(test)                                                       \
	cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		WITH_LISTS(test_refusals),
		WITH_LISTS(test_would),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
