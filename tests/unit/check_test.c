/*
 * The tests of a client and of its recipients. A row that fails is a client
 * who is refused or let in against the lists, or a gateway that relays.
 */
#include "tests/unit/fixture.h"
#include "worker/check.h"
#include "worker/maildom.h"
#include "worker/path.h"
#include "worker/peer.h"

#define NOW 1700000000 /* 2023-11-14 */

static struct settings set;
static struct peer peer;

static void
settings_usual(void)
{
	int i;

	memset(&set, 0, sizeof(set));
	for (i = 0; i < TEST_COUNT; i++) {
		set.tests[i].mode = MODE_ON;
		set.tests[i].unknown = UNKNOWN_DEFER;
	}
}

static void
client(const char *addr, const struct generation *lists)
{
	memset(&peer, 0, sizeof(peer));
	peer.rdns = &rdns_asked;
	assert_int_equal(addr_parse(&peer.addr, addr), 0);
	peer.lists = lists;
	peer.now = NOW;
}

static struct generation *
lists(struct fixture *f)
{
	fixture_write(f, "banned",
	    "192.0.2.0/24 \"go away\"\n"
	    "192.0.2.64/26 defer\n"
	    "192.0.2.80/28 drop\n"
	    "192.0.2.85 allow\n"
	    "192.0.2.128/25 reject until=2020-01-01\n"
	    "198.51.100.0/24\n"
	    "198.51.100.7 allow\n"
	    "203.0.113.0/24\n"
	    "2001:db8::/32\n"
	    "2001:db8:1::/48 allow\n");
	fixture_write(f, "bans",
	    "198.51.100.0/25 defer\n"
	    "198.51.100.0/24 allow\n"
	    "203.0.113.9 allow\n"
	    "203.0.113.9/32 allow\n"
	    "2001:db8:1:1::/64 reject\n");
	fixture_write(f, "relay",
	    "10.0.0.0/8\n"
	    "10.1.0.0/16 deny\n"
	    "10.1.1.0/24 relay until=2020-01-01\n"
	    "2001:db8:9::/48\n");
	fixture_write(f, "names",
	    "bad.example\n"
	    "helo:bad-helo.example \"say who you are\"\n"
	    "helo:.dyn.example defer\n"
	    "helo:good.dyn.example allow\n"
	    "helo:friend.example.org allow\n"
	    "helo:gone.example reject until=2020-01-01\n");
	fixture_write(f, "domains",
	    "example.org\n"
	    ".example.net\n"
	    "bad.example.net reject \"not here any more\"\n");
	fixture_write(f, "recipients",
	    "alice@example.org\n"
	    "bob@example.org open\n"
	    "carol@example.org reject\n"
	    "dave@example.org defer \"on holiday\"\n"
	    "eve@example.org moved eve@example.com\n"
	    "frank@example.org forward frank@example.com\n"
	    "old@example.org accept until=2020-01-01\n"
	    "a%b@example.org\n"
	    "abuse@example.org reject\n"
	    "@example.net\n"
	    "x!y@example.net\n");
	fixture_write(f, "senders",
	    "bad@example.com \"not you again\"\n"
	    "@example.com defer\n"
	    "good@example.com allow\n"
	    "@.spam.example\n"
	    "<> defer\n");
	fixture_write(f, "routes", "* smtp:192.0.2.250\n");
	f->ask.force = true;
	return fixture_open(f);
}

/* ------------------------------------------------------------------ banned */

static const struct {
	const char *addr;
	enum verdict verdict;
	const char *status, *text;
	enum list_id list;
	unsigned line;
} bans[] = {
	{ "192.0.2.1", V_REJECT, "5.7.1", "go away", LIST_BANNED, 1 },
	{ "::ffff:192.0.2.1", V_REJECT, "5.7.1", "go away", LIST_BANNED, 1 },
	{ "192.0.2.64", V_DEFER, "4.7.1", "your address is banned here",
	    LIST_BANNED, 2 },
	{ "192.0.2.80", V_DROP, "5.7.1", "your address is banned here",
	    LIST_BANNED, 3 },
	{ "192.0.2.85", V_NEXT, NULL, NULL, LIST_BANNED, 4 },
	{ "192.0.2.128", V_REJECT, "5.7.1", "go away", LIST_BANNED, 1 },
	{ "192.0.3.1", V_NEXT, NULL, NULL, LIST_BANNED, 0 },
	/* the most specific of both lists; of the same prefix that of bans */
	{ "198.51.100.200", V_NEXT, NULL, NULL, LIST_BANS, 2 },
	{ "198.51.100.1", V_DEFER, "4.7.1", "your address is banned here",
	    LIST_BANS, 1 },
	{ "198.51.100.7", V_NEXT, NULL, NULL, LIST_BANNED, 7 },
	{ "203.0.113.8", V_REJECT, "5.7.1", "your address is banned here",
	    LIST_BANNED, 8 },
	{ "203.0.113.9", V_NEXT, NULL, NULL, LIST_BANS, 3 },
	{ "2001:db8::1", V_REJECT, "5.7.1", "your address is banned here",
	    LIST_BANNED, 9 },
	{ "2001:db8:1::1", V_NEXT, NULL, NULL, LIST_BANNED, 10 },
	{ "2001:db8:1:1::1", V_REJECT, "5.7.1", "your address is banned here",
	    LIST_BANS, 5 },
	{ "2001:db9::1", V_NEXT, NULL, NULL, LIST_BANNED, 0 },
};

