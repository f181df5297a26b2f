/*
 * Which section is for a next hop. A row that fails is a hop whose certificate
 * nobody looks at, though a section says so.
 */
#include "tests/unit/fixture.h"
#include "worker/hop_rules.h"
#include "worker/settings.h"
#include "worker/where.h"

static char names[][32] = { "192.0.2.1:25", "mail.example.org:25",
	"[2001:db8::1]:25", "/run/lmtp", "mx:example.org:25" };
static struct next_hop hops[NITEMS(names)];
static struct settings set = { .next_hops = hops, .nnext_hops = NITEMS(hops) };

static const struct {
	const char *text, *named;
	int section; /* -1: there is none */
} rows[] = {
	{ "192.0.2.1:25", "192.0.2.1:25", 0 },
	{ "[2001:db8::1]:25", "[2001:db8::1]:25", 2 },
	{ "/run/lmtp", "/run/lmtp", 3 },
	/* by its name, whatever its address is just now */
	{ "192.0.2.7:25", "mail.example.org:25", 1 },
	{ "[2001:db8::7]:25", "mail.example.org:25", 1 },
	{ "192.0.2.8:25", "mx:example.org:25", 4 },
	{ "192.0.2.8:25", "example.org:25", -1 },
	/* which comes first: an address is whoever answers for the name */
	{ "192.0.2.1:25", "mail.example.org:25", 1 },
	/* another port, another hop */
	{ "192.0.2.1:2525", "192.0.2.1:2525", -1 },
	{ "192.0.2.7:26", "mail.example.org:26", -1 },
	{ "192.0.2.1:2", "192.0.2.1:2", -1 },
	{ "192.0.2.7:25", "www.mail.example.org:25", -1 },
	{ "", "", -1 },
};

static void
test_sections(void **state)
{
	const struct next_hop *wanted;
	struct place at;
	size_t i;

	(void)state;
	for (i = 0; i < NITEMS(names); i++)
		hops[i].name = names[i];
	for (i = 0; i < NITEMS(rows); i++) {
		memset(&at, 0, sizeof(at));
		strlcpy(at.text, rows[i].text, sizeof(at.text));
		strlcpy(at.named, rows[i].named, sizeof(at.named));
		wanted = rows[i].section == -1 ? &set.any_hop :
						 &hops[rows[i].section];
		assert_ptr_equal(hop_rules(&set, &at), wanted);
	}
}

static const struct {
	const char *text, *host; /* NULL: it is no name */
} hosts[] = {
	{ "mail.example.org:25", "mail.example.org" },
	{ "mail:2525", "mail" },
	{ "xn--bcher-kva.example:25", "xn--bcher-kva.example" },
	{ "mx.example.org:25", "mx.example.org" },
	{ "mx:example.org:25", NULL },
	{ "192.0.2.1:25", NULL },
	{ "[2001:db8::1]:25", NULL },
	{ "/run/dovecot/lmtp", NULL },
	{ "", NULL },
	{ ":25", NULL },
};

static void
test_hosts(void **state)
{
	char host[NAME_TEXT_MAX], longest[NAME_TEXT_MAX + 8];
	size_t i;

	(void)state;
	for (i = 0; i < NITEMS(hosts); i++) {
		assert_int_equal(hop_host_name(host, hosts[i].text),
		    hosts[i].host != NULL);
		if (hosts[i].host != NULL)
			assert_string_equal(host, hosts[i].host);
	}
	memset(longest, 'a', NAME_TEXT_MAX);
	strlcpy(longest + NAME_TEXT_MAX, ":25", 8);
	assert_false(hop_host_name(host, longest));
	assert_true(hop_host_name(host, longest + 1));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sections),
		cmocka_unit_test(test_hosts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
