/*
 * Mail domains: what MX, A and AAAA come to together, and the parser of MX
 * records. A row that fails is mail refused for good on what was not found
 * out, or a domain taken for one that gets no mail.
 */
#include "tests/unit/fixture.h"
#include "worker/maildom.h"

static const struct {
	enum dns_state mx;
	bool null_mx;
	enum dns_state a, aaaa;
	enum maildom_state state;
} rows[] = {
	/* mail hosts decide by themselves */
	{ DNS_FOUND, false, DNS_ASKED, DNS_ASKED, MAILDOM_GOOD },
	{ DNS_FOUND, false, DNS_NONE, DNS_NONE, MAILDOM_GOOD },
	{ DNS_FOUND, false, DNS_UNKNOWN, DNS_UNKNOWN, MAILDOM_GOOD },
	{ DNS_FOUND, true, DNS_ASKED, DNS_ASKED, MAILDOM_NULL_MX },
	{ DNS_FOUND, true, DNS_FOUND, DNS_FOUND, MAILDOM_NULL_MX },
	{ DNS_ASKED, false, DNS_FOUND, DNS_NONE, MAILDOM_ASKED },
	{ DNS_ASKED, false, DNS_NONE, DNS_NONE, MAILDOM_ASKED },
	{ DNS_UNKNOWN, false, DNS_FOUND, DNS_FOUND, MAILDOM_UNKNOWN },
	{ DNS_UNKNOWN, false, DNS_NONE, DNS_NONE, MAILDOM_UNKNOWN },
	/* without any, one address will do */
	{ DNS_NONE, false, DNS_FOUND, DNS_ASKED, MAILDOM_GOOD },
	{ DNS_NONE, false, DNS_ASKED, DNS_FOUND, MAILDOM_GOOD },
	{ DNS_NONE, false, DNS_UNKNOWN, DNS_FOUND, MAILDOM_GOOD },
	{ DNS_NONE, false, DNS_ASKED, DNS_NONE, MAILDOM_ASKED },
	{ DNS_NONE, false, DNS_UNKNOWN, DNS_ASKED, MAILDOM_ASKED },
	{ DNS_NONE, false, DNS_NONE, DNS_UNKNOWN, MAILDOM_UNKNOWN },
	{ DNS_NONE, false, DNS_UNKNOWN, DNS_NONE, MAILDOM_UNKNOWN },
	{ DNS_NONE, false, DNS_NONE, DNS_NONE, MAILDOM_NONE },
};

static void
test_states(void **state)
{
	struct maildom m;
	size_t i;

	(void)state;
	for (i = 0; i < NITEMS(rows); i++) {
		memset(&m, 0, sizeof(m));
		m.mx = rows[i].mx;
		m.null_mx = rows[i].null_mx;
		m.a = rows[i].a;
		m.aaaa = rows[i].aaaa;
		if (maildom_state(&m) != rows[i].state)
			fail_msg("row %zu: %d", i, (int)maildom_state(&m));
		maildom_settle(&m);
		assert_int_not_equal(maildom_state(&m), MAILDOM_ASKED);
		if (rows[i].state == MAILDOM_ASKED)
			assert_in_range(maildom_state(&m), MAILDOM_UNKNOWN,
			    MAILDOM_UNKNOWN);
	}
	assert_int_equal(maildom_state(&maildom_nothing), MAILDOM_GOOD);
	assert_int_equal(maildom_state(&maildom_asked), MAILDOM_ASKED);
	memset(&m, 0, sizeof(m)); /* no resolver at all */
	maildom_ask(&m, NULL, "a.example");
	assert_int_equal(maildom_state(&m), MAILDOM_UNKNOWN);
}

/* A question for x, MX, and so many answers. */
#define HEAD(n) "\0\1\x81\x80\0\1\0" n "\0\0\0\0\1x\0\0\x0f\0\1"
#define RR(len) "\xc0\x0c\0\x0f\0\1\0\0\0\x3c\0" len
#define RR_A	"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x7f\0\0\1"

#define PACKET(text) text, sizeof(text) - 1