static void
test_banned(void **state)
{
	struct generation *g = lists(*state);
	struct reason why;
	enum verdict v;
	size_t i;

	for (i = 0; i < NITEMS(bans); i++) {
		client(bans[i].addr, g);
		memset(&why, 0, sizeof(why));
		v = check_banned(&peer, &set, &why);
		if (v != bans[i].verdict)
			fail_msg("%s: %s", bans[i].addr, verdict_name(v));
		assert_int_equal(why.has_entry, bans[i].line > 0);
		if (why.has_entry) {
			assert_int_equal(why.entry.list, bans[i].list);
			if (bans[i].list != LIST_BANS || bans[i].line != 3)
				assert_int_equal(why.entry.line, bans[i].line);
		}
		if (verdict_refuses(v)) {
			assert_string_equal(why.code, "banned");
			assert_string_equal(why.status, bans[i].status);
			assert_string_equal(why.text, bans[i].text);
		}
	}
	client("192.0.2.1", NULL);
	assert_int_equal(check_banned(&peer, &set, &why), V_UNKNOWN);
	generation_close(g);
}

/* ------------------------------------------------------------------- relay */

static const struct {
	const char *addr;
	enum verdict verdict;
} relays[] = {
	{ "10.0.0.1", V_RELAY },
	{ "10.1.0.1", V_NEXT },
	{ "10.1.1.1", V_NEXT }, /* the grant has expired: deny again */
	{ "11.0.0.1", V_NEXT },
	{ "2001:db8:9::1", V_RELAY },
	{ "2001:db8:a::1", V_NEXT },
	{ "a00::1", V_NEXT },
};

static void
test_relay(void **state)
{
	struct generation *g = lists(*state);
	struct reason why;
	size_t i;

	for (i = 0; i < NITEMS(relays); i++) {
		client(relays[i].addr, g);
		if (check_relay(&peer, &set, &why) != relays[i].verdict)
			fail_msg("%s", relays[i].addr);
	}
	client("10.0.0.1", NULL);
	assert_int_equal(check_relay(&peer, &set, &why), V_UNKNOWN);
	generation_close(g);
}

/* ------------------------------------------------------- modes and unknown */

static const struct {
	const char *addr;
	bool no_lists;
	enum test_mode banned, relay;
	enum test_unknown unknown;
	int refusal; /* V_ of banned, or -1: greeted */
	bool relays, relay_unknown;
	int would; /* V_ found by banned under mode warn, or -1 */
} modes[] = {
	{ "192.0.2.1", 0, MODE_ON, MODE_ON, UNKNOWN_DEFER, V_REJECT, 0, 0, -1 },
	{ "192.0.2.64", 0, MODE_ON, MODE_ON, UNKNOWN_DEFER, V_DEFER, 0, 0, -1 },
	{ "192.0.2.80", 0, MODE_ON, MODE_ON, UNKNOWN_DEFER, V_DROP, 0, 0, -1 },
	{ "192.0.2.85", 0, MODE_ON, MODE_ON, UNKNOWN_DEFER, -1, 0, 0, -1 },
	{ "192.0.2.1", 0, MODE_WARN, MODE_ON, UNKNOWN_DEFER, -1, 0, 0,
	    V_REJECT },
	{ "192.0.2.80", 0, MODE_WARN, MODE_ON, UNKNOWN_DEFER, -1, 0, 0,
	    V_DROP },
	{ "192.0.2.1", 0, MODE_OFF, MODE_ON, UNKNOWN_DEFER, -1, 0, 0, -1 },
	{ "10.0.0.1", 0, MODE_ON, MODE_ON, UNKNOWN_DEFER, -1, 1, 0, -1 },
	{ "10.0.0.1", 0, MODE_ON, MODE_WARN, UNKNOWN_DEFER, -1, 0, 0, -1 },
	{ "10.0.0.1", 0, MODE_ON, MODE_OFF, UNKNOWN_DEFER, -1, 0, 0, -1 },
	{ "10.1.0.1", 0, MODE_ON, MODE_ON, UNKNOWN_DEFER, -1, 0, 0, -1 },
	/* unknown is never a permanent refusal and never a grant */
	{ "192.0.2.1", 1, MODE_ON, MODE_ON, UNKNOWN_DEFER, V_DEFER, 0, 1, -1 },
	{ "192.0.2.1", 1, MODE_ON, MODE_ON, UNKNOWN_PASS, -1, 0, 1, -1 },
	{ "192.0.2.1", 1, MODE_WARN, MODE_ON, UNKNOWN_DEFER, -1, 0, 1,
	    V_DEFER },
	{ "10.0.0.1", 1, MODE_OFF, MODE_ON, UNKNOWN_PASS, -1, 0, 1, -1 },
	{ "10.0.0.1", 1, MODE_OFF, MODE_WARN, UNKNOWN_PASS, -1, 0, 0, -1 },
	{ "10.0.0.1", 1, MODE_OFF, MODE_OFF, UNKNOWN_DEFER, -1, 0, 0, -1 },
};

