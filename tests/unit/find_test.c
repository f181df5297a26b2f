/*
 * Which entry decides. A row that fails is a client refused, or a message
 * taken or sent elsewhere, against what the administrator wrote.
 */
#include <errno.h>

#include "tests/unit/fixture.h"

#define NOW 1893456000 /* 2030-01-01T00:00:00Z */

static const struct {
	const char *name, *text;
} sources[] = {
	{ "banned",
	    "203.0.113.0/24 reject \"net\"\n"
	    "203.0.113.25 allow\n"
	    "203.0.113.64/26 defer until=2029-12-30\n"
	    "203.0.113.128/25 drop until=2029-12-31T23:59:59Z\n"
	    "203.0.113.192/26 drop until=2030-01-01T00:00:01Z\n"
	    "198.51.100.7 until=2030-01-01T00:00:00Z\n"
	    "2001:db8::/32\n"
	    "2001:db8:8000::/33 allow\n"
	    "2001:db8:8000::1 drop\n" },
	{ "domains", "example.org\n.example.net\nsub.example.net reject\n" },
	{ "recipients",
	    "alice@example.org\n"
	    "alice+lists@example.org reject \"no lists\"\n"
	    "\"\\\"joe smith\\\"@example.org\" open\n"
	    "gone@example.org until=2029-01-01\n"
	    "@gone.example\n"
	    "gone@gone.example defer until=2029-01-01\n"
	    "@example.net\n"
	    "@.example.com defer\n"
	    "old@example.org moved new@example.net \"he went\"\n" },
	{ "routes",
	    "boss@example.org maildir:/var/mail/boss\n"
	    "example.org smtp:10.0.0.1\n"
	    ".example.org smtp:10.0.0.2\n"
	    ".net smtp:10.0.0.3\n"
	    "* smtp:10.0.0.4\n" },
	{ "relay",
	    "10.0.0.0/8\n"
	    "mail.example.org\n"
	    ".office.example\n"
	    "bad.office.example deny\n"
	    ".gone.example until=2029-01-01\n" },
	{ "senders", "<> allow\n@spam.example\n" },
	{ "names", "bad.example\n.dyn.example\nhelo:localhost allow\n" },
	{ "words", "\"buy now\" tag\n" },
};

