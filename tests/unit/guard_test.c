/*
 * The guards: each slip is refused and named, -f lets it pass, and what is no
 * slip passes without.
 */
#include "tests/unit/fixture.h"

/* Sources on top of "domains example.org, routes *"; message NULL: passes. */
static const struct {
	const char *name, *text, *message;
} rows[] = {
	{ "banned", "11.0.0.0/8\n", NULL },
	{ "banned", "10.0.0.0/7\n", "banned:1: 10.0.0.0/7 is wider than /8" },
	{ "banned", "2001::/19\n", NULL },
	{ "banned", "2001::/18\n", "wider than /19" },
	{ "banned", "10.0.0.0/7 until=2020-01-01\n", NULL },
	{ "relay", "0.0.0.0/0\n", "relay:1: 0.0.0.0/0 is wider than /8" },
	{ "bans", "0.0.0.0/0\n", "bans:1: 0.0.0.0/0 is wider" },

	/* protect 127.0.0.0/8, fc00::/7; our own 198.51.100.1; hop 10.9.9.9 */
	{ "banned", "127.0.0.1\n",
	    "banned:1: the ban 127.0.0.1 meets protect 127.0.0.0/8" },
	{ "bans", "127.255.0.0/16\n", "bans:1: the ban 127.255.0.0/16 meets" },
	{ "banned", "127.0.0.1 allow\n", NULL },
	{ "banned", "127.0.0.1 until=2020-01-01\n", NULL },
	{ "banned", "128.0.0.0/8\n126.0.0.0/8\n", NULL },
	{ "banned", "fd00::1\n", "meets protect fc00::/7" },
	{ "banned", "fbff:e000::/19\nfe00::/19\n", NULL },
	{ "banned", "\n198.51.100.0/24 drop\n",
	    "banned:2: the ban 198.51.100.0/24 meets our own address "
	    "198.51.100.1" },
	{ "banned", "198.51.100.0/24\n198.51.100.1 allow\n", NULL },
	{ "banned", "198.51.100.0/24\n198.51.100.1 allow until=2020-01-01\n",
	    "meets our own address" },
	{ "banned", "10.9.0.0/16\n", "meets next hop 10.9.9.9 (routes:" },
	{ "banned", "10.8.8.0/24\n", "meets next hop 10.8.8.8 (routes:2)" },
	{ "banned", "10.8.8.7\n10.8.8.9\n", NULL },

	/* relay 172.16.0.0/24 */
	{ "banned", "172.16.0.0/16\n", "meets relay 172.16.0.0/24 (relay:1)" },
	{ "banned", "172.16.0.7\n", NULL },
	{ "banned", "172.16.9.0/24\n", NULL },

	/* proxies 192.168.8.0/24, 2001:db8:8::8 */
	{ "relay", "192.168.0.0/16\n",
	    "relay:1: relay 192.168.0.0/16 meets proxy_from 192.168.8.0/24" },
	{ "relay", "\n192.168.8.7\n",
	    "relay:2: relay 192.168.8.7 meets proxy_from 192.168.8.0/24" },
	{ "relay", "2001:db8:8::/64\n", "meets proxy_from 2001:db8:8::8" },
	{ "relay", "192.168.9.0/24\n2001:db8:8::9\nproxy.example.org\n", NULL },
	{ "relay", "192.168.8.7 deny\n192.168.8.8 until=2020-01-01\n", NULL },

	{ "relay", "mail.example.org\n.example.co.uk\n.co.example\n", NULL },
	{ "relay", ".co.uk\n",
	    "relay:1: .co.uk is a public suffix: anybody can have a name" },
	{ "relay", "\nCOM.AU\n", "relay:2: com.au is a public suffix" },
	{ "relay", ".uk.com\n", "relay:1: .uk.com is a public suffix" },
	{ "relay", ".school.nz until=2020-01-01\n.co.jp deny\n", NULL },
	{ "relay", ".c.uk\n.o.jp\n.coco.jp\n.x.co.jp\n", NULL },

	{ "domains", "example.org\nexample.com\n",
	    "domains:2: example.com has no route" },
	{ "domains", "example.org\n.example.org\n",
	    "domains:2: .example.org has no route" },
	{ "domains", "a.example.net\n.b.example.net\nexample.net\n", NULL },
	{ "domains", "example.org\nexample.com reject\n", NULL },
	{ "routes", "example.org maildir:/var/mail/x\n", NULL },
	{ "routes", "example.org maildir:/var/mail\n", NULL },
	{ "routes", "example.org maildir:/var/mailx\n",
	    "routes:1: maildir:/var/mailx is not below" },
	{ "routes", "example.org maildir:/etc\n", "is not below" },
	{ "routes", "* maildir:/var/mail/x\n", NULL },
	{ "routes", "* smtp:127.0.0.1:25\n",
	    "routes:1: smtp:127.0.0.1:25 leads to the gateway itself" },
	{ "routes", "* smtp:[2001:db8::25]:25\n", "leads to the gateway" },
	{ "routes", "* smtp:127.0.0.1:26\n", NULL },
	{ "routes", "* smtp:[2001:db8::26]:25\n", NULL },
	{ "routes", "* smtp:a.example,10.1.1.1|127.0.0.9\n",
	    "routes:1: smtp:127.0.0.9:25 leads to the gateway itself" },
	{ "routes", "* lmtp:dovecot:24,127.0.0.9:25\n",
	    "routes:1: lmtp:127.0.0.9:25 leads to the gateway itself" },
	{ "routes", "* lmtp:127.0.0.1:24\n", NULL },
	{ "routes", "* smtp:localhost\nexample.com mx:example.org\n", NULL },
	{ "routes", "* lmtp:/run/dovecot/lmtp\n", NULL },
	{ "routes", "* lmtp:/run/dovecot/lmtp2\n",
	    "routes:1: lmtp:/run/dovecot/lmtp2 is none of lmtp_sockets" },
	{ "routes", "* lmtp:/run/dovecot\n", "is none of lmtp_sockets" },
	{ "routes", "* maildir:/var/mail/%{domain}/%{local}\n", NULL },
	{ "routes", "* maildir:/var/mail/x%{local}\n", NULL },
	{ "routes", "* maildir:/var/mail%{local}\n",
	    "routes:1: maildir:/var/mail%{local} is not below" },
	{ "routes", "* maildir:/var/%{local}\n", "is not below" },
	{ "routes", "* maildir:/%{domain}/var/mail\n", "is not below" },
	{ "senders", "<>\n", "senders:1: refusing <>" },
	{ "senders", "<> allow\n", NULL },
	{ "domains", "", "domains:0: the list would become empty" },
};