static void
test_modes(void **state)
{
	struct generation *g = lists(*state);
	struct finding found[CHECK_COUNT];
	const struct finding *refusal;
	size_t i;
	int would;

	for (i = 0; i < NITEMS(modes); i++) {
		settings_usual();
		set.tests[TEST_BANNED].mode = modes[i].banned;
		set.tests[TEST_BANNED].unknown = modes[i].unknown;
		set.tests[TEST_RELAY].mode = modes[i].relay;
		client(modes[i].addr, modes[i].no_lists ? NULL : g);
		check_session(&peer, &set, found, ROWS_ALL);
		refusal = check_refusal(&set, found, false);
		if ((refusal == NULL ? -1 : (int)refusal->verdict) !=
		    modes[i].refusal)
			fail_msg("row %zu: %s", i,
			    refusal == NULL ? "greeted" :
					      verdict_name(refusal->verdict));
		if (refusal != NULL)
			assert_int_equal(refusal->test, TEST_BANNED);
		if (refusal != NULL && modes[i].no_lists)
			assert_string_equal(refusal->why.status, "4.3.0");
		assert_int_equal(peer.relay, modes[i].relays);
		assert_int_equal(peer.relay_unknown, modes[i].relay_unknown);
		would = verdict_refuses(found[0].found) &&
			found[0].verdict == V_NEXT ?
		    (int)found[0].found :
		    -1;
		assert_int_equal(would, modes[i].would);
	}
	generation_close(g);
}

/* An entry's own text, then that of the list, then the usual one. */
static void
test_texts(void **state)
{
	static const struct {
		const char *addr, *usual, *text;
	} rows[] = {
		{ "192.0.2.1", NULL, "go away" },
		{ "192.0.2.1", "the list says no", "go away" },
		{ "203.0.113.1", "the list says no", "the list says no" },
		{ "203.0.113.1", "", "your address is banned here" },
		{ "203.0.113.1", NULL, "your address is banned here" },
	};
	struct generation *g = lists(*state);
	struct finding found[CHECK_COUNT];
	size_t i;

	for (i = 0; i < NITEMS(rows); i++) {
		char *usual = rows[i].usual == NULL ? NULL :
						      strdup(rows[i].usual);

		settings_usual();
		set.texts[LIST_BANNED] = set.texts[LIST_BANS] = usual;
		client(rows[i].addr, g);
		check_session(&peer, &set, found, ROWS_ALL);
		if (verdict_refuses(found[CHECK_BANNED].verdict))
			assert_string_equal(found[CHECK_BANNED].why.text,
			    rows[i].text);
		else
			fail_msg("row %zu is not refused", i);
		free(usual);
	}
	generation_close(g);
}

/* ------------------------------------------------------------- destination */

enum who {
	STRANGER,
	RELAYER,
	NOT_KNOWN,
	NO_LISTS
};

static const struct {
	enum who who;
	const char *to;
	enum verdict verdict;
	const char *code, *status;
} destinations[] = {
	{ STRANGER, "x@example.org", V_NEXT, NULL, NULL },
	{ STRANGER, "x@EXAMPLE.org", V_NEXT, NULL, NULL },
	{ STRANGER, "x@sub.example.org", V_REJECT, "relay-denied", "5.7.1" },
	{ STRANGER, "x@example.net", V_NEXT, NULL, NULL },
	{ STRANGER, "x@a.b.example.net", V_NEXT, NULL, NULL },
	{ STRANGER, "x@bad.example.net", V_REJECT, "relay-denied", "5.7.1" },
	{ STRANGER, "x@example.com", V_REJECT, "relay-denied", "5.7.1" },
	{ STRANGER, "x@org", V_REJECT, "relay-denied", "5.7.1" },
	{ STRANGER, "x@xexample.net", V_REJECT, "relay-denied", "5.7.1" },
	{ STRANGER, "x@[192.0.2.1]", V_REJECT, "relay-denied", "5.7.1" },
	{ RELAYER, "x@example.com", V_RELAY, NULL, NULL },
	{ RELAYER, "x@[192.0.2.1]", V_RELAY, NULL, NULL },
	{ RELAYER, "x@example.org", V_NEXT, NULL, NULL },
	{ NOT_KNOWN, "x@example.com", V_DEFER, "relay-unknown", "4.4.3" },
	{ NOT_KNOWN, "x@example.org", V_NEXT, NULL, NULL },
	{ NO_LISTS, "x@example.org", V_DEFER, "list-unknown", "4.3.0" },
	{ NO_LISTS, "x@example.com", V_DEFER, "list-unknown", "4.3.0" },
	/* the percent hack and its kin, from strangers */
	{ STRANGER, "a%b@example.org", V_NEXT, NULL, NULL }, /* is listed */
	{ STRANGER, "a%c@example.org", V_REJECT, "local-part", "5.1.3" },
	{ STRANGER, "a%b@sub.example.net", V_REJECT, "local-part", "5.1.3" },
	{ STRANGER, "\"x!y\"@example.net", V_NEXT, NULL, NULL },
	{ STRANGER, "x!z@example.net", V_REJECT, "local-part", "5.1.3" },
	{ STRANGER, "\"a@b\"@example.org", V_REJECT, "local-part", "5.1.3" },
	{ STRANGER, "a/b@example.net", V_REJECT, "local-part", "5.1.3" },
	{ STRANGER, "|a@example.org", V_REJECT, "local-part", "5.1.3" },
	{ STRANGER, "\"|a\"@example.org", V_REJECT, "local-part", "5.1.3" },
	{ STRANGER, "a|b@example.org", V_NEXT, NULL, NULL },
	{ STRANGER, "a%b@example.com", V_REJECT, "relay-denied", "5.7.1" },
	{ RELAYER, "a%c@example.org", V_NEXT, NULL, NULL },
	{ RELAYER, "a%c@example.com", V_RELAY, NULL, NULL },
};

