/*
 * DNS lists as such. A row that fails is a list that is asked about somebody
 * else, an error of a list taken for a listing of everybody, or a listing that
 * is overlooked.
 */
#include "tests/unit/fixture.h"
#include "worker/dns.h"
#include "worker/zone.h"

#define LABEL "a23456789.b23456789.c23456789.d23456789.e23456789."

/* RFC 1035 2.3.4: 255 octets with the length of each label and the root's. */
#define TEXT_MOST 253

static char zone_name[NAME_TEXT_MAX + 64];

/* A zone's name of so many octets. */
static char *
name_of(size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		zone_name[i] = i % 60 == 59 && i + 1 < len ? '.' : 'z';
	zone_name[len] = '\0';
	return zone_name;
}

/* --------------------------------------------------------------- questions */

static char usual[] = "dnsbl.example";

static const struct {
	const char *addr, *question;
} addrs[] = {
	{ "192.0.2.1", "1.2.0.192.dnsbl.example" },
	{ "127.0.0.2", "2.0.0.127.dnsbl.example" },
	{ "0.0.0.0", "0.0.0.0.dnsbl.example" },
	{ "255.254.253.252", "252.253.254.255.dnsbl.example" },
	{ "2001:db8::567:89ab",
	    "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0."
	    "8.b.d.0.1.0.0.2.dnsbl.example" },
	{ "fedc:ba98:7654:3210:123:4567:89ab:cdef",
	    "f.e.d.c.b.a.9.8.7.6.5.4.3.2.1.0."
	    "0.1.2.3.4.5.6.7.8.9.a.b.c.d.e.f.dnsbl.example" },
	/* what is IPv4 is asked as such, whatever socket it came by */
	{ "::ffff:192.0.2.1", "1.2.0.192.dnsbl.example" },
	{ "::",
	    "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0."
	    "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.dnsbl.example" },
};

static void
test_addr_questions(void **state)
{
	struct zone z = { .name = usual };
	char got[NAME_TEXT_MAX];
	struct addr a;
	size_t i;

	(void)state;
	for (i = 0; i < NITEMS(addrs); i++) {
		assert_int_equal(addr_parse(&a, addrs[i].addr), 0);
		assert_int_equal(zone_addr_question(got, &z, &a), 0);
		assert_string_equal(got, addrs[i].question);
	}
}

/* RFC 5782 2.4 has the point of IPv6 lists as ::FFFF:7F00:2, in nibbles. */
static void
test_mapped_point(void **state)
{
	struct addr a = { .family = 6,
		.bytes = { [10] = 0xff, 0xff, 127, 0, 0, 2 } };
	struct zone z = { .name = usual };
	char got[NAME_TEXT_MAX];

	(void)state;
	assert_int_equal(zone_addr_question(got, &z, &a), 0);
	assert_string_equal(got,
	    "2.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0."
	    "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.dnsbl.example");
}

static const struct {
	const char *thing; /* an address, or a name */
	size_t zone_len;
	int r;
} lengths[] = {
	{ "1.2.3.4", TEXT_MOST - 8, 0 },
	{ "1.2.3.4", TEXT_MOST - 7, -1 },
	{ "101.102.103.104", TEXT_MOST - 16, 0 },
	{ "101.102.103.104", TEXT_MOST - 15, -1 },
	{ "2001:db8::1", TEXT_MOST - 64, 0 },
	{ "2001:db8::1", TEXT_MOST - 63, -1 },
	{ "2001:db8::1", ZONE_NAME_MAX, 0 },
	{ "255.255.255.255", ZONE_NAME_MAX, 0 },
	{ "mail.example", TEXT_MOST - 13, 0 },
	{ "mail.example", TEXT_MOST - 12, -1 },
	{ LABEL LABEL LABEL LABEL "f2", TEXT_MOST - 203, 0 },
	{ LABEL LABEL LABEL LABEL "f2", TEXT_MOST - 202, -1 },
	{ LABEL LABEL LABEL LABEL "f2", ZONE_NAME_MAX, -1 },
	/* longer than any buffer */
	{ LABEL LABEL LABEL LABEL LABEL "f2", 3, -1 },
	{ "2001:db8::1", NAME_TEXT_MAX + 32, -1 },
	{ "1.2.3.4", NAME_TEXT_MAX + 32, -1 },
};

