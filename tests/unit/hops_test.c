/*
 * What next hops have in common. A row that fails is an extension that is
 * offered where a hop lacks it, or mail that is refused for the want of one.
 */
#include "tests/unit/clients_fixture.h"
#include "worker/hops.h"

#define BOTH (HOP_DSN | HOP_UTF8)

static const struct {
	const char *hops;
	unsigned common;
} rows[] = {
	{ "192.0.2.1:25", BOTH },
	{ "192.0.2.2:25", HOP_DSN },
	{ "192.0.2.3:25", HOP_UTF8 },
	{ "192.0.2.4:25", 0 },
	{ "192.0.2.1:25 192.0.2.2:25", HOP_DSN },
	{ "192.0.2.2:25 192.0.2.3:25", 0 },
	{ "192.0.2.1:25 [2001:db8::1]:25", BOTH },
	{ "192.0.2.1:25 [2001:db8::2]:25", HOP_UTF8 },
	/* another port, another hop */
	{ "192.0.2.1:2525", HOP_UTF8 },
	/* never asked: no say, but somebody must have been */
	{ "192.0.2.9:25", 0 },
	{ "192.0.2.1:26", 0 },
	{ "192.0.2.9:25 192.0.2.1:25", BOTH },
	{ "192.0.2.1:25 192.0.2.9:25 192.0.2.2:25", HOP_DSN },
	{ "", 0 },
	{ NULL, 0 },
	/* a Maildir */
	{ "maildir", HOP_UTF8 },
	{ "192.0.2.1:25 maildir", HOP_UTF8 },
	{ "192.0.2.2:25 maildir", 0 },
	{ "192.0.2.9:25 maildir", HOP_UTF8 },
	/* nobody knows who they are */
	{ "many", 0 },
	{ "many maildir", 0 },
	{ "192.0.2.1:25 other", 0 },
	{ "192.0.2.1", 0 },
	/* names, several hosts, mx, LMTP */
	{ "mail.example.org:25", HOP_UTF8 },
	{ "192.0.2.1:25 mail.example.org:25", HOP_UTF8 },
	{ "192.0.2.1:25 other.example.org:25", BOTH },
	{ "192.0.2.1:25,192.0.2.2:25", HOP_DSN },
	{ "192.0.2.1:25|mail.example.org:25,192.0.2.9:25", HOP_UTF8 },
	{ "mx:example.org:25", HOP_DSN },
	{ "192.0.2.1:25 mx:example.org:25", HOP_DSN },
	{ "example.org:25", 0 },
	{ "lmtp:192.0.2.1:24", HOP_UTF8 },
	{ "192.0.2.1:25 lmtp:192.0.2.1:24", HOP_UTF8 },
	{ "192.0.2.1:25 lmtp:192.0.2.9:24", BOTH },
	{ "lmtp:/run/lmtp maildir", HOP_UTF8 },
};

static void
test_rows(void **state)
{
	size_t i;

	(void)state;
	hops_note(c, "192.0.2.1:25", BOTH);
	hops_note(c, "192.0.2.1:2525", HOP_UTF8);
	hops_note(c, "192.0.2.2:25", HOP_DSN);
	hops_note(c, "192.0.2.3:25", HOP_UTF8);
	hops_note(c, "192.0.2.4:25", 0);
	hops_note(c, "mail.example.org:25", HOP_UTF8);
	hops_note(c, "mx:example.org:25", HOP_DSN);
	hops_note(c, "lmtp:192.0.2.1:24", BOTH);
	hops_note(c, "lmtp:/run/lmtp", BOTH);
	hops_note(c, "[2001:db8::1]:25", BOTH);
	hops_note(c, "[2001:db8::2]:25", HOP_UTF8);
	for (i = 0; i < NITEMS(rows); i++)
		if (hops_common(c, NULL, rows[i].hops) != rows[i].common)
			fail_msg("%s: %u", rows[i].hops,
			    hops_common(c, NULL, rows[i].hops));
	assert_int_equal(hops_common(NULL, NULL, "192.0.2.1:25"), 0);
}

/* What the probe helper has seen counts where no worker has heard anything. */
static void
test_what_was_seen(void **state)
{
	static struct state s;

	(void)state;
	strlcpy(s.hops[3].hop, "192.0.2.1:25", sizeof(s.hops[3].hop));
	assert_int_equal(hops_common(c, &s, "192.0.2.1:25"), 0);
	atomic_store(&s.hops[3].flags, SEEN_HERE | HOP_KNOWN | HOP_DSN);
	assert_int_equal(hops_common(c, &s, "192.0.2.1:25"), HOP_DSN);
	assert_int_equal(hops_common(c, &s, "192.0.2.1:26"), 0);
	assert_false(hops_seen_down(&s, "192.0.2.1:25"));
	atomic_store(&s.hops[3].flags, SEEN_HERE | SEEN_DOWN);
	assert_true(hops_seen_down(&s, "192.0.2.1:25"));
	assert_int_equal(hops_common(c, &s, "192.0.2.1:25"), 0);
	hops_note(c, "192.0.2.1:25", HOP_UTF8);
	assert_int_equal(hops_common(c, &s, "192.0.2.1:25"), HOP_UTF8);
}

/* What it said last counts. */
static void
test_the_last_word(void **state)
{
	(void)state;
	hops_note(c, "192.0.2.1:25", BOTH);
	hops_note(c, "192.0.2.1:25", HOP_DSN);
	assert_int_equal(hops_common(c, NULL, "192.0.2.1:25"), HOP_DSN);
	hops_note(c, "192.0.2.1:25", BOTH);
	assert_int_equal(hops_common(c, NULL, "192.0.2.1:25"), BOTH);
	hops_note(NULL, "192.0.2.1:25", 0); /* nowhere to note it */
}

/* With far more hops than there is room for, no note is of another hop. */
static void
test_a_full_table(void **state)
{
	char text[32];
	unsigned i, known = 0, common;

	(void)state;
	for (i = 0; i < 8 * HOP_NOTES; i++) {
		snprintf(text, sizeof(text), "10.0.%u.%u:25", i / 256, i % 256);
		hops_note(c, text, i % 2 == 0 ? HOP_DSN : HOP_UTF8);
	}
	for (i = 0; i < 8 * HOP_NOTES; i++) {
		snprintf(text, sizeof(text), "10.0.%u.%u:25", i / 256, i % 256);
		common = hops_common(c, NULL, text);
		known += common != 0;
		assert_true(
		    common == 0 || common == (i % 2 == 0 ? HOP_DSN : HOP_UTF8));
	}
	assert_in_range(known, HOP_NOTES / 2, HOP_NOTES);
	hops_note(c, "192.0.2.1:25", BOTH); /* and a new one is always taken */
	assert_int_equal(hops_common(c, NULL, "192.0.2.1:25"), BOTH);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_rows, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_was_seen, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_the_last_word, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_a_full_table, setup,
		    teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