static void
test_destinations(void **state)
{
	struct generation *g = lists(*state);
	struct mailbox to;
	struct reason why;
	enum verdict v;
	size_t i;

	for (i = 0; i < NITEMS(destinations); i++) {
		client("192.0.3.1", destinations[i].who == NO_LISTS ? NULL : g);
		peer.relay = destinations[i].who == RELAYER;
		peer.relay_unknown = destinations[i].who == NOT_KNOWN;
		assert_int_equal(mailbox_from_text(destinations[i].to, &to), 0);
		memset(&why, 0, sizeof(why));
		v = check_destination(&peer, &set, &to, &why);
		if (v != destinations[i].verdict)
			fail_msg("%s: %s", destinations[i].to, verdict_name(v));
		if (!verdict_refuses(v))
			continue;
		assert_string_equal(why.code, destinations[i].code);
		assert_string_equal(why.status, destinations[i].status);
		assert_int_equal(why.reply / 100, v == V_REJECT ? 5 : 4);
	}
	generation_close(g);
}

/* -------------------------------------------------------------- recipients */

static const struct {
	const char *to;
	bool postmaster;
	enum verdict verdict;
	const char *code;
	int reply;
	const char *text; /* of a refusal; of moved and forward the address */
} recipients[] = {
	{ "alice@example.org", 0, V_NEXT, NULL, 250, NULL },
	{ "\"alice\"@example.org", 0, V_NEXT, NULL, 250, NULL },
	{ "alice+x@example.org", 0, V_NEXT, NULL, 250, NULL },
	{ "bob@example.org", 0, V_ALLOW, NULL, 250, NULL },
	{ "bob+x@example.org", 0, V_ALLOW, NULL, 250, NULL },
	{ "carol@example.org", 0, V_REJECT, "recipient-refused", 550,
	    "this recipient does not take mail" },
	{ "dave@example.org", 0, V_DEFER, "recipient-deferred", 450,
	    "on holiday" },
	{ "eve@example.org", 0, V_MOVED, "recipient-moved", 550,
	    "eve@example.com" },
	{ "frank@example.org", 0, V_FORWARD, "recipient-forwarded", 251,
	    "frank@example.com" },
	{ "old@example.org", 0, V_REJECT, "recipient-unknown", 550,
	    "no such recipient here" },
	{ "nobody@example.org", 0, V_REJECT, "recipient-unknown", 550,
	    "no such recipient here" },
	{ "anybody@example.net", 0, V_NEXT, NULL, 250, NULL },
	{ "anybody@sub.example.net", 0, V_REJECT, "recipient-unknown", 550,
	    "no such recipient here" },
	/* names that are always open, but the list's own word goes first */
	{ "postmaster@example.org", 0, V_ALLOW, NULL, 0, NULL },
	{ "PostMaster@example.org", 0, V_ALLOW, NULL, 0, NULL },
	{ "postmaster@example.net", 0, V_ALLOW, NULL, 250, NULL },
	{ "abuse@example.org", 0, V_REJECT, "recipient-refused", 550,
	    "this recipient does not take mail" },
	{ "boss@example.org", 1, V_ALLOW, NULL, 0, NULL },
};