static int
setup(void **state)
{
	static char root[] = "/var/mail/", lmtp[] = "/run/dovecot/lmtp";
	static char *roots[] = { root }, *sockets[] = { lmtp };
	static struct prefix protect[2], proxies[2];
	static struct addr own;
	static struct list_own listeners[2];
	struct fixture *f;
	bool hostbits;

	fixture_setup(state);
	f = *state;
	prefix_parse(&listeners[0].net, "127.0.0.0/8", &hostbits);
	prefix_parse(&listeners[1].net, "2001:db8::25", &hostbits);
	listeners[0].port = listeners[1].port = 25;
	prefix_parse(&protect[0], "127.0.0.0/8", &hostbits);
	prefix_parse(&protect[1], "fc00::/7", &hostbits);
	prefix_parse(&proxies[0], "192.168.8.0/24", &hostbits);
	prefix_parse(&proxies[1], "2001:db8:8::8", &hostbits);
	f->ask.proxies = proxies;
	f->ask.nproxies = 2;
	addr_parse(&own, "198.51.100.1");
	f->ask.protect = protect;
	f->ask.nprotect = 2;
	f->ask.listen = &own;
	f->ask.nlisten = 1;
	f->ask.own = listeners;
	f->ask.nown = 2;
	f->ask.maildir_roots = roots;
	f->ask.nmaildir_roots = 1;
	f->ask.lmtp_sockets = sockets;
	f->ask.nlmtp_sockets = 1;
	fixture_write(f, "domains", "example.org\n");
	fixture_write(f, "routes",
	    "example.org smtp:10.9.9.9\n"
	    ".example.net smtp:a.example,10.8.8.8|10.9.9.9\n");
	fixture_write(f, "relay", "172.16.0.0/24\n10.9.9.0/24 deny\n");
	generation_close(fixture_open(f));
	return 0;
}

