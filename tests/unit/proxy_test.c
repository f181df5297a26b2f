/*
 * PROXY headers. A failure is a client that takes the address of another, or
 * a proxy that is shut out.
 */
#include "tests/unit/fixture.h"
#include "worker/proxy.h"

#define LONGEST_V4 "PROXY TCP4 255.255.255.254 255.255.255.255 65535 65535\r\n"
#define LONGEST_V6                                                             \
	"PROXY TCP6 2222:2222:2222:2222:2222:2222:2222:2222 "                  \
	"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"
#define A10 "aaaaaaaaaa"
#define A90 A10 A10 A10 A10 A10 A10 A10 A10 A10

#define SIGN "\r\n\r\n\0\r\nQUIT\n"
#define V4                                                                     \
	"\300\0\2\1"                                                           \
	"\306\063\144\2"                                                       \
	"\x30\x39"                                                             \
	"\0\x19"
#define V6S "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"
#define V6D "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\2"
#define PORTS                                                                  \
	"\x30\x39"                                                             \
	"\0\x19"
#define MAP "\0\0\0\0\0\0\0\0\0\0\xff\xff"

/* A literal and its length, without the NUL behind it. */
#define ROW(text) text, sizeof(text) - 1
#define WRONG	  PROXY_WRONG, NULL, 0, NULL
#define LOCAL	  PROXY_DONE, NULL, 0, NULL