static void
test_lengths(void **state)
{
	char got[NAME_TEXT_MAX + 1];
	struct zone z;
	struct addr a;
	size_t i;
	int r;

	(void)state;
	memset(&z, 0, sizeof(z));
	for (i = 0; i < NITEMS(lengths); i++) {
		z.name = name_of(lengths[i].zone_len);
		got[NAME_TEXT_MAX] = '!';
		r = addr_parse(&a, lengths[i].thing) == 0 ?
		    zone_addr_question(got, &z, &a) :
		    zone_name_question(got, &z, lengths[i].thing);
		if (r != lengths[i].r)
			fail_msg("%s in a zone of %zu: %d", lengths[i].thing,
			    lengths[i].zone_len, r);
		assert_true(got[NAME_TEXT_MAX] == '!');
		if (r == -1)
			continue;
		assert_true(strlen(got) <= TEXT_MOST);
		assert_string_equal(got + strlen(got) - strlen(z.name), z.name);
	}
}

static const struct {
	const char *name, *question;
} names[] = {
	{ "mail.example.org", "mail.example.org.dnsbl.example" },
	{ "test", "test.dnsbl.example" },
	{ "_a-b.example", "_a-b.example.dnsbl.example" },
};

static void
test_name_questions(void **state)
{
	struct zone z = { .name = usual };
	char got[NAME_TEXT_MAX];
	size_t i;

	(void)state;
	for (i = 0; i < NITEMS(names); i++) {
		assert_int_equal(zone_name_question(got, &z, names[i].name), 0);
		assert_string_equal(got, names[i].question);
	}
}

/* ---------------------------------------------------------------- families */

#define BIT(of) (1u << (of))

static const struct {
	unsigned of;
	bool addrs, names;
} families[] = {
	{ BIT(OF_CLIENT), true, false },
	{ BIT(OF_NAME), false, true },
	{ BIT(OF_HELO), false, true },
	{ BIT(OF_SENDER), false, true },
	{ BIT(OF_CLIENT) | BIT(OF_SENDER), true, true },
	{ BIT(OF_NAME) | BIT(OF_HELO) | BIT(OF_SENDER), false, true },
	{ 0, false, false },
};

static void
test_families(void **state)
{
	struct zone z;
	struct addr a;
	size_t i;

	(void)state;
	memset(&z, 0, sizeof(z));
	for (i = 0; i < NITEMS(families); i++) {
		z.of = families[i].of;
		if (zone_has_family(&z, ZONE_IPV4) != families[i].addrs ||
		    zone_has_family(&z, ZONE_IPV6) != families[i].addrs ||
		    zone_has_family(&z, ZONE_NAMES) != families[i].names)
			fail_msg("row %zu", i);
	}
	assert_int_equal(addr_parse(&a, "192.0.2.1"), 0);
	assert_int_equal(zone_family_of(&a), ZONE_IPV4);
	assert_int_equal(addr_parse(&a, "2001:db8::1"), 0);
	assert_int_equal(zone_family_of(&a), ZONE_IPV6);
}

/* ----------------------------------------------------------------- replies */

