/*
 * Addresses and prefixes. If one of these rows fails, a ban or a relay entry
 * holds for other clients than the ones it names.
 */
#include <netinet/in.h>

#include <arpa/inet.h>

#include "tests/unit/fixture.h"

static const struct {
	const char *in, *out; /* out NULL: must be refused */
} addrs[] = {
	{ "192.0.2.1", "192.0.2.1" },
	{ "0.0.0.0", "0.0.0.0" },
	{ "1.10.99.100", "1.10.99.100" },
	{ "109.200.255.9", "109.200.255.9" },
	{ "2001:DB8:0:0::1", "2001:db8::1" },
	{ "::", "::" },
	{ "2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1" },
	{ "::ffff:192.0.2.1", "192.0.2.1" },
	{ "::ffff:c000:201", "192.0.2.1" },
	{ "192.0.2.01", NULL },
	{ "192.0.2.256", NULL },
	{ "192.0.2", NULL },
	{ "192.0.2.1.", NULL },
	{ " 192.0.2.1", NULL },
	{ "192.0.2.1/32", NULL },
	{ "[2001:db8::1]", NULL },
	{ "fe80::1%lo", NULL },
	{ "1::2::3", NULL },
	{ "", NULL },
};

static void
test_addr(void **state)
{
	char buf[ADDR_TEXT_MAX];
	struct addr a;
	size_t i;

	(void)state;
	for (i = 0; i < NITEMS(addrs); i++) {
		if (addr_parse(&a, addrs[i].in) == -1)
			assert_null(addrs[i].out);
		else if (addrs[i].out == NULL)
			fail_msg("%s was taken", addrs[i].in);
		else
			assert_string_equal(addr_format(&a, buf), addrs[i].out);
	}
}

static const struct {
	const char *in, *out;
	bool hostbits;
} prefixes[] = {
	{ "192.0.2.1", "192.0.2.1", false },
	{ "192.0.2.1/32", "192.0.2.1", false },
	{ "192.0.2.0/24", "192.0.2.0/24", false },
	{ "192.0.2.77/24", "192.0.2.0/24", true },
	{ "192.0.2.129/25", "192.0.2.128/25", true },
	{ "255.255.255.255/0", "0.0.0.0/0", true },
	{ "2001:db8::/32", "2001:db8::/32", false },
	{ "2001:db8:ffff::/33", "2001:db8:8000::/33", true },
	{ "::ffff:192.0.2.7", "192.0.2.7", false },
	{ "::ffff:192.0.2.7/120", "192.0.2.0/24", true },
	{ "::ffff:0:0/96", "0.0.0.0/0", false },
	{ "::ffff:0:0/95", "::fffe:0:0/95", true },
	{ "::/0", "::/0", false },
	{ "192.0.2.0/33", NULL, false },
	{ "::/129", NULL, false },
	{ "192.0.2.0/", NULL, false },
	{ "192.0.2.0/024", NULL, false },
	{ "192.0.2.0/-1", NULL, false },
	{ "192.0.2.0/24x", NULL, false },
	{ "192.0.2.0/99999999999", NULL, false },
	{ "/24", NULL, false },
};

static void
test_prefix(void **state)
{
	char buf[PREFIX_TEXT_MAX];
	bool hostbits;
	struct prefix p;
	size_t i;

	(void)state;
	for (i = 0; i < NITEMS(prefixes); i++) {
		if (prefix_parse(&p, prefixes[i].in, &hostbits) == -1) {
			if (prefixes[i].out != NULL)
				fail_msg("%s was refused", prefixes[i].in);
			continue;
		}
		if (prefixes[i].out == NULL)
			fail_msg("%s was taken", prefixes[i].in);
		assert_string_equal(prefix_format(&p, buf), prefixes[i].out);
		assert_int_equal(hostbits, prefixes[i].hostbits);
	}
}

static const struct {
	const char *prefix, *other;
	bool contains, meets; /* contains: the first address of other */
} pairs[] = {
	{ "192.0.2.0/24", "192.0.2.255", true, true },
	{ "192.0.2.0/24", "192.0.3.0", false, false },
	{ "192.0.2.0/25", "192.0.2.128", false, false },
	{ "192.0.2.128/25", "192.0.2.0/24", false, true },
	{ "0.0.0.0/0", "192.0.2.1", true, true },
	{ "0.0.0.0/0", "2001:db8::1", false, false },
	{ "2001:db8::/33", "2001:db8:8000::", false, false },
	{ "2001:db8::/33", "2001:db8:7fff::", true, true },
};

static void
test_pairs(void **state)
{
	struct prefix a, b;
	bool hostbits;
	size_t i;

	(void)state;
	for (i = 0; i < NITEMS(pairs); i++) {
		assert_int_equal(prefix_parse(&a, pairs[i].prefix, &hostbits),
		    0);
		assert_int_equal(prefix_parse(&b, pairs[i].other, &hostbits),
		    0);
		assert_int_equal(prefix_contains(&a, &b.addr),
		    pairs[i].contains);
		assert_int_equal(prefix_meets(&a, &b), pairs[i].meets);
		assert_int_equal(prefix_meets(&b, &a), pairs[i].meets);
	}
}

static void
test_sockaddr(void **state)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	struct sockaddr unix_sa = { .sa_family = AF_UNIX };
	struct addr a, b;

	(void)state;
	inet_pton(AF_INET6, "::ffff:192.0.2.1", &in6.sin6_addr);
	addr_from_sockaddr(&a, (struct sockaddr *)&in6);
	assert_int_equal(addr_parse(&b, "192.0.2.1"), 0);
	assert_true(addr_equal(&a, &b));
	addr_from_sockaddr(&a, &unix_sa);
	assert_int_equal(a.family, 0);
	assert_false(addr_equal(&a, &b));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addr),
		cmocka_unit_test(test_prefix),
		cmocka_unit_test(test_pairs),
		cmocka_unit_test(test_sockaddr),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