static const struct {
	const char *octets;
	size_t len;
	enum proxy_state state;
	const char *source; /* NULL: the proxy itself */
	uint16_t port;
	const char *destination;
} rows[] = {
	/* Version 1. */
	{ ROW("PROXY TCP4 192.0.2.1 198.51.100.2 12345 25\r\n"), PROXY_DONE,
	    "192.0.2.1", 12345, "198.51.100.2" },
	{ ROW("PROXY TCP4 1.1.1.1 2.2.2.2 0 0\r\n"), PROXY_DONE, "1.1.1.1", 0,
	    "2.2.2.2" },
	{ ROW(LONGEST_V4), PROXY_DONE, "255.255.255.254", 65535,
	    "255.255.255.255" },
	{ ROW("PROXY TCP6 2001:db8::1 2001:db8::2 1 25\r\n"), PROXY_DONE,
	    "2001:db8::1", 1, "2001:db8::2" },
	{ ROW(LONGEST_V6), PROXY_DONE,
	    "2222:2222:2222:2222:2222:2222:2222:2222", 65535,
	    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
	{ ROW("PROXY TCP6 ::ffff:192.0.2.1 ::ffff:198.51.100.2 1 2\r\n"),
	    PROXY_DONE, "192.0.2.1", 1, "198.51.100.2" },
	{ ROW("PROXY UNKNOWN\r\n"), LOCAL },
	{ ROW("PROXY UNKNOWN \r\n"), LOCAL },
	{ ROW("PROXY UNKNOWN ffff::1 \0\x80  1 2\r\n"), LOCAL },
	{ ROW("PROXY UNKNOWN " A90 "a\r\n"), LOCAL },

	{ ROW("PROXY UNKNOWN " A90 "aa\r\n"), WRONG },
	{ ROW("PROXY UNKNOWN " A90 A10), WRONG },
	{ ROW("PROXY UNKNOWNX\r\n"), WRONG },
	{ ROW("PROXY UNKNOW\r\n"), WRONG },
	{ ROW("PROXY \r\n"), WRONG },
	{ ROW("PROXY\r\n"), WRONG },
	{ ROW("proxy UNKNOWN\r\n"), WRONG },
	{ ROW("PROXY unknown\r\n"), WRONG },
	{ ROW("PROXY tcp4 1.1.1.1 2.2.2.2 1 2\r\n"), WRONG },
	{ ROW("PROXY UDP4 1.1.1.1 2.2.2.2 1 2\r\n"), WRONG },
	{ ROW("PROXY  TCP4 1.1.1.1 2.2.2.2 1 2\r\n"), WRONG },
	{ ROW("PROXY TCP4  1.1.1.1 2.2.2.2 1 2\r\n"), WRONG },
	{ ROW("PROXY TCP4 1.1.1.1 2.2.2.2 1  2\r\n"), WRONG },
	{ ROW("PROXY TCP4 1.1.1.1 2.2.2.2 1 2 \r\n"), WRONG },
	{ ROW("PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n"), WRONG },
	{ ROW("PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n"), WRONG },
	{ ROW("PROXY TCP4 1.1.1.1 2.2.2.2\r\n"), WRONG },
	{ ROW("PROXY TCP4 1.1.1.1\r\n"), WRONG },
	{ ROW("PROXY TCP4\r\n"), WRONG },
	{ ROW("PROXY TCP4\t1.1.1.1 2.2.2.2 1 2\r\n"), WRONG },
	{ ROW("PROXY TCP4 01.1.1.1 2.2.2.2 1 2\r\n"), WRONG },
	{ ROW("PROXY TCP4 1.1.1 2.2.2.2 1 2\r\n"), WRONG },
	{ ROW("PROXY TCP4 1.1.1.256 2.2.2.2 1 2\r\n"), WRONG },
	{ ROW("PROXY TCP4 1.1.1.1\0 2.2.2.2 1 2\r\n"), WRONG },
	{ ROW("PROXY TCP4 1.1.1.1 2.2.2.x 1 2\r\n"), WRONG },
	{ ROW("PROXY TCP4 1.1.1.1 2.2.2.2 01 2\r\n"), WRONG },
	{ ROW("PROXY TCP4 1.1.1.1 2.2.2.2 65536 2\r\n"), WRONG },
	{ ROW("PROXY TCP4 1.1.1.1 2.2.2.2 1 65536\r\n"), WRONG },
	{ ROW("PROXY TCP4 1.1.1.1 2.2.2.2 100000 2\r\n"), WRONG },
	{ ROW("PROXY TCP4 1.1.1.1 2.2.2.2 +1 2\r\n"), WRONG },
	{ ROW("PROXY TCP4 1.1.1.1 2.2.2.2 -1 2\r\n"), WRONG },
	{ ROW("PROXY TCP4 1.1.1.1 2.2.2.2 1x 2\r\n"), WRONG },
	{ ROW("PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n"), WRONG },
	{ ROW("PROXY TCP4 ::ffff:1.1.1.1 2.2.2.2 1 2\r\n"), WRONG },
	{ ROW("PROXY TCP6 1.1.1.1 2.2.2.2 1 2\r\n"), WRONG },
	{ ROW("PROXY TCP6 2001:db8::1%lo 2001:db8::2 1 2\r\n"), WRONG },
	{ ROW("PROXY TCP6 [2001:db8::1] 2001:db8::2 1 2\r\n"), WRONG },
	{ ROW("PROXY TCP6 2001:db8:::1 2001:db8::2 1 2\r\n"), WRONG },
	{ ROW("PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n"), WRONG },
	{ ROW("PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\r\n"), WRONG },
	{ ROW("PROXY TCP4 1.1.1.1 2.2.2.2 1 2\rx"), WRONG },
	{ ROW("EHLO client.example\r\n"), WRONG },
	{ ROW("\x16\x03\x01"), WRONG },

	/* Who cannot be a client. */
	{ ROW("PROXY TCP4 0.0.0.0 2.2.2.2 1 2\r\n"), WRONG },
	{ ROW("PROXY TCP4 224.0.0.1 2.2.2.2 1 2\r\n"), WRONG },
	{ ROW("PROXY TCP4 239.255.255.255 2.2.2.2 1 2\r\n"), WRONG },
	{ ROW("PROXY TCP6 :: 2001:db8::2 1 2\r\n"), WRONG },
	{ ROW("PROXY TCP6 ff02::1 2001:db8::2 1 2\r\n"), WRONG },
	{ ROW("PROXY TCP6 ::ffff:0.0.0.0 2001:db8::2 1 2\r\n"), WRONG },
	{ ROW("PROXY TCP6 ::ffff:224.0.0.1 2001:db8::2 1 2\r\n"), WRONG },

	/* Version 2. */
	{ ROW(SIGN "\x21\x11\0\x0c" V4), PROXY_DONE, "192.0.2.1", 12345,
	    "198.51.100.2" },
	{ ROW(SIGN "\x21\x21\0\x24" V6S V6D PORTS), PROXY_DONE, "2001:db8::1",
	    12345, "2001:db8::2" },
	{ ROW(SIGN "\x21\x21\0\x24" MAP "\300\0\2\1" MAP
		   "\306\063\144\2" PORTS),
	    PROXY_DONE, "192.0.2.1", 12345, "198.51.100.2" },
	{ ROW(SIGN "\x20\0\0\0"), LOCAL },
	{ ROW(SIGN "\x21\0\0\0"), LOCAL },
	{ ROW(SIGN "\x20\x11\0\x0c" V4), LOCAL },
	{ ROW(SIGN "\x20\x11\0\2xx"), LOCAL },
	{ ROW(SIGN "\x20\x31\0\2xx"), LOCAL },
	{ ROW(SIGN "\x20\0\0\5\4\0\2zz"), LOCAL },
	/* Types that mean nothing here, and one without a value. */
	{ ROW(SIGN "\x21\x11\0\x16" V4 "\4\0\4zzzz\xe0\0\0"), PROXY_DONE,
	    "192.0.2.1", 12345, "198.51.100.2" },
	/* CRC32C, alone and among others. */
	{ ROW(SIGN "\x20\0\0\7\3\0\4\xa9\xb8\x7e\x8f"), LOCAL },
	{ ROW(SIGN "\x21\x11\0\x1b" V4 "\4\0\1z\3\0\4\x73\x5a\x0f\x16\4\0\1z"),
	    PROXY_DONE, "192.0.2.1", 12345, "198.51.100.2" },

	{ ROW(SIGN "\x20\0\0\7\3\0\4\xa9\xb8\x7e\x8e"), WRONG },
	{ ROW(SIGN "\x20\0\0\7\3\0\4\0\0\0\0"), WRONG },
	{ ROW(SIGN "\x20\0\0\6\3\0\3\0\0\0"), WRONG },
	{ ROW(SIGN "\x20\0\0\3\3\0\0"), WRONG },
	{ ROW(SIGN "\x21\x11\0\x0d" V4 "\4"), WRONG },
	{ ROW(SIGN "\x21\x11\0\x0f" V4 "\4\0\1"), WRONG },
	{ ROW(SIGN "\x21\x11\0\x0f" V4 "\4\xff\xff"), WRONG },
	{ ROW(SIGN "\x21\x11\0\x0b"
		   "12345678901"),
	    WRONG },
	{ ROW(SIGN "\x21\x21\0\x23" V6S V6D "123"), WRONG },
	{ ROW(SIGN "\x21\x21\0\x0c" V4), WRONG },
	{ ROW(SIGN "\x21\x12\0\x0c" V4), WRONG },
	{ ROW(SIGN "\x21\x22\0\x24" V6S V6D PORTS), WRONG },
	{ ROW(SIGN "\x21\x31\0\0"), WRONG },
	{ ROW(SIGN "\x21\x10\0\x0c" V4), WRONG },
	{ ROW(SIGN "\x21\1\0\0"), WRONG },
	{ ROW(SIGN "\x11\x11\0\x0c" V4), WRONG },
	{ ROW(SIGN "\x31\x11\0\x0c" V4), WRONG },
	{ ROW(SIGN "\x22\x11\0\x0c" V4), WRONG },
	{ ROW("\r\n\r\n\0\r\nQUIT\r"), WRONG },
	{ ROW("\r\nEHLO client.example\r\n"), WRONG },
	{ ROW(SIGN "\x21\x11\x08\1"), WRONG },
	{ ROW(SIGN "\x20\0\xff\xff"), WRONG },
	{ ROW(SIGN "\x21\x11\0\x0c"
		   "\0\0\0\0"
		   "\306\063\144\2" PORTS),
	    WRONG },
	{ ROW(SIGN "\x21\x11\0\x0c"
		   "\340\0\0\1"
		   "\306\063\144\2" PORTS),
	    WRONG },
	{ ROW(SIGN "\x21\x21\0\x24" MAP "\0\0\0\0" V6D PORTS), WRONG },
	{ ROW(SIGN "\x21\x21\0\x24"
		   "\xff\2\0\0\0\0\0\0\0\0\0\0\0\0\0\1" V6D PORTS),
	    WRONG },
};

/* From memory of just that size, so that a read behind it would be seen. */
static enum proxy_state
parse(const char *octets, size_t len, struct proxy_header *h)
{
	char *copy = malloc(len > 0 ? len : 1);
	enum proxy_state r;

	assert_non_null(copy);
	memcpy(copy, octets, len);
	r = proxy_parse(copy, len, h);
	free(copy);
	return r;
}

static void
check_header(size_t i, const struct proxy_header *h)
{
	char text[ADDR_TEXT_MAX];

	assert_int_equal(h->len, rows[i].len);
	assert_int_equal(h->local, rows[i].source == NULL);
	if (h->local)
		return;
	assert_string_equal(addr_format(&h->source, text), rows[i].source);
	assert_int_equal(h->source_port, rows[i].port);
	assert_string_equal(addr_format(&h->destination, text),
	    rows[i].destination);
}

static void
check_state(size_t i, enum proxy_state got, const char *how)
{
	if (got != rows[i].state)
		fail_msg("row %zu (%s), %s: %d", i, rows[i].octets, how, got);
}

static void
test_whole(void **state)
{
	struct proxy_header h;
	size_t i;

	(void)state;
	for (i = 0; i < NITEMS(rows); i++) {
		check_state(i, parse(rows[i].octets, rows[i].len, &h), "whole");
		if (rows[i].state == PROXY_DONE)
			check_header(i, &h);
	}
}

/* A client that did not wait: what it said is no part of the header. */
static void
test_more_behind(void **state)
{
	static const char *const tails[] = { "EHLO x\r\n", "\r\n", "\n", " ",
		"PROXY UNKNOWN\r\n" };
	struct proxy_header h;
	char both[512];
	size_t i, j, n;

	(void)state;
	for (i = 0; i < NITEMS(rows); i++)
		for (j = 0; j < NITEMS(tails); j++) {
			n = strlen(tails[j]);
			memcpy(both, rows[i].octets, rows[i].len);
			memcpy(both + rows[i].len, tails[j], n);
			check_state(i, parse(both, rows[i].len + n, &h),
			    "with a tail");
			if (rows[i].state == PROXY_DONE)
				check_header(i, &h);
		}
}

/* However it is cut, the outcome is the same, and a right one never early. */
static void
test_octet_by_octet(void **state)
{
	struct proxy_header h;
	enum proxy_state r;
	size_t i, n;

	(void)state;
	for (i = 0; i < NITEMS(rows); i++) {
		r = PROXY_MORE;
		for (n = 0; n <= rows[i].len && r == PROXY_MORE; n++)
			r = parse(rows[i].octets, n, &h);
		check_state(i, r, "octet by octet");
		if (r == PROXY_DONE)
			check_header(i, &h);
	}
}

static void
test_ports(void **state)
{
	static const char v1[] = "PROXY TCP4 1.1.1.1 2.2.2.2 258 772\r\n";
	static const char v2[] = SIGN "\x21\x11\0\x0c"
				      "\1\1\1\1\2\2\2\2\1\2\3\4";
	struct proxy_header h;

	(void)state;
	assert_int_equal(parse(v1, sizeof(v1) - 1, &h), PROXY_DONE);
	assert_int_equal(h.source_port, 258);
	assert_int_equal(h.destination_port, 772);
	assert_int_equal(parse(v2, sizeof(v2) - 1, &h), PROXY_DONE);
	assert_int_equal(h.source_port, 258);
	assert_int_equal(h.destination_port, 772);
}

/* The longest header of version 2, and one octet more than that. */
static void
test_longest(void **state)
{
	char buf[16 + 2048] = SIGN "\x21\x11\x08\0" V4 "\4\x07\xf1";
	struct proxy_header h;

	(void)state;
	assert_int_equal(parse(buf, sizeof(buf) - 1, &h), PROXY_MORE);
	assert_int_equal(parse(buf, sizeof(buf), &h), PROXY_DONE);
	assert_int_equal(h.len, sizeof(buf));
	buf[15] = 1;
	assert_int_equal(parse(buf, 15, &h), PROXY_MORE);
	assert_int_equal(parse(buf, 16, &h), PROXY_WRONG);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_more_behind),
		cmocka_unit_test(test_octet_by_octet),
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_longest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