/* Something that says in one word which error it is, or NULL: a listing. */
static const struct {
	const char *reply, *word;
	const char *word_of_allows; /* NULL: the same */
} errors[] = {
	{ "0.0.0.0", "rewrites", NULL },
	{ "10.0.0.1", "rewrites", NULL },
	{ "126.255.255.255", "rewrites", NULL },
	{ "127.0.0.0", NULL, NULL },
	{ "127.0.0.1", "refuses this resolver", NULL },
	{ "127.0.0.2", NULL, NULL },
	{ "127.0.0.254", NULL, NULL },
	{ "127.0.0.255", NULL, "allow list refuses" },
	{ "127.0.1.0", NULL, NULL },
	{ "127.0.1.1", NULL, NULL },
	{ "127.0.1.254", NULL, NULL },
	{ "127.0.1.255", "asked for an address", NULL },
	{ "127.0.2.0", NULL, NULL },
	{ "127.1.1.1", NULL, NULL },
	{ "127.255.254.255", NULL, NULL },
	{ "127.255.255.0", "error code", NULL },
	{ "127.255.255.1", "error code", NULL },
	{ "127.255.255.251", "error code", NULL },
	{ "127.255.255.252", "mistyped", NULL },
	{ "127.255.255.253", "error code", NULL },
	{ "127.255.255.254", "public resolvers", NULL },
	{ "127.255.255.255", "too many questions", NULL },
	{ "128.0.0.0", "rewrites", NULL },
	{ "192.0.2.1", "rewrites", NULL },
	{ "255.255.255.255", "rewrites", NULL },
};

static uint32_t
number_of(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(&a, text), 0);
	return (uint32_t)a.bytes[0] << 24 | (uint32_t)a.bytes[1] << 16 |
	    (uint32_t)a.bytes[2] << 8 | a.bytes[3];
}

static void
see_error(const char *reply, bool allows, const char *word)
{
	const char *text = zone_error_text(number_of(reply), allows);

	if ((text == NULL) != (word == NULL) ||
	    (word != NULL && strstr(text, word) == NULL))
		fail_msg("%s: %s", reply, text == NULL ? "a listing" : text);
}

static void
test_errors(void **state)
{
	char text[ZONE_REPLY_MAX];
	const char *word;
	size_t i;

	(void)state;
	for (i = 0; i < NITEMS(errors); i++) {
		see_error(errors[i].reply, false, errors[i].word);
		word = errors[i].word_of_allows;
		see_error(errors[i].reply, true,
		    word != NULL ? word : errors[i].word);
		assert_string_equal(zone_reply_text(number_of(errors[i].reply),
					text),
		    errors[i].reply);
	}
}

/* What counts: every kind of filter, alone and together. */
static struct reply_filter ranges[] = {
	{ false, 0x7f000002, 0x7f00000b, NULL }, /* 127.0.0.2-127.0.0.11 */
	{ false, 0x7f000014, 0x7f000014, NULL }, /* 127.0.0.20 */
	{ false, 0x7f000100, 0x7f0001ff, NULL }, /* 127.0.1.0/24 */
};
static struct reply_filter masks[] = {
	{ true, 0x00000006, 0, NULL }, /* both bits */
};
static struct reply_filter both[] = {
	{ false, 0x7f000014, 0x7f000014, NULL },
	{ true, 0x00000100, 0, NULL },
};

static const struct zone any = { .weight = 1 };
static const struct zone allows = { .weight = -5 };
static const struct zone nothing = { .weight = 0 };
static const struct zone by_range = { .weight = 1,
	.replies = ranges,
	.nreplies = NITEMS(ranges) };
static const struct zone by_mask = { .weight = 1,
	.replies = masks,
	.nreplies = NITEMS(masks) };
static const struct zone by_both = { .weight = 1,
	.replies = both,
	.nreplies = NITEMS(both) };

