/*
 * What is asked of DNS lists, and what is told of them. A row that fails is a
 * client who is told nonsense, a key of a list shown to it, or a list that is
 * asked although it is out of service.
 */
#include "tests/unit/fixture.h"
#include "worker/dnsbl.h"
#include "worker/slot.h"
#include "worker/zone_health.h"

#define ZONES 4

static char names[ZONES][32], shown[ZONES][32], texts[ZONES][DNSBL_WORDS_MAX];
static struct zone zones[ZONES];
static struct settings set = { .zones = zones, .nzones = ZONES };
static struct state shared;
static struct clients *counts;
static struct dnsbl lists;
static unsigned alarms;

static void
alarm_master(void *arg)
{
	(void)arg;
	alarms++;
}

static int
setup(void **state)
{
	size_t i;

	(void)state;
	memset(zones, 0, sizeof(zones));
	memset(&shared, 0, sizeof(shared));
	memset(&lists, 0, sizeof(lists));
	memset(texts, 0, sizeof(texts));
	if ((counts = aligned_alloc(64, sizeof(*counts))) == NULL)
		return -1;
	memset(counts, 0, sizeof(*counts));
	for (i = 0; i < ZONES; i++) {
		snprintf(names[i], sizeof(names[i]), "key%zu.example", i);
		snprintf(shown[i], sizeof(shown[i]), "shown%zu.example", i);
		zones[i].name = names[i];
		zones[i].show_as = shown[i];
		zones[i].text = texts[i];
		zones[i].mode = MODE_ON;
		zones[i].weight = 1;
		zones[i].of = 1u << OF_CLIENT;
		zones[i].entry = (unsigned)i;
	}
	lists.set = &set;
	lists.state = &shared;
	lists.clients = counts;
	lists.alarm = alarm_master;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	dnsbl_free(&lists);
	free(counts);
	return 0;
}

static void
begin(const char *client)
{
	struct addr a;

	assert_int_equal(addr_parse(&a, client), 0);
	assert_int_equal(dnsbl_begin(&lists, NULL, &a), 0);
}

static struct listing *
listing(size_t zone, enum zone_of of)
{
	return &lists.listings[zone * OF_COUNT + of];
}

/* ------------------------------------------------------------------ words */

#define X10 "xxxxxxxxxx"
#define X95 X10 X10 X10 X10 X10 X10 X10 X10 X10 "xxxxx"

static const struct {
	const char *text;  /* of the zone; "": none */
	enum zone_of of;   /* what was listed */
	const char *txt;   /* of the zone's TXT record; NULL: none came */
	const char *words; /* what is said */
} words[] = {
	{ "", OF_CLIENT, NULL, "your address is listed by shown0.example" },
	{ "", OF_NAME, NULL,
	    "the name of your address is listed by shown0.example" },
	{ "", OF_HELO, NULL, "your HELO name is listed by shown0.example" },
	{ "", OF_SENDER, NULL,
	    "the domain of the sender is listed by shown0.example" },
	{ "go away", OF_CLIENT, NULL, "go away" },
	{ "see https://$zone/?$ip", OF_CLIENT, NULL,
	    "see https://shown0.example/?192.0.2.1" },
	{ "$ip", OF_SENDER, NULL, "192.0.2.1" },
	{ "$txt", OF_CLIENT, "spam source", "spam source" },
	{ "$zone: $txt", OF_CLIENT, "", "shown0.example: " },
	{ "$zone: $txt", OF_CLIENT, NULL, "shown0.example: " },
	{ "<$txt$txt>", OF_CLIENT, "ab", "<abab>" },
	/* what a list says is no template */
	{ "$txt", OF_CLIENT, "$ip $zone $$", "$ip $zone $$" },
	{ "100 $$ off", OF_CLIENT, NULL, "100 $ off" },
	{ "$$$$", OF_CLIENT, NULL, "$$" },
	{ "$$ip", OF_CLIENT, NULL, "$ip" },
	{ "$$$ip", OF_CLIENT, NULL, "$192.0.2.1" },
	{ "$ips $zones", OF_CLIENT, NULL, "192.0.2.1s shown0.examples" },
	{ "$ip$zone", OF_CLIENT, NULL, "192.0.2.1shown0.example" },
	/* cut where there is no room */
	{ X95 X95 X95 X95 "$zone", OF_CLIENT, NULL,
	    X95 X95 X95 X95 "shown0.example" },
	{ X95 X95 X95 X95 X10 "$zone", OF_CLIENT, NULL,
	    X95 X95 X95 X95 X10 "shown0.ex" },
	{ X95 X95 X95 X95 X10 "$zone and on", OF_CLIENT, NULL,
	    X95 X95 X95 X95 X10 "shown0.ex" },
	{ X95 X95 X95 X95 X10 "$ip.and", OF_CLIENT, NULL,
	    X95 X95 X95 X95 X10 "192.0.2.1" },
	{ "$txt$txt$txt$txt$txt", OF_CLIENT, X95,
	    X95 X95 X95 X95 X10 "xxxxxxxxx" },
};