static void
test_recipients(void **state)
{
	static char postmaster[] = "postmaster", abuse[] = "abuse";
	static char *open[] = { postmaster, abuse };
	struct generation *g = lists(*state);
	struct finding f;
	struct mailbox to;
	size_t i;

	settings_usual();
	set.open.item = open;
	set.open.n = NITEMS(open);
	client("192.0.3.1", g);
	for (i = 0; i < NITEMS(recipients); i++) {
		assert_int_equal(mailbox_from_text(recipients[i].to, &to), 0);
		to.postmaster = recipients[i].postmaster;
		check_rcpt(&peer, &set, &to, &f);
		if (f.verdict != recipients[i].verdict)
			fail_msg("%s: %s", recipients[i].to,
			    verdict_name(f.verdict));
		assert_int_equal(f.found, f.verdict);
		assert_int_equal(f.why.reply, recipients[i].reply);
		if (recipients[i].code == NULL)
			continue;
		assert_string_equal(f.why.code, recipients[i].code);
		assert_string_equal(f.verdict == V_MOVED ||
			    f.verdict == V_FORWARD ?
			f.why.entry.argument :
			f.why.text,
		    recipients[i].text);
	}
	generation_close(g);
}

/* Mode warn and mode off refuse nobody. */
static void
test_recipient_modes(void **state)
{
	struct generation *g = lists(*state);
	struct mailbox to;
	struct finding f;

	settings_usual();
	client("192.0.3.1", g);
	assert_int_equal(mailbox_from_text("nobody@example.org", &to), 0);
	set.tests[TEST_RECIPIENT].mode = MODE_WARN;
	check_rcpt(&peer, &set, &to, &f);
	assert_int_equal(f.found, V_REJECT);
	assert_int_equal(f.verdict, V_NEXT);
	set.tests[TEST_RECIPIENT].mode = MODE_OFF;
	check_rcpt(&peer, &set, &to, &f);
	assert_int_equal(f.found, V_NEXT);
	assert_int_equal(f.verdict, V_NEXT);
	generation_close(g);
}

/* -------------------------------------------------------------------- helo */

static const struct {
	const char *helo;
	enum verdict verdict;
	const char *code, *status;
} helos[] = {
	{ "", V_LATER, NULL, NULL },
	{ "client.example", V_NEXT, NULL, NULL },
	{ "printer", V_NEXT, NULL, NULL },
	{ "a_b.example", V_NEXT, NULL, NULL },
	{ "_", V_NEXT, NULL, NULL },
	{ "client.example.", V_NEXT, NULL, NULL },
	{ "3com.example", V_NEXT, NULL, NULL },
	{ "1.2.3.x4", V_NEXT, NULL, NULL },
	{ "[192.0.2.1]", V_NEXT, NULL, NULL },
	{ "[IPv6:2001:db8::1]", V_NEXT, NULL, NULL },
	{ "[ipv6:2001:DB8::1]", V_NEXT, NULL, NULL },
	{ "[IPv6:::ffff:192.0.2.1]", V_NEXT, NULL, NULL },
	/* neither a name nor an address literal */
	{ ".", V_REJECT, "helo-syntax", "5.5.4" },
	{ "client.example..", V_REJECT, "helo-syntax", "5.5.4" },
	{ ".example", V_REJECT, "helo-syntax", "5.5.4" },
	{ "a..example", V_REJECT, "helo-syntax", "5.5.4" },
	{ "client(example", V_REJECT, "helo-syntax", "5.5.4" },
	{ "a@client.example", V_REJECT, "helo-syntax", "5.5.4" },
	{ "192.0.2.1", V_REJECT, "helo-syntax", "5.5.4" },
	{ "2001:db8::1", V_REJECT, "helo-syntax", "5.5.4" },
	{ "192.0.2", V_REJECT, "helo-syntax", "5.5.4" },
	{ "192.0.2.999", V_REJECT, "helo-syntax", "5.5.4" },
	{ "1", V_REJECT, "helo-syntax", "5.5.4" },
	{ "[", V_REJECT, "helo-syntax", "5.5.4" },
	{ "[]", V_REJECT, "helo-syntax", "5.5.4" },
	{ "[192.0.2.1", V_REJECT, "helo-syntax", "5.5.4" },
	{ "[192.0.2.1]x", V_REJECT, "helo-syntax", "5.5.4" },
	{ "[192.0.2]", V_REJECT, "helo-syntax", "5.5.4" },
	{ "[IPv6:192.0.2.1]", V_REJECT, "helo-syntax", "5.5.4" },
	{ "[2001:db8::1]", V_REJECT, "helo-syntax", "5.5.4" },
	{ "[IPv6:]", V_REJECT, "helo-syntax", "5.5.4" },
	{ "[client.example]", V_REJECT, "helo-syntax", "5.5.4" },
	{ "[000000000000000000000000000000000000000000000000000000000000001]",
	    V_REJECT, "helo-syntax", "5.5.4" },
	/* our own */
	{ "mx.example.org", V_REJECT, "helo-ours", "5.7.1" },
	{ "MX.Example.ORG.", V_REJECT, "helo-ours", "5.7.1" },
	{ "x.mx.example.org", V_NEXT, NULL, NULL },
	{ "example.org", V_NEXT, NULL, NULL },
	{ "[192.0.2.25]", V_REJECT, "helo-ours", "5.7.1" },
	{ "192.0.2.25", V_REJECT, "helo-ours", "5.7.1" },
	{ "[IPv6:2001:db8::25]", V_REJECT, "helo-ours", "5.7.1" },
	{ "[198.51.100.25]", V_REJECT, "helo-ours", "5.7.1" },
	{ "[192.0.2.26]", V_NEXT, NULL, NULL },
	/* the list; its entries without helo: are about other names */
	{ "bad.example", V_NEXT, NULL, NULL },
	{ "Bad-Helo.example", V_REJECT, "helo-list", "5.7.1" },
	{ "bad-helo.example.", V_REJECT, "helo-list", "5.7.1" },
	{ "x.bad-helo.example", V_NEXT, NULL, NULL },
	{ "dyn.example", V_DEFER, "helo-list", "4.7.1" },
	{ "x.dyn.example", V_DEFER, "helo-list", "4.7.1" },
	{ "good.dyn.example", V_NEXT, NULL, NULL },
	{ "gone.example", V_NEXT, NULL, NULL },
};