static const struct {
	const struct zone *zone;
	const char *answers[4]; /* of an answer DNS_FOUND */
	enum zone_reply said;
	const char *reply; /* NULL: none */
} replies[] = {
	{ &any, { "127.0.0.2" }, ZONE_LISTED, "127.0.0.2" },
	{ &any, { "127.0.0.0" }, ZONE_LISTED, "127.0.0.0" },
	{ &any, { "127.9.9.9" }, ZONE_LISTED, "127.9.9.9" },
	{ &any, { "127.0.0.4", "127.0.0.2" }, ZONE_LISTED, "127.0.0.4" },
	{ &nothing, { "127.0.0.2" }, ZONE_LISTED, "127.0.0.2" },
	{ &any, { NULL }, ZONE_CLEAN, NULL },

	/* ranges, single addresses, networks: both ends and beyond */
	{ &by_range, { "127.0.0.2" }, ZONE_LISTED, "127.0.0.2" },
	{ &by_range, { "127.0.0.11" }, ZONE_LISTED, "127.0.0.11" },
	{ &by_range, { "127.0.0.12" }, ZONE_CLEAN, NULL },
	{ &by_range, { "127.0.0.19" }, ZONE_CLEAN, NULL },
	{ &by_range, { "127.0.0.20" }, ZONE_LISTED, "127.0.0.20" },
	{ &by_range, { "127.0.0.21" }, ZONE_CLEAN, NULL },
	{ &by_range, { "127.0.0.255" }, ZONE_CLEAN, NULL },
	{ &by_range, { "127.0.1.0" }, ZONE_LISTED, "127.0.1.0" },
	{ &by_range, { "127.0.1.254" }, ZONE_LISTED, "127.0.1.254" },
	{ &by_range, { "127.0.2.0" }, ZONE_CLEAN, NULL },
	/* the first that counts, not the first */
	{ &by_range, { "127.0.0.99", "127.0.0.3", "127.0.0.4" }, ZONE_LISTED,
	    "127.0.0.3" },

	/* a mask: all of its bits */
	{ &by_mask, { "127.0.0.6" }, ZONE_LISTED, "127.0.0.6" },
	{ &by_mask, { "127.0.0.7" }, ZONE_LISTED, "127.0.0.7" },
	{ &by_mask, { "127.0.3.14" }, ZONE_LISTED, "127.0.3.14" },
	{ &by_mask, { "127.0.0.2" }, ZONE_CLEAN, NULL },
	{ &by_mask, { "127.0.0.4" }, ZONE_CLEAN, NULL },
	{ &by_mask, { "127.0.0.8" }, ZONE_CLEAN, NULL },
	{ &by_mask, { "127.0.0.2", "127.0.0.4" }, ZONE_CLEAN, NULL },
	{ &by_both, { "127.0.0.20" }, ZONE_LISTED, "127.0.0.20" },
	{ &by_both, { "127.0.1.2" }, ZONE_LISTED, "127.0.1.2" },
	{ &by_both, { "127.0.2.2" }, ZONE_CLEAN, NULL },

	/* an error is never a listing, whatever the filters say */
	{ &any, { "127.0.0.1" }, ZONE_ERROR, "127.0.0.1" },
	{ &any, { "127.255.255.254" }, ZONE_ERROR, "127.255.255.254" },
	{ &any, { "192.0.2.7" }, ZONE_ERROR, "192.0.2.7" },
	{ &nothing, { "192.0.2.7" }, ZONE_ERROR, "192.0.2.7" },
	{ &by_range, { "127.0.1.255" }, ZONE_ERROR, "127.0.1.255" },
	{ &by_mask, { "127.255.255.255" }, ZONE_ERROR, "127.255.255.255" },
	{ &by_mask, { "6.6.6.6" }, ZONE_ERROR, "6.6.6.6" },
	/* and it spoils the others, before it and behind it */
	{ &any, { "127.0.0.2", "127.0.0.1" }, ZONE_ERROR, "127.0.0.1" },
	{ &any, { "127.0.0.1", "127.0.0.2" }, ZONE_ERROR, "127.0.0.1" },
	{ &any, { "127.0.0.2", "127.0.0.3", "127.255.255.255", "127.0.0.1" },
	    ZONE_ERROR, "127.255.255.255" },
	{ &by_range, { "127.0.0.99", "10.0.0.1" }, ZONE_ERROR, "10.0.0.1" },

	/* one more error of allow lists */
	{ &any, { "127.0.0.255" }, ZONE_LISTED, "127.0.0.255" },
	{ &allows, { "127.0.0.255" }, ZONE_ERROR, "127.0.0.255" },
	{ &allows, { "127.0.0.254" }, ZONE_LISTED, "127.0.0.254" },
	{ &allows, { "127.0.10.3", "127.0.0.255" }, ZONE_ERROR, "127.0.0.255" },
};