static void
check_row(size_t i)
{
	struct fixture *f;
	enum compile_outcome r;

	setup((void **)&f);
	fixture_write(f, rows[i].name, rows[i].text);
	r = fixture_compile(f);
	if (rows[i].message == NULL && r != COMPILE_DONE)
		fail_msg("%s%s", rows[i].text, f->messages);
	if (rows[i].message != NULL &&
	    (r != COMPILE_ERRORS ||
		strstr(f->messages, rows[i].message) == NULL ||
		strstr(f->messages, "-f overrides") == NULL))
		fail_msg("%s%s", rows[i].text, f->messages);
	f->ask.force = true;
	r = fixture_compile(f);
	assert_int_equal(r,
	    rows[i].message == NULL ? COMPILE_UNCHANGED : COMPILE_DONE);
	fixture_teardown((void **)&f);
}

static void
test_rows(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < NITEMS(rows); i++)
		check_row(i);
}

/* With no root at all, no Maildir is below one. */
static void
test_no_roots(void **state)
{
	struct fixture *f = *state;

	f->ask.nmaildir_roots = 0;
	fixture_write(f, "routes", "example.org maildir:/var/mail/x\n");
	assert_int_equal(fixture_compile(f), COMPILE_ERRORS);
	assert_non_null(strstr(f->messages, "is not below one of"));
}

/* n networks, of which the first expired have an end that has come. */
static void
write_many(struct fixture *f, const char *name, int n, int expired)
{
	char text[8192] = "", line[64];
	int i;

	for (i = 0; i < n; i++) {
		snprintf(line, sizeof(line), "192.0.2.%d%s\n", i + 1,
		    i < expired ? " until=2020-01-01" : "");
		strlcat(text, line, sizeof(text));
	}
	fixture_write(f, name, text);
}

static const struct {
	const char *list;
	int before, after, expired;
	enum compile_outcome outcome;
} losses[] = {
	{ "banned", 50, 25, 0, COMPILE_DONE },
	{ "banned", 50, 24, 0, COMPILE_ERRORS },
	{ "banned", 51, 26, 0, COMPILE_DONE },
	{ "banned", 51, 25, 0, COMPILE_ERRORS },
	{ "banned", 49, 1, 0, COMPILE_DONE },
	{ "banned", 49, 0, 0, COMPILE_ERRORS },
	{ "banned", 60, 60, 31, COMPILE_ERRORS },
	{ "bans", 60, 0, 0, COMPILE_DONE },
};

static void
test_losses(void **state)
{
	struct fixture *f;
	size_t i;

	(void)state;
	for (i = 0; i < NITEMS(losses); i++) {
		setup((void **)&f);
		write_many(f, losses[i].list, losses[i].before, 0);
		assert_int_equal(fixture_compile(f), COMPILE_DONE);
		write_many(f, losses[i].list, losses[i].after,
		    losses[i].expired);
		assert_int_equal(fixture_compile(f), losses[i].outcome);
		fixture_teardown((void **)&f);
	}
}

/* A change of routes or relay is held against the bans in force. */
static void
test_other_side(void **state)
{
	struct fixture *f = *state;

	fixture_write(f, "banned", "192.0.2.0/24\n");
	assert_int_equal(fixture_compile(f), COMPILE_DONE);
	fixture_write(f, "relay", "192.0.2.7\n");
	assert_int_equal(fixture_compile(f), COMPILE_ERRORS);
	assert_non_null(strstr(f->messages,
	    "banned:1: the ban 192.0.2.0/24 meets relay 192.0.2.7 (relay:1)"));
	fixture_write(f, "relay", "172.16.0.0/24\n");
	fixture_write(f, "routes", "* smtp:192.0.2.7\n");
	assert_int_equal(fixture_compile(f), COMPILE_ERRORS);
	assert_non_null(strstr(f->messages, "meets next hop 192.0.2.7"));
	fixture_write(f, "routes", "example.com smtp:10.9.9.9\n");
	assert_int_equal(fixture_compile(f), COMPILE_ERRORS);
	assert_non_null(strstr(f->messages, "example.org has no route"));
}