static const struct {
	const char *octets;
	size_t len;
	bool good; /* an answer; else it is none, or cannot be read */
	unsigned n;
	bool names_host;
} packets[] = {
	{ PACKET(HEAD("\1") RR("\5") "\0\x0a\1m\0"), true, 1, true },
	{ PACKET(HEAD("\1") RR("\3") "\0\0\0"), true, 1, false },
	{ PACKET(HEAD("\1") RR("\3") "\0\x0a\0"), true, 1, false },
	{ PACKET(HEAD("\1") RR("\4") "\0\0\xc0\x0c"), true, 1, true },
	{ PACKET(HEAD("\2") RR("\3") "\0\0\0" RR("\5") "\0\1\1m\0"), true, 2,
	    true },
	{ PACKET(HEAD("\2") RR("\2") "\0\0" RR("\5") "\0\1\1m\0"), true, 1,
	    true },
	{ PACKET(HEAD("\2") RR_A RR("\3") "\0\0\0"), true, 1, false },
	/* a host whose name can be none: it is not kept, but it is one */
	{ PACKET(HEAD("\1") RR("\5") "\0\1\1 \0"), true, 0, true },
	{ PACKET(HEAD("\2") RR("\5") "\0\1\1 \0" RR("\5") "\0\1\1m\0"), true, 1,
	    true },
	{ PACKET(HEAD("\0")), false, 0, false },
	{ PACKET(HEAD("\1") RR_A), false, 0, false },
	{ PACKET(HEAD("\1") RR("\0")), false, 0, false },
	{ PACKET(HEAD("\1") RR("\2") "\0\0"), false, 0, false },
	{ PACKET(HEAD("\1") RR("\4") "\0\0\0\0"), false, 0, false },
	{ PACKET(HEAD("\1") RR("\4") "\0\0\1m"), false, 0, false },
	{ PACKET(HEAD("\1") RR("\5") "\0\0\3m\0"), false, 0, false },
	{ PACKET(HEAD("\1") RR("\4") "\0\0\xc0\xff"), false, 0, false },
	{ PACKET(HEAD("\1") RR("\x09") "\0\0\0"), false, 0, false },
};

static void
test_records(void **state)
{
	struct dns_answer a;
	size_t i;
	int r;

	(void)state;
	for (i = 0; i < NITEMS(packets); i++) {
		memset(&a, 0, sizeof(a));
		r = dns_parse_packet((const unsigned char *)packets[i].octets,
		    packets[i].len, 15, &a);
		if ((r == 0) != packets[i].good)
			fail_msg("packet %zu: %d", i, r);
		if (!packets[i].good)
			continue;
		assert_int_equal(a.n, packets[i].n);
		assert_int_equal(a.names_host, packets[i].names_host);
	}
}

/* Of more mail hosts than are kept, the preferred ones are. */
static void
test_preferences(void **state)
{
	static const unsigned char head[] = HEAD("\14");
	static const unsigned char order[12] = { 9, 4, 12, 1, 8, 3, 11, 2, 7, 5,
		10, 6 };

	unsigned char packet[400], *p = packet;
	struct dns_answer a;
	unsigned i, seen = 0;

	(void)state;
	memcpy(p, head, sizeof(head) - 1);
	p += sizeof(head) - 1;
	for (i = 0; i < NITEMS(order); i++) {
		memcpy(p, RR("\5") "\1\0\1x\0", 17);
		p[13] = order[i];
		p[15] = (unsigned char)('a' + order[i]);
		p += 17;
	}
	assert_int_equal(dns_parse_packet(packet, (size_t)(p - packet), 15, &a),
	    0);
	assert_int_equal(a.n, DNS_NAMES);
	assert_true(a.more);
	for (i = 0; i < a.n; i++) {
		assert_in_range(a.preferences[i], 0x101, 0x108);
		assert_int_equal(a.names[i][0], 'a' + a.preferences[i] - 0x100);
		seen |= 1u << (a.preferences[i] - 0x101);
	}
	assert_int_equal(seen, 0xff);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_records),
		cmocka_unit_test(test_preferences),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