static void
test_replies(void **state)
{
	struct dns_answer a;
	enum zone_reply said;
	uint32_t reply;
	size_t i;

	(void)state;
	for (i = 0; i < NITEMS(replies); i++) {
		memset(&a, 0, sizeof(a));
		a.state = DNS_FOUND;
		while (a.n < NITEMS(replies[i].answers) &&
		    replies[i].answers[a.n] != NULL) {
			addr_parse(&a.addrs[a.n], replies[i].answers[a.n]);
			a.n++;
		}
		reply = 0xdeadbeef;
		said = zone_reply(replies[i].zone, &a, &reply);
		if (said != replies[i].said ||
		    reply !=
			(replies[i].reply == NULL ?
				0 :
				number_of(replies[i].reply)))
			fail_msg("row %zu: %d, %08x", i, said, reply);
	}
}

/* An answer with as many addresses as are kept, an error the last of them. */
static void
test_full_answer(void **state)
{
	struct dns_answer a;
	uint32_t reply;
	size_t i;

	(void)state;
	memset(&a, 0, sizeof(a));
	a.state = DNS_FOUND;
	for (i = 0; i < DNS_ADDRS; i++)
		addr_parse(&a.addrs[i], "127.0.0.2");
	a.n = DNS_ADDRS;
	assert_int_equal(zone_reply(&any, &a, &reply), ZONE_LISTED);
	addr_parse(&a.addrs[DNS_ADDRS - 1], "127.0.0.1");
	assert_int_equal(zone_reply(&any, &a, &reply), ZONE_ERROR);
	assert_int_equal(reply, number_of("127.0.0.1"));

	/* What was not kept could be a listing, unless one is there. */
	for (i = 0; i < DNS_ADDRS; i++)
		addr_parse(&a.addrs[i], "127.0.0.99");
	assert_int_equal(zone_reply(&by_range, &a, &reply), ZONE_CLEAN);
	a.more = true;
	assert_int_equal(zone_reply(&by_range, &a, &reply), ZONE_UNKNOWN);
	addr_parse(&a.addrs[0], "127.0.0.2");
	assert_int_equal(zone_reply(&by_range, &a, &reply), ZONE_LISTED);
}

static const struct {
	enum dns_state state;
	enum zone_reply said;
} states[] = {
	{ DNS_NONE, ZONE_CLEAN },
	{ DNS_UNKNOWN, ZONE_UNKNOWN },
	{ DNS_ASKED, ZONE_UNKNOWN },
};

static void
test_states(void **state)
{
	struct dns_answer a;
	uint32_t reply;
	size_t i;

	(void)state;
	memset(&a, 0, sizeof(a));
	a.n = 1; /* left over; it does not count */
	addr_parse(&a.addrs[0], "127.0.0.2");
	for (i = 0; i < NITEMS(states); i++) {
		a.state = states[i].state;
		reply = 1;
		assert_int_equal(zone_reply(&any, &a, &reply), states[i].said);
		assert_int_equal(reply, 0);
	}
}

static void
test_words(void **state)
{
	(void)state;
	assert_string_equal(zone_family_name(ZONE_IPV4), "ipv4");
	assert_string_equal(zone_family_name(ZONE_IPV6), "ipv6");
	assert_string_equal(zone_family_name(ZONE_NAMES), "name");
	assert_string_equal(zone_of_name(OF_CLIENT), "client");
	assert_string_equal(zone_of_name(OF_NAME), "name");
	assert_string_equal(zone_of_name(OF_HELO), "helo");
	assert_string_equal(zone_of_name(OF_SENDER), "sender");
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addr_questions),
		cmocka_unit_test(test_mapped_point),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_name_questions),
		cmocka_unit_test(test_families),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_replies),
		cmocka_unit_test(test_full_answer),
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
