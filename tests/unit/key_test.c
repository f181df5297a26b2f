/*
 * Keys: the CDB key of each way to write one, and the way back. Two notations
 * that give two keys are an entry that is not found.
 */
#include "lists/key.h"
#include "tests/unit/fixture.h"

static const struct {
	enum list_id list;
	const char *in, *key, *out; /* key NULL: must be refused */
} rows[] = {
	{ LIST_BANNED, "192.0.2.1", "420c0000201", "192.0.2.1" },
	{ LIST_BANNED, "192.0.2.9/24", "418c0000200", "192.0.2.0/24" },
	{ LIST_BANNED, "0.0.0.0/0", "40000000000", "0.0.0.0/0" },
	{ LIST_BANNED, "::/0", "600", "::/0" },
	{ LIST_BANNED, "2001:db8::/32", "62020010db8", "2001:db8::/32" },
	{ LIST_BANNED, "2001:db8:8000::/33", "62120010db88",
	    "2001:db8:8000::/33" },
	{ LIST_BANNED, "2001:db8::1", "68020010db8000000000000000000000001",
	    "2001:db8::1" },
	{ LIST_BANNED, "::ffff:192.0.2.1", "420c0000201", "192.0.2.1" },
	{ LIST_BANNED, "example.org", NULL, NULL },
	{ LIST_BANNED, "", NULL, NULL },
	{ LIST_RELAY, "10.0.0.0/8", "4080a000000", "10.0.0.0/8" },
	{ LIST_RELAY, "Host.example.org", "=host.example.org",
	    "host.example.org" },
	{ LIST_RELAY, "10.0.0.0/33", NULL, NULL },
	{ LIST_NAMES, "HELO:.Example.org", "=helo:.example.org",
	    "helo:.example.org" },
	{ LIST_NAMES, ".example.org", "=.example.org", ".example.org" },
	{ LIST_NAMES, "helo:", NULL, NULL },
	{ LIST_DOMAINS, "Example.ORG", "=example.org", "example.org" },
	{ LIST_DOMAINS, "example.org.", NULL, NULL },
	/* U-labels and A-labels are one */
	{ LIST_DOMAINS,
	    "b\xc3\xbc"
	    "cher.example",
	    "=xn--bcher-kva.example", "xn--bcher-kva.example" },
	{ LIST_DOMAINS,
	    "B\xc3\x9c"
	    "CHER.Example",
	    "=xn--bcher-kva.example", "xn--bcher-kva.example" },
	{ LIST_DOMAINS,
	    "bu\xcc\x88"
	    "cher.example",
	    "=xn--bcher-kva.example", "xn--bcher-kva.example" },
	{ LIST_DOMAINS, ".XN--bcher-kva.example", "=.xn--bcher-kva.example",
	    ".xn--bcher-kva.example" },
	{ LIST_DOMAINS, "\xe4\xbe\x8b\xe5\xad\x90.\xe5\xb9\xbf\xe5\x91\x8a",
	    "=xn--fsqu00a.xn--4rr70v", "xn--fsqu00a.xn--4rr70v" },
	{ LIST_NAMES,
	    "helo:.b\xc3\xbc"
	    "cher.example",
	    "=helo:.xn--bcher-kva.example", "helo:.xn--bcher-kva.example" },
	{ LIST_DOMAINS, "b\xc3.example", NULL, NULL },
	{ LIST_DOMAINS, "\xff.example", NULL, NULL },
	{ LIST_DOMAINS, "\xc0\xaf.example", NULL, NULL },
	{ LIST_DOMAINS, "b\xc2\x85.example", NULL, NULL },
	{ LIST_DOMAINS, "b\xef\xbc\xa0x.example", NULL, NULL }, /* an @ */
	{ LIST_DOMAINS, "\xcc\x88.example", NULL, NULL },
	{ LIST_RECIPIENTS,
	    "J\xc3\xb6rg@b\xc3\xbc"
	    "cher.example",
	    "=j\xc3\xb6rg@xn--bcher-kva.example",
	    "j\xc3\xb6rg@xn--bcher-kva.example" },
	{ LIST_RECIPIENTS, "\"j \xc3\xb6\"@example.org",
	    "=j \xc3\xb6@example.org", "\"j \xc3\xb6\"@example.org" },
	{ LIST_RECIPIENTS, "j\xc3@example.org", NULL, NULL },
	{ LIST_RECIPIENTS, "\"j\xf0\x9f\"@example.org", NULL, NULL },
	{ LIST_RECIPIENTS,
	    "@.b\xc3\xbc"
	    "cher.example",
	    "=@.xn--bcher-kva.example", "@.xn--bcher-kva.example" },
	{ LIST_DOMAINS, "192.0.2.1", NULL, NULL },
	{ LIST_DOMAINS, "..example.org", NULL, NULL },
	{ LIST_DOMAINS, "user@example.org", NULL, NULL },
	{ LIST_SENDERS, "<>", "=<>", "<>" },
	{ LIST_RECIPIENTS, "<>", NULL, NULL },
	{ LIST_RECIPIENTS, "Joe@Example.org", "=joe@example.org",
	    "joe@example.org" },
	{ LIST_RECIPIENTS, "\"Joe\"@example.org", "=joe@example.org",
	    "joe@example.org" },
	{ LIST_RECIPIENTS, "\"j s\"@example.org", "=j s@example.org",
	    "\"j s\"@example.org" },
	{ LIST_RECIPIENTS, "\"@\"@example.org", "=@@example.org",
	    "\"@\"@example.org" },
	{ LIST_RECIPIENTS, "@Example.org", "=@example.org", "@example.org" },
	{ LIST_RECIPIENTS, "@.example.org", "=@.example.org", "@.example.org" },
	{ LIST_RECIPIENTS, "example.org", NULL, NULL },
	{ LIST_RECIPIENTS, "postmaster", NULL, NULL },
	{ LIST_ROUTES, "*", "=*", "*" },
	{ LIST_ROUTES, ".example.org", "=.example.org", ".example.org" },
	{ LIST_ROUTES, "@example.org", NULL, NULL },
	{ LIST_WORDS, " Buy  NOW ", "=buy now", "buy now" },
	{ LIST_WORDS, "a b@c", "=a b@c", "a b@c" },
	{ LIST_WORDS, "  ", NULL, NULL },
};