static void
say_helo(const char *name)
{
	strlcpy(peer.helo, name, sizeof(peer.helo));
	assert_int_equal(addr_parse(&peer.local, "198.51.100.25"), 0);
}

/* Where we listen, and what we are called. */
static void
settings_ours(char *hostname)
{
	static struct endpoint listen[3];

	settings_usual();
	assert_int_equal(addr_parse(&listen[0].addr, "192.0.2.25"), 0);
	assert_int_equal(addr_parse(&listen[1].addr, "2001:db8::25"), 0);
	assert_int_equal(addr_parse(&listen[2].addr, "0.0.0.0"), 0);
	set.listen = listen;
	set.nlisten = NITEMS(listen);
	set.hostname = hostname;
}

static void
test_helo(void **state)
{
	static char hostname[] = "mx.example.org",
		    friend[] = "friend.example.org";
	struct generation *g = lists(*state);
	struct reason why;
	enum verdict v;
	size_t i;

	settings_ours(hostname);
	for (i = 0; i < NITEMS(helos); i++) {
		client("203.0.113.1", g);
		say_helo(helos[i].helo);
		memset(&why, 0, sizeof(why));
		v = check_helo(&peer, &set, &why);
		if (v != helos[i].verdict)
			fail_msg("%s: %s", helos[i].helo, verdict_name(v));
		if (!verdict_refuses(v))
			continue;
		assert_string_equal(why.code, helos[i].code);
		assert_string_equal(why.status, helos[i].status);
		peer.relay = true; /* a printer may say what it likes */
		assert_int_equal(check_helo(&peer, &set, &why), V_NEXT);
		peer.relay = false;
		peer.banned = true;
		assert_int_equal(check_helo(&peer, &set, &why), V_NEXT);
	}
	/* allow ends the whole test, so also what our own name is for */
	set.hostname = friend;
	client("203.0.113.1", g);
	say_helo("friend.example.org");
	assert_int_equal(check_helo(&peer, &set, &why), V_NEXT);
	/* without the list a name is unknown, an address is not looked up */
	client("203.0.113.1", NULL);
	say_helo("bad-helo.example");
	assert_int_equal(check_helo(&peer, &set, &why), V_UNKNOWN);
	assert_string_equal(why.code, "list-unknown");
	say_helo("[192.0.2.25]");
	assert_int_equal(check_helo(&peer, &set, &why), V_REJECT);
	generation_close(g);
}

/* ------------------------------------------------------------ early talkers */

static void
test_early(void **state)
{
	static const struct {
		bool listened, early, relay, banned;
		enum verdict verdict;
	} rows[] = {
		{ false, false, false, false, V_LATER },
		{ true, false, false, false, V_NEXT },
		{ true, true, false, false, V_REJECT },
		{ true, true, true, false, V_NEXT },
		{ true, true, false, true, V_NEXT },
	};
	struct reason why;
	size_t i;

	(void)state;
	settings_usual();
	for (i = 0; i < NITEMS(rows); i++) {
		client("203.0.113.1", NULL);
		peer.listened = rows[i].listened;
		peer.early = rows[i].early;
		peer.relay = rows[i].relay;
		peer.banned = rows[i].banned;
		memset(&why, 0, sizeof(why));
		assert_int_equal(check_early(&peer, &set, &why),
		    rows[i].verdict);
		if (rows[i].verdict == V_REJECT)
			assert_string_equal(why.code, "early-talker");
	}
}

/* ------------------------------------------------------------------ sender */

#define DOMAIN(mx_, null, a_, aaaa_)                                           \
	{                                                                      \
		.mx = DNS_##mx_, .null_mx = null, .a = DNS_##a_,               \
		.aaaa = DNS_##aaaa_                                            \
	}