static void
test_words(void **state)
{
	const char *got;
	size_t i;

	(void)state;
	begin("192.0.2.1");
	for (i = 0; i < NITEMS(words); i++) {
		strlcpy(texts[0], words[i].text, sizeof(texts[0]));
		lists.text_of = NULL;
		strlcpy(lists.text, "of another", sizeof(lists.text));
		if (words[i].txt != NULL) {
			lists.text_of = listing(0, words[i].of);
			strlcpy(lists.text, words[i].txt, sizeof(lists.text));
		}
		got = dnsbl_words(&lists, listing(0, words[i].of));
		if (strcmp(got, words[i].words) != 0)
			fail_msg("%s: %s", words[i].text, got);
		assert_true(strlen(got) < DNSBL_WORDS_MAX);
	}
}

static void
test_words_ipv6(void **state)
{
	(void)state;
	begin("2001:db8::1");
	strlcpy(texts[0], "[$ip]", sizeof(texts[0]));
	assert_string_equal(dnsbl_words(&lists, listing(0, OF_CLIENT)),
	    "[2001:db8::1]");
}

/* TXT is asked for only where it is going to be spoken, and once. */
static void
test_ask_text(void **state)
{
	(void)state;
	begin("192.0.2.1");
	strlcpy(texts[0], "$zone", sizeof(texts[0]));
	assert_false(dnsbl_ask_text(&lists, listing(0, OF_CLIENT)));
	assert_null(lists.text_of);
	/* without DNS there is nothing to wait for */
	strlcpy(texts[0], "$txt", sizeof(texts[0]));
	strlcpy(lists.text, "of another", sizeof(lists.text));
	assert_false(dnsbl_ask_text(&lists, listing(0, OF_CLIENT)));
	assert_string_equal(dnsbl_words(&lists, listing(0, OF_CLIENT)), "");
}

static const struct {
	const char *text, *word; /* NULL: nothing is wrong */
} wrongs[] = {
	{ "", NULL },
	{ "go away", NULL },
	{ "$ip $zone $txt $$", NULL },
	{ "$ip$zone$txt$$", NULL },
	{ "$$$$", NULL },
	{ "$$name", NULL },
	{ "$ips", NULL },
	{ "~ !", NULL },
	{ "$", "after $" },
	{ "$$$", "after $" },
	{ "costs 5$", "after $" },
	{ "$ ip", "after $" },
	{ "$IP", "after $" },
	{ "$name", "after $" },
	{ "$zon", "after $" },
	{ "$i", "after $" },
	{ "a\tb", "printable" },
	{ "a\r\nb", "printable" },
	{ "a\x7f", "printable" },
	{ "gr\xc3\xbc\xc3\x9f", "printable" },
	{ X95 X95 X95 X95 X10 "xxxxxxxxx", NULL }, /* 399 */
	{ X95 X95 X95 X95 X10 X10, "too long" },   /* 400 */
	{ X95 X95 X95 X95 X10 "xxxxx$txt", NULL },
	{ X95 X95 X95 X95 X10 "xxxxxx$txt", "too long" },
};

static void
test_words_wrong(void **state)
{
	const char *got;
	size_t i;

	(void)state;
	for (i = 0; i < NITEMS(wrongs); i++) {
		got = dnsbl_words_wrong(wrongs[i].text);
		if ((got == NULL) != (wrongs[i].word == NULL) ||
		    (got != NULL && strstr(got, wrongs[i].word) == NULL))
			fail_msg("%s: %s", wrongs[i].text,
			    got == NULL ? "good" : got);
	}
}

/* -------------------------------------------------------------- for the log */

static void
list(size_t zone, enum zone_of of, uint32_t reply)
{
	listing(zone, of)->state = LISTING_FOUND;
	listing(zone, of)->reply = reply;
}

static const struct {
	enum test_mode least;
	const char *head;
	size_t size;
	const char *text;
} tellings[] = {
	{ MODE_WARN, "", 400,
	    "shown0.example:127.0.0.2,shown1.example:127.0.0.4,"
	    "shown3.example:127.0.0.9" },
	{ MODE_ON, "", 400,
	    "shown0.example:127.0.0.2,shown3.example:127.0.0.9" },
	{ MODE_ON, "dnsbl:", 400,
	    "dnsbl:shown0.example:127.0.0.2,dnsbl:shown3.example:127.0.0.9" },
	{ MODE_ON, "", 25, "shown0.example:127.0.0.2" },
	{ MODE_ON, "", 26, "shown0.example:127.0.0.2," },
	{ MODE_ON, "", 8, "shown0." },
	{ MODE_ON, "", 1, "" },
};