static const struct {
	enum list_id list;
	const char *key, *want; /* the key and action found, or NULL */
	enum list_match match;
	int prefix_len;
} rows[] = {
	{ LIST_BANNED, "203.0.113.9", "203.0.113.0/24 reject", MATCH_DOMAIN,
	    24 },
	{ LIST_BANNED, "203.0.113.25", "203.0.113.25 allow", MATCH_EXACT, 32 },
	{ LIST_BANNED, "::ffff:203.0.113.25", "203.0.113.25 allow", MATCH_EXACT,
	    32 },
	{ LIST_BANNED, "203.0.113.65", "203.0.113.0/24 reject", MATCH_DOMAIN,
	    24 },
	{ LIST_BANNED, "203.0.113.129", "203.0.113.0/24 reject", MATCH_DOMAIN,
	    24 },
	{ LIST_BANNED, "203.0.113.200", "203.0.113.192/26 drop", MATCH_DOMAIN,
	    26 },
	{ LIST_BANNED, "203.0.113.0/25", "203.0.113.0/24 reject", MATCH_DOMAIN,
	    24 },
	{ LIST_BANNED, "203.0.113.0/24", "203.0.113.0/24 reject", MATCH_EXACT,
	    24 },
	{ LIST_BANNED, "203.0.112.0/23", NULL, 0, 0 },
	{ LIST_BANNED, "198.51.100.7", NULL, 0, 0 },
	{ LIST_BANNED, "203.0.114.1", NULL, 0, 0 },
	{ LIST_BANNED, "2001:db8::5", "2001:db8::/32 reject", MATCH_DOMAIN,
	    32 },
	{ LIST_BANNED, "2001:db8:8000::2", "2001:db8:8000::/33 allow",
	    MATCH_DOMAIN, 33 },
	{ LIST_BANNED, "2001:db8:8000::1", "2001:db8:8000::1 drop", MATCH_EXACT,
	    128 },
	{ LIST_BANNED, "2001:db9::", NULL, 0, 0 },
	{ LIST_BANS, "203.0.113.9", NULL, 0, 0 },
	{ LIST_DOMAINS, "EXAMPLE.org", "example.org accept", MATCH_EXACT, 0 },
	{ LIST_DOMAINS, "a.example.org", NULL, 0, 0 },
	{ LIST_DOMAINS, "example.net", ".example.net accept", MATCH_PARENT, 0 },
	{ LIST_DOMAINS, "a.b.example.net", ".example.net accept", MATCH_PARENT,
	    0 },
	{ LIST_DOMAINS, "sub.example.net", "sub.example.net reject",
	    MATCH_EXACT, 0 },
	{ LIST_DOMAINS, "notexample.net", NULL, 0, 0 },
	{ LIST_RECIPIENTS, "Alice@Example.org", "alice@example.org accept",
	    MATCH_EXACT, 0 },
	{ LIST_RECIPIENTS, "\"alice\"@example.org", "alice@example.org accept",
	    MATCH_EXACT, 0 },
	{ LIST_RECIPIENTS, "alice+x+y@example.org", "alice@example.org accept",
	    MATCH_EXTENSION, 0 },
	{ LIST_RECIPIENTS, "alice+lists@example.org",
	    "alice+lists@example.org reject", MATCH_EXACT, 0 },
	{ LIST_RECIPIENTS, "+x@example.org", NULL, 0, 0 },
	{ LIST_RECIPIENTS, "\"Joe Smith\"@example.org",
	    "\"joe smith\"@example.org open", MATCH_EXACT, 0 },
	{ LIST_RECIPIENTS, "gone@example.org", NULL, 0, 0 },
	{ LIST_RECIPIENTS, "gone@gone.example", "@gone.example accept",
	    MATCH_DOMAIN, 0 },
	{ LIST_RECIPIENTS, "x@example.net", "@example.net accept", MATCH_DOMAIN,
	    0 },
	{ LIST_RECIPIENTS, "x@a.example.net", NULL, 0, 0 },
	{ LIST_RECIPIENTS, "x@example.com", "@.example.com defer", MATCH_PARENT,
	    0 },
	{ LIST_RECIPIENTS, "x@a.b.example.com", "@.example.com defer",
	    MATCH_PARENT, 0 },
	{ LIST_ROUTES, "boss@example.org", "boss@example.org maildir",
	    MATCH_EXACT, 0 },
	{ LIST_ROUTES, "boss+x@example.org", "boss@example.org maildir",
	    MATCH_EXTENSION, 0 },
	{ LIST_ROUTES, "x@example.org", "example.org smtp", MATCH_DOMAIN, 0 },
	{ LIST_ROUTES, "x@a.example.org", ".example.org smtp", MATCH_PARENT,
	    0 },
	{ LIST_ROUTES, "x@example.net", ".net smtp", MATCH_PARENT, 0 },
	{ LIST_ROUTES, "x@example.com", "* smtp", MATCH_ANY, 0 },
	{ LIST_ROUTES, "example.com", "* smtp", MATCH_ANY, 0 },
	{ LIST_RELAY, "10.1.2.3", "10.0.0.0/8 relay", MATCH_DOMAIN, 8 },
	{ LIST_RELAY, "Mail.example.org", "mail.example.org relay", MATCH_EXACT,
	    0 },
	{ LIST_RELAY, "a.mail.example.org", NULL, 0, 0 },
	{ LIST_RELAY, "a.b.office.example", ".office.example relay",
	    MATCH_PARENT, 0 },
	{ LIST_RELAY, "office.example", ".office.example relay", MATCH_PARENT,
	    0 },
	{ LIST_RELAY, "bad.office.example", "bad.office.example deny",
	    MATCH_EXACT, 0 },
	{ LIST_RELAY, "xoffice.example", NULL, 0, 0 },
	{ LIST_RELAY, "a.gone.example", NULL, 0, 0 },
	{ LIST_SENDERS, "<>", "<> allow", MATCH_EXACT, 0 },
	{ LIST_SENDERS, "x@spam.example", "@spam.example reject", MATCH_DOMAIN,
	    0 },
	{ LIST_NAMES, "a.dyn.example", ".dyn.example reject", MATCH_PARENT, 0 },
	{ LIST_NAMES, "helo:LOCALHOST", "helo:localhost allow", MATCH_EXACT,
	    0 },
	{ LIST_NAMES, "localhost", NULL, 0, 0 },
	{ LIST_WORDS, "Buy  Now", "buy now tag", MATCH_EXACT, 0 },
};

static int
setup(void **state)
{
	struct fixture *f;
	size_t i;

	fixture_setup(state);
	f = *state;
	for (i = 0; i < NITEMS(sources); i++)
		fixture_write(f, sources[i].name, sources[i].text);
	return 0;
}

static void
test_rows(void **state)
{
	struct generation *g = fixture_open(*state);
	char matched[MAILBOX_TEXT_MAX], have[1024];
	struct list_entry e;
	enum list_found r;
	size_t i;

	for (i = 0; i < NITEMS(rows); i++) {
		r = list_find_text(g, rows[i].list, rows[i].key, NOW, &e,
		    matched);
		if (r == LIST_DAMAGED ||
		    (r == LIST_FOUND) != (rows[i].want != NULL))
			fail_msg("%s: %d %s", rows[i].key, r, matched);
		if (r == LIST_NONE)
			continue;
		snprintf(have, sizeof(have), "%s %s", matched,
		    list_action_name(e.action));
		assert_string_equal(have, rows[i].want);
		assert_int_equal(e.match, rows[i].match);
		assert_int_equal(e.prefix_len, rows[i].prefix_len);
		assert_int_equal(e.list, rows[i].list);
	}
	generation_close(g);
}