static const struct {
	const char *sender;
	struct maildom domain;
	enum verdict verdict;
	const char *code, *status;
	bool relays_too;
} senders[] = {
	/* the domain */
	{ "a@b.example", DOMAIN(FOUND, 0, NONE, NONE), V_NEXT, NULL, NULL, 0 },
	{ "a@b.example", DOMAIN(NONE, 0, FOUND, NONE), V_NEXT, NULL, NULL, 0 },
	{ "a@b.example", DOMAIN(NONE, 0, NONE, FOUND), V_NEXT, NULL, NULL, 0 },
	{ "a@b.example", DOMAIN(NONE, 0, NONE, NONE), V_REJECT, "sender-domain",
	    "5.1.8", 0 },
	{ "a@b.example", DOMAIN(FOUND, 1, FOUND, FOUND), V_REJECT,
	    "sender-null-mx", "5.7.27", 0 },
	{ "a@b.example", DOMAIN(ASKED, 0, FOUND, NONE), V_PENDING, NULL, NULL,
	    0 },
	{ "a@b.example", DOMAIN(UNKNOWN, 0, NONE, NONE), V_UNKNOWN,
	    "sender-unknown", "4.4.3", 0 },
	{ "a@b.example", DOMAIN(NONE, 0, NONE, UNKNOWN), V_UNKNOWN,
	    "sender-unknown", "4.4.3", 0 },
	/* the list: whatever DNS says */
	{ "bad@example.com", DOMAIN(ASKED, 0, ASKED, ASKED), V_REJECT,
	    "sender-list", "5.7.1", 1 },
	{ "BAD@Example.com", DOMAIN(FOUND, 0, NONE, NONE), V_REJECT,
	    "sender-list", "5.7.1", 1 },
	{ "bad+x@example.com", DOMAIN(FOUND, 0, NONE, NONE), V_REJECT,
	    "sender-list", "5.7.1", 1 },
	{ "x@example.com", DOMAIN(FOUND, 0, NONE, NONE), V_DEFER, "sender-list",
	    "4.7.1", 1 },
	{ "good@example.com", DOMAIN(NONE, 0, NONE, NONE), V_NEXT, NULL, NULL,
	    0 },
	{ "good@example.com", DOMAIN(ASKED, 0, ASKED, ASKED), V_NEXT, NULL,
	    NULL, 0 },
	{ "x@a.spam.example", DOMAIN(FOUND, 0, NONE, NONE), V_REJECT,
	    "sender-list", "5.7.1", 1 },
	{ "x@spam.example", DOMAIN(FOUND, 0, NONE, NONE), V_REJECT,
	    "sender-list", "5.7.1", 1 },
	{ "x@sub.example.com", DOMAIN(FOUND, 0, NONE, NONE), V_NEXT, NULL, NULL,
	    0 },
	{ NULL, DOMAIN(FOUND, 0, NONE, NONE), V_DEFER, "sender-list", "4.7.1",
	    1 },
};

static void
say_mail(const char *sender, const struct maildom *domain)
{
	memset(&peer.sender, 0, sizeof(peer.sender));
	if (sender != NULL)
		assert_int_equal(mailbox_from_text(sender, &peer.sender), 0);
	peer.maildom = domain;
}

static void
test_sender(void **state)
{
	struct generation *g = lists(*state);
	struct reason why;
	enum verdict v;
	size_t i;

	settings_usual();
	client("203.0.113.1", g);
	assert_int_equal(check_sender(&peer, &set, &why), V_LATER);
	for (i = 0; i < NITEMS(senders); i++) {
		client("203.0.113.1", g);
		say_mail(senders[i].sender, &senders[i].domain);
		memset(&why, 0, sizeof(why));
		v = check_sender(&peer, &set, &why);
		if (v != senders[i].verdict)
			fail_msg("row %zu: %s", i, verdict_name(v));
		assert_int_equal(why.relays_too, senders[i].relays_too);
		if (senders[i].code != NULL) {
			assert_string_equal(why.code, senders[i].code);
			assert_string_equal(why.status, senders[i].status);
		}
		/* A printer's domain is not asked about; the list is. */
		peer.relay = true;
		v = check_sender(&peer, &set, &why);
		assert_int_equal(v,
		    senders[i].relays_too ? senders[i].verdict : V_NEXT);
		peer.banned = true;
		assert_int_equal(check_sender(&peer, &set, &why), V_NEXT);
	}
	client("203.0.113.1", NULL);
	say_mail("a@b.example", &maildom_asked);
	assert_int_equal(check_sender(&peer, &set, &why), V_UNKNOWN);
	assert_string_equal(why.code, "list-unknown");
	generation_close(g);
}

/* ------------------------------------------------------- rows made again */

/*
 * What is said later is judged without what was decided before; while it is
 * not known whether the client may relay, nothing that relay spares is final.
 */