/* It is let through, and said. */
static const struct {
	const char *list, *text, *messages;
} inside[] = {
	{ "banned", "172.16.0.7\n",
	    "banned:1: warning: the ban 172.16.0.7 is inside relay "
	    "172.16.0.0/24 (relay:1)\n" },
	{ "bans", "172.16.0.128/25 drop\n",
	    "bans:1: warning: the ban 172.16.0.128/25 is inside relay "
	    "172.16.0.0/24 (relay:1)\n" },
	{ "banned", "172.16.0.7 allow\n", "" },
	{ "banned", "172.16.0.7 until=2020-01-01\n", "" },
	{ "banned", "172.16.1.7\n10.9.8.7\n", "" },
	{ "relay", "172.16.0.0/24\n172.16.0.9 deny\n", "" },
	{ "banned",
	    "172.16.0.1\n172.16.0.2\n172.16.0.3\n172.16.0.4\n"
	    "172.16.0.5\n172.16.0.6\n172.16.0.128/25\n",
	    "banned:7: warning: the ban 172.16.0.128/25 is inside relay "
	    "172.16.0.0/24 (relay:1)\n"
	    "banned:1: warning: the ban 172.16.0.1 is inside relay "
	    "172.16.0.0/24 (relay:1)\n"
	    "banned:2: warning: the ban 172.16.0.2 is inside relay "
	    "172.16.0.0/24 (relay:1)\n"
	    "banned:3: warning: the ban 172.16.0.3 is inside relay "
	    "172.16.0.0/24 (relay:1)\n"
	    "banned:4: warning: the ban 172.16.0.4 is inside relay "
	    "172.16.0.0/24 (relay:1)\n"
	    "relay:1: warning: 2 more bans are inside this relay entry\n" },
};

static void
test_inside(void **state)
{
	struct fixture *f;
	size_t i;

	(void)state;
	for (i = 0; i < NITEMS(inside); i++) {
		setup((void **)&f);
		fixture_write(f, inside[i].list, inside[i].text);
		assert_int_equal(fixture_compile(f), COMPILE_DONE);
		assert_string_equal(f->messages, inside[i].messages);
		/* and not again at every compile */
		fixture_write(f, "routes", "* smtp:10.9.9.9\n");
		assert_int_equal(fixture_compile(f), COMPILE_DONE);
		assert_string_equal(f->messages, "");
		fixture_teardown((void **)&f);
	}
}

/* What was forced into banned does not stand in the way of bans. */
static void
test_forced(void **state)
{
	struct fixture *f = *state;

	fixture_write(f, "banned", "10.9.0.0/16\n");
	f->ask.force = true;
	assert_int_equal(fixture_compile(f), COMPILE_DONE);
	f->ask.force = false;
	fixture_write(f, "bans", "192.0.2.1\n");
	assert_int_equal(fixture_compile(f), COMPILE_DONE);
	fixture_write(f, "bans", "10.9.9.0/24\n");
	assert_int_equal(fixture_compile(f), COMPILE_ERRORS);
	assert_null(strstr(f->messages, "banned:"));
	fixture_write(f, "bans", "10.9.9.0/24\n10.9.9.9 allow\n");
	assert_int_equal(fixture_compile(f), COMPILE_DONE);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test_setup_teardown(test_no_roots, setup,
		    fixture_teardown),
		cmocka_unit_test(test_losses),
		cmocka_unit_test(test_inside),
		cmocka_unit_test_setup_teardown(test_other_side, setup,
		    fixture_teardown),
		cmocka_unit_test_setup_teardown(test_forced, setup,
		    fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