static void
test_rows(void **state)
{
	char out[KEY_MAX];
	const char *why;
	struct key k;
	size_t i;

	(void)state;
	for (i = 0; i < NITEMS(rows); i++) {
		if (key_parse(&k, rows[i].list, rows[i].in, strlen(rows[i].in),
			&why) == -1) {
			if (rows[i].key != NULL)
				fail_msg("%s: %s", rows[i].in, why);
			continue;
		}
		if (rows[i].key == NULL)
			fail_msg("%s was taken", rows[i].in);
		assert_string_equal(k.text, rows[i].key);
		assert_int_equal(k.len, strlen(rows[i].key));
		key_format(out, rows[i].list, k.text, k.len);
		assert_string_equal(out, rows[i].out);
	}
}

/* What is written back parses to the same key. */
static void
test_round_trip(void **state)
{
	char out[KEY_MAX];
	const char *why;
	struct key k, again;
	size_t i;

	(void)state;
	for (i = 0; i < NITEMS(rows); i++) {
		if (rows[i].key == NULL)
			continue;
		assert_int_equal(key_parse(&k, rows[i].list, rows[i].in,
				     strlen(rows[i].in), &why),
		    0);
		key_format(out, rows[i].list, k.text, k.len);
		assert_int_equal(key_parse(&again, rows[i].list, out,
				     strlen(out), &why),
		    0);
		assert_string_equal(again.text, k.text);
	}
}

static void
test_no_prefix(void **state)
{
	static const char *const bad[] = { "", "4", "420", "420c000020",
		"420c00002011", "421c0000201", "681", "62020010db", "5200",
		"42gc0000201", "=x" };
	struct prefix p;
	size_t i;

	(void)state;
	for (i = 0; i < NITEMS(bad); i++)
		assert_int_equal(key_to_prefix(&p, bad[i], strlen(bad[i])), -1);
}

static const struct {
	const char *key;
	int len;
} lengths[] = {
	{ "40000000000", 0 },
	{ "420c0000201", 32 },
	{ "42", -1 },
	{ "421c0000201", -1 },
	{ "4", -1 },
	{ "", -1 },
	{ "620", 32 },
	{ "680", 128 },
	{ "681", -1 },
	{ "=20", -1 },
	{ "4g0", -1 },
	{ "40g", -1 },
};

static void
test_prefix_len(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < NITEMS(lengths); i++)
		assert_int_equal(key_prefix_len(lengths[i].key),
		    lengths[i].len);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_no_prefix),
		cmocka_unit_test(test_prefix_len),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