static void
test_rows(void **state)
{
	static char hostname[] = "mx.example.org";
	struct generation *g = lists(*state);
	struct finding found[CHECK_COUNT];
	const struct finding *refusal;

	settings_ours(hostname);
	client("203.0.113.9", g);
	check_session(&peer, &set, found, ROWS_ALL);
	assert_int_equal(found[CHECK_HELO].found, V_LATER);
	assert_null(check_refusal(&set, found, false));
	say_helo("mx.example.org");
	found[CHECK_BANNED].found = V_DROP; /* stays as it is */
	check_session(&peer, &set, found, check_rows_of(OF_HELO));
	assert_int_equal(found[CHECK_BANNED].found, V_DROP);
	refusal = check_refusal(&set, found, false);
	assert_ptr_equal(refusal, &found[CHECK_HELO]);
	assert_int_equal(refusal->verdict, V_REJECT);
	assert_true(check_spares_relay(refusal));

	peer.relay_unknown = true;
	check_session(&peer, &set, found, check_rows_of(OF_HELO));
	assert_int_equal(found[CHECK_HELO].verdict, V_DEFER);
	assert_string_equal(found[CHECK_HELO].why.status, "4.4.3");
	set.tests[TEST_HELO].mode = MODE_WARN;
	peer.relay_unknown = false;
	check_session(&peer, &set, found, ROW(CHECK_HELO));
	assert_int_equal(found[CHECK_HELO].found, V_REJECT);
	assert_null(check_refusal(&set, found, false));

	client("192.0.2.1", g); /* banned: a word of its own */
	say_helo("mx.example.org");
	set.tests[TEST_HELO].mode = MODE_ON;
	check_session(&peer, &set, found, ROWS_ALL);
	assert_ptr_equal(check_refusal(&set, found, false),
	    &found[CHECK_BANNED]);
	assert_false(check_spares_relay(&found[CHECK_BANNED]));

	/* A listed sender is refused for good even where relay is unknown. */
	client("203.0.113.9", g);
	check_session(&peer, &set, found, ROWS_ALL);
	peer.relay_unknown = true;
	say_mail("bad@example.com", &maildom_nothing);
	check_session(&peer, &set, found, ROW(CHECK_SENDER));
	assert_int_equal(found[CHECK_SENDER].verdict, V_REJECT);
	assert_false(check_spares_relay(&found[CHECK_SENDER]));
	say_mail("a@b.example", &senders[3].domain);
	check_session(&peer, &set, found, ROW(CHECK_SENDER));
	assert_int_equal(found[CHECK_SENDER].verdict, V_DEFER);
	assert_true(check_spares_relay(&found[CHECK_SENDER]));
	generation_close(g);
}

/* ----------------------------------------------------------- damaged lists */

/* Spoil every hash table of a list that is open: its keys stay, unfindable. */
static void
spoil(const struct fixture *f, const char *name)
{
	unsigned char junk[2048];
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/current/%s.cdb", f->state, name);
	file = fopen(path, "r+");
	assert_non_null(file);
	memset(junk, 0xff, sizeof(junk));
	assert_int_equal(fwrite(junk, 1, sizeof(junk), file), sizeof(junk));
	fclose(file);
}

static void
test_damaged(void **state)
{
	struct fixture *f = *state;
	struct generation *g = lists(f);
	struct finding found[CHECK_COUNT], one;
	const struct finding *refusal;
	struct reason why;
	struct mailbox to;

	settings_usual();
	spoil(f, "bans");
	spoil(f, "relay");
	spoil(f, "domains");
	spoil(f, "recipients");
	client("10.0.0.1", g);
	check_session(&peer, &set, found, ROWS_ALL);
	refusal = check_refusal(&set, found, false);
	assert_non_null(refusal);
	assert_int_equal(refusal->verdict, V_DEFER);
	assert_string_equal(refusal->why.code, "list-unknown");
	assert_false(peer.relay);
	assert_true(peer.relay_unknown);
	assert_int_equal(mailbox_from_text("alice@example.org", &to), 0);
	memset(&why, 0, sizeof(why));
	assert_int_equal(check_destination(&peer, &set, &to, &why), V_DEFER);
	assert_string_equal(why.code, "list-unknown");
	peer.relay = true; /* whatever else is known */
	assert_int_equal(check_destination(&peer, &set, &to, &why), V_DEFER);
	check_rcpt(&peer, &set, &to, &one);
	assert_int_equal(one.verdict, V_DEFER);
	assert_int_equal(one.why.reply, 451);
	set.tests[TEST_RECIPIENT].unknown = UNKNOWN_PASS;
	check_rcpt(&peer, &set, &to, &one);
	assert_int_equal(one.verdict, V_NEXT);
	generation_close(g);
}

#define WITH_LISTS(test)                                                       \
	cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		WITH_LISTS(test_banned),
		WITH_LISTS(test_relay),
		WITH_LISTS(test_modes),
		WITH_LISTS(test_texts),
		WITH_LISTS(test_destinations),
		WITH_LISTS(test_recipients),
		WITH_LISTS(test_recipient_modes),
		WITH_LISTS(test_helo),
		cmocka_unit_test(test_early),
		WITH_LISTS(test_sender),
		WITH_LISTS(test_rows),
		WITH_LISTS(test_damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