/* What a session asks, and all that an entry says. */
static void
test_entry(void **state)
{
	struct generation *g = fixture_open(*state);
	struct list_entry e;
	struct list_info info;
	struct addr a;

	assert_int_equal(addr_parse(&a, "203.0.113.200"), 0);
	assert_int_equal(list_find_addr(g, LIST_BANNED, &a, NOW, &e),
	    LIST_FOUND);
	assert_int_equal(e.action, ACT_DROP);
	assert_int_equal(e.until, NOW + 1);
	assert_string_equal(e.file, "banned");
	assert_int_equal(e.line, 5);
	assert_int_equal(list_find_mailbox(g, LIST_RECIPIENTS, "OLD",
			     "example.org", NOW, &e),
	    LIST_FOUND);
	assert_int_equal(e.action, ACT_MOVED);
	assert_string_equal(e.argument, "new@example.net");
	assert_string_equal(e.text, "he went");
	assert_int_equal(list_find_mailbox(g, LIST_SENDERS, "", "", NOW, &e),
	    LIST_FOUND);
	assert_int_equal(list_find_mailbox(g, LIST_ROUTES, "", "", NOW, &e),
	    LIST_NONE);
	assert_int_equal(list_find_name(g, LIST_DOMAINS, "not a name", NOW, &e),
	    LIST_NONE);
	generation_info(g, LIST_DOMAINS, &info);
	assert_int_equal(info.count, 3);
	assert_true(info.has_names);
	assert_string_equal(info.first, "example.org");
	generation_close(g);
}

static void
test_no_key(void **state)
{
	struct generation *g = fixture_open(*state);
	char matched[MAILBOX_TEXT_MAX];
	struct list_entry e;

	assert_int_equal(list_find_text(g, LIST_BANNED, "x", NOW, &e, matched),
	    LIST_NONE);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(list_find_text(g, LIST_BANNED, "192.0.2.1", NOW, &e,
			     matched),
	    LIST_NONE);
	assert_int_equal(errno, 0);
	generation_close(g);
}

/* A local part or name of any length is looked up without harm. */
static void
test_long(void **state)
{
	struct generation *g = fixture_open(*state);
	char local[4096];
	struct list_entry e;

	memset(local, 'a', sizeof(local) - 1);
	local[sizeof(local) - 1] = '\0';
	assert_int_equal(list_find_mailbox(g, LIST_RECIPIENTS, local,
			     "example.net", NOW, &e),
	    LIST_FOUND);
	assert_int_equal(e.match, MATCH_DOMAIN);
	assert_int_equal(list_find_mailbox(g, LIST_RECIPIENTS, "x", local, NOW,
			     &e),
	    LIST_NONE);
	assert_int_equal(list_find_name(g, LIST_DOMAINS, local, NOW, &e),
	    LIST_NONE);
	generation_close(g);
}

/* Dump, compile the dump, dump: the same text. */
static void
test_dump(void **state)
{
	struct fixture *f = *state;
	struct generation *g = fixture_open(f);
	struct list_error e;
	char *text[LIST_COUNT], *again;
	size_t size;
	FILE *out;
	int i;

	for (i = 0; i < LIST_COUNT; i++) {
		out = open_memstream(&text[i], &size);
		assert_int_equal(list_dump(g, (enum list_id)i, out), 0);
		fclose(out);
		fixture_write(f, list_name((enum list_id)i), text[i]);
	}
	assert_int_equal(fixture_compile(f), COMPILE_DONE);
	assert_int_equal(fixture_refresh(f, &g, &e), GENERATION_NEW);
	for (i = 0; i < LIST_COUNT; i++) {
		out = open_memstream(&again, &size);
		assert_int_equal(list_dump(g, (enum list_id)i, out), 0);
		fclose(out);
		assert_string_equal(text[i], again);
		free(text[i]);
		free(again);
	}
	generation_close(g);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_rows, setup,
		    fixture_teardown),
		cmocka_unit_test_setup_teardown(test_entry, setup,
		    fixture_teardown),
		cmocka_unit_test_setup_teardown(test_no_key, setup,
		    fixture_teardown),
		cmocka_unit_test_setup_teardown(test_long, setup,
		    fixture_teardown),
		cmocka_unit_test_setup_teardown(test_dump, setup,
		    fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