static void
test_listed(void **state)
{
	char buf[400];
	size_t i;

	(void)state;
	zones[1].mode = MODE_WARN;
	begin("192.0.2.1");
	assert_string_equal(dnsbl_listed(&lists, MODE_WARN, "", buf,
				sizeof(buf)),
	    "");
	list(0, OF_CLIENT, 0x7f000002);
	list(0, OF_SENDER, 0x7f000003); /* a zone is told once */
	list(1, OF_NAME, 0x7f000004);
	list(3, OF_HELO, 0x7f000009);
	for (i = 0; i < NITEMS(tellings); i++) {
		memset(buf, '!', sizeof(buf));
		dnsbl_listed(&lists, tellings[i].least, tellings[i].head, buf,
		    tellings[i].size);
		assert_string_equal(buf, tellings[i].text);
	}
}

/* ------------------------------------------------------------------- asking */

/*
 * Who is asked: without DNS an answer is unknown at once, so LISTING_UNKNOWN
 * shows the question, and LISTING_NONE that there was none.
 */
static const struct {
	const char *what;
	enum test_mode mode;
	unsigned of;
	int out; /* a family out of service, or -1 */
	const char *client;
	enum zone_of thing;
	enum listing_state state;
} asked[] = {
	{ "a zone", MODE_ON, 1u << OF_CLIENT, -1, "192.0.2.1", OF_CLIENT,
	    LISTING_UNKNOWN },
	{ "in mode warn", MODE_WARN, 1u << OF_CLIENT, -1, "192.0.2.1",
	    OF_CLIENT, LISTING_UNKNOWN },
	{ "that is off", MODE_OFF, 1u << OF_CLIENT, -1, "192.0.2.1", OF_CLIENT,
	    LISTING_NONE },
	{ "of names", MODE_ON, 1u << OF_HELO, -1, "192.0.2.1", OF_CLIENT,
	    LISTING_NONE },
	{ "of names, about one", MODE_ON, 1u << OF_HELO, -1, "192.0.2.1",
	    OF_HELO, LISTING_UNKNOWN },
	{ "of other names", MODE_ON, 1u << OF_HELO, -1, "192.0.2.1", OF_SENDER,
	    LISTING_NONE },
	{ "out for IPv4", MODE_ON, 1u << OF_CLIENT, ZONE_IPV4, "192.0.2.1",
	    OF_CLIENT, LISTING_NONE },
	{ "out for IPv6, IPv4 asked", MODE_ON, 1u << OF_CLIENT, ZONE_IPV6,
	    "192.0.2.1", OF_CLIENT, LISTING_UNKNOWN },
	{ "out for IPv6", MODE_ON, 1u << OF_CLIENT, ZONE_IPV6, "2001:db8::1",
	    OF_CLIENT, LISTING_NONE },
	{ "out for names", MODE_ON, 1u << OF_SENDER, ZONE_NAMES, "192.0.2.1",
	    OF_SENDER, LISTING_NONE },
	{ "out for addresses, a name asked", MODE_ON,
	    1u << OF_CLIENT | 1u << OF_SENDER, ZONE_IPV4, "192.0.2.1",
	    OF_SENDER, LISTING_UNKNOWN },
};

static void
test_asked(void **state)
{
	enum listing_state got;
	struct addr a;
	size_t i;

	(void)state;
	set.nzones = 1;
	for (i = 0; i < NITEMS(asked); i++) {
		memset(&shared, 0, sizeof(shared));
		zones[0].mode = asked[i].mode;
		zones[0].of = asked[i].of;
		if (asked[i].out != -1)
			zone_set_out(&shared, 0, (enum zone_family)asked[i].out,
			    true);
		begin(asked[i].client);
		if (asked[i].thing != OF_CLIENT)
			dnsbl_ask(&lists, asked[i].thing, "mail.example");
		got = dnsbl_listing(&lists, 0, asked[i].thing)->state;
		if (got != asked[i].state)
			fail_msg("%s: %d", asked[i].what, got);
		assert_int_equal(addr_parse(&a, asked[i].client), 0);
		assert_int_equal(dnsbl_is_wanted(&set, &shared, &a,
				     1u << asked[i].thing),
		    asked[i].state == LISTING_UNKNOWN);
	}
	set.nzones = ZONES;
	assert_int_equal(alarms, 0);
}

/* What is known at the connection, and what is to come. */
static void
test_begin(void **state)
{
	(void)state;
	zones[0].of = 1u << OF_CLIENT | 1u << OF_NAME | 1u << OF_HELO |
	    1u << OF_SENDER;
	begin("192.0.2.1");
	assert_int_equal(listing(0, OF_CLIENT)->state, LISTING_UNKNOWN);
	assert_int_equal(listing(0, OF_NAME)->state, LISTING_ASKED);
	assert_int_equal(listing(0, OF_HELO)->state, LISTING_LATER);
	assert_int_equal(listing(0, OF_SENDER)->state, LISTING_LATER);
	assert_int_equal(listing(1, OF_HELO)->state, LISTING_NONE);
	dnsbl_settle(&lists);
	assert_int_equal(listing(0, OF_NAME)->state, LISTING_UNKNOWN);
	assert_int_equal(listing(0, OF_HELO)->state, LISTING_LATER);
	assert_int_equal(listing(1, OF_HELO)->state, LISTING_NONE);
}

static const struct {
	const char *name; /* NULL: unknown */
	enum listing_state state;
	const char *kept;
} things[] = {
	{ "mail.example.org", LISTING_UNKNOWN, "mail.example.org" },
	{ "MAIL.Example.ORG", LISTING_UNKNOWN, "mail.example.org" },
	{ "_a.example", LISTING_UNKNOWN, "_a.example" },
	{ NULL, LISTING_UNKNOWN, "" },
	{ "", LISTING_NONE, "" },
	{ "localhost", LISTING_NONE, "" },
	{ "[192.0.2.1]", LISTING_NONE, "" },
	{ "[IPv6:2001:db8::1]", LISTING_NONE, "" },
	{ "a..example", LISTING_NONE, "" },
	{ ".example", LISTING_NONE, "" },
	{ "example.", LISTING_NONE, "" },
	{ "a b.example", LISTING_NONE, "" },
};

static void
test_things(void **state)
{
	enum listing_state got;
	size_t i;

	(void)state;
	zones[0].of = 1u << OF_HELO;
	for (i = 0; i < NITEMS(things); i++) {
		begin("192.0.2.1");
		dnsbl_ask(&lists, OF_HELO, things[i].name);
		got = listing(0, OF_HELO)->state;
		if (got != things[i].state ||
		    strcmp(lists.names[OF_HELO], things[i].kept) != 0)
			fail_msg("%s: %d, %s", things[i].name, got,
			    lists.names[OF_HELO]);
	}
}

/* The same name again keeps its answer; another is asked about anew. */
static void
test_anew(void **state)
{
	(void)state;
	zones[0].of = 1u << OF_SENDER;
	begin("192.0.2.1");
	dnsbl_ask(&lists, OF_SENDER, "one.example");
	list(0, OF_SENDER, 0x7f000002);
	dnsbl_ask(&lists, OF_SENDER, "ONE.example");
	assert_int_equal(listing(0, OF_SENDER)->state, LISTING_FOUND);
	dnsbl_ask(&lists, OF_SENDER, "two.example");
	assert_int_equal(listing(0, OF_SENDER)->state, LISTING_UNKNOWN);
	list(0, OF_SENDER, 0x7f000002);
	dnsbl_ask(&lists, OF_SENDER, ""); /* the null sender has no domain */
	assert_int_equal(listing(0, OF_SENDER)->state, LISTING_NONE);
	dnsbl_ask(&lists, OF_SENDER, "two.example");
	assert_int_equal(listing(0, OF_SENDER)->state, LISTING_UNKNOWN);
}

/* A name that with the zone's is too long for DNS is in no list. */
static void
test_too_long(void **state)
{
	static const char head[] = X10 X10 X10 X10 X10 X10 ".";
	char name[NAME_TEXT_MAX];
	size_t len;

	(void)state;
	zones[0].of = 1u << OF_HELO;
	for (len = 235; len < 250; len++) {
		snprintf(name, sizeof(name), "%s%s%s%s", head, head, head,
		    head);
		name[len - 8] = '\0';
		strlcat(name, ".example", sizeof(name));
		begin("192.0.2.1");
		dnsbl_ask(&lists, OF_HELO, name);
		assert_int_equal(listing(0, OF_HELO)->state,
		    len + 1 + strlen(zones[0].name) <= 253 ? LISTING_UNKNOWN :
							     LISTING_NONE);
	}
}

#define WITH_ZONES(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		WITH_ZONES(test_words),
		WITH_ZONES(test_words_ipv6),
		WITH_ZONES(test_ask_text),
		WITH_ZONES(test_words_wrong),
		WITH_ZONES(test_listed),
		WITH_ZONES(test_asked),
		WITH_ZONES(test_begin),
		WITH_ZONES(test_things),
		WITH_ZONES(test_anew),
		WITH_ZONES(test_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
