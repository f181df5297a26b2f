/*
 * Names and mailboxes. A row that fails is a recipient who is not found, or
 * one who is found and should not be.
 */
#include "lists/name.h"
#include "tests/unit/fixture.h"

static const struct {
	const char *in, *out; /* out NULL: must be refused */
} names[] = {
	{ "Example.ORG", "example.org" },
	{ "a", "a" },
	{ "_x.ex-ample.org", "_x.ex-ample.org" },
	{ "", NULL },
	{ ".", NULL },
	{ "a.", NULL },
	{ ".a", NULL },
	{ "a..b", NULL },
	{ "a b", NULL },
	{ "a@b", NULL },
	{ "b\xc3\xbc.example", NULL },
	{ "0123456789012345678901234567890123456789012345678901234567890123",
	    NULL },
	{ "012345678901234567890123456789012345678901234567890123456789012",
	    "012345678901234567890123456789012345678901234567890123456789012" },
};

static void
test_names(void **state)
{
	char out[NAME_TEXT_MAX];
	size_t i;

	(void)state;
	for (i = 0; i < NITEMS(names); i++) {
		if (name_canonical(out, names[i].in, strlen(names[i].in)) == -1)
			assert_null(names[i].out);
		else if (names[i].out == NULL)
			fail_msg("%s was taken", names[i].in);
		else
			assert_string_equal(out, names[i].out);
	}
}

/* 255 octets are a name, 256 are none. */
static void
test_longest(void **state)
{
	char text[300], out[NAME_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = i % 2 == 0 ? 'a' : '.';
	assert_int_equal(name_canonical(out, text, 255), 0);
	assert_int_equal(strlen(out), 255);
	text[255] = 'a';
	assert_int_equal(name_canonical(out, text, 256), -1);
}

static const struct {
	const char *in, *local, *out; /* local NULL: must be refused */
} boxes[] = {
	{ "joe@Example.org", "joe", "joe@example.org" },
	{ "Joe.X+y@example.org", "Joe.X+y", "Joe.X+y@example.org" },
	{ "\"joe\"@example.org", "joe", "joe@example.org" },
	{ "\"joe smith\"@example.org", "joe smith",
	    "\"joe smith\"@example.org" },
	{ "\"a\\\"\\b@c\"@d.example", "a\"b@c", "\"a\\\"b@c\"@d.example" },
	{ "\"a..b\"@d.example", "a..b", "\"a..b\"@d.example" },
	{ "joe", NULL, NULL },
	{ "@example.org", NULL, NULL },
	{ "\"\"@example.org", NULL, NULL },
	{ "\"joe@example.org", NULL, NULL },
	{ "\"joe\"x@example.org", NULL, NULL },
	{ "\"joe\\", NULL, NULL },
	{ "joe@", NULL, NULL },
	{ "joe@example.org.", NULL, NULL },
	{ "joe@a@b", NULL, NULL },
	{ ".joe@d.example", NULL, NULL },
	{ "joe.@d.example", NULL, NULL },
	{ "j..e@d.example", NULL, NULL },
	{ "j e@d.example", NULL, NULL },
	{ "j\xc3\xb6@d.example", "j\xc3\xb6", "j\xc3\xb6@d.example" },
	{ "j\xc3@d.example", NULL, NULL },
	{ "j\x80@d.example", NULL, NULL },
	{ "joe@[192.0.2.1]", NULL, NULL },
	{ "joe@192.0.2.1", NULL, NULL },
};

static void
test_mailboxes(void **state)
{
	char out[MAILBOX_TEXT_MAX];
	struct mailbox m;
	const char *why;
	size_t i;

	(void)state;
	for (i = 0; i < NITEMS(boxes); i++) {
		if (mailbox_parse(&m, boxes[i].in, strlen(boxes[i].in), &why) ==
		    -1) {
			if (boxes[i].local != NULL)
				fail_msg("%s: %s", boxes[i].in, why);
			continue;
		}
		if (boxes[i].local == NULL)
			fail_msg("%s was taken", boxes[i].in);
		assert_string_equal(m.local, boxes[i].local);
		mailbox_format(out, m.local, m.domain);
		assert_string_equal(out, boxes[i].out);
	}
}

static void
test_local_length(void **state)
{
	char text[100];
	struct mailbox m;
	const char *why;

	(void)state;
	memset(text, 'a', sizeof(text));
	memcpy(text + 64, "@b", 2);
	assert_int_equal(mailbox_parse(&m, text, 66, &why), 0);
	memcpy(text + 64, "a@b", 3);
	assert_int_equal(mailbox_parse(&m, text, 67, &why), -1);
}

static const struct {
	const char *text;
	bool good;
} texts[] = {
	{ "", true },
	{ "plain ~", true },
	{ "\xc2\xa0", true },
	{ "\xc3\xa4", true },
	{ "\xdf\xbf", true },
	{ "\xe0\xa0\x80", true },
	{ "\xe4\xbe\x8b", true },
	{ "\xed\x9f\xbf", true },
	{ "\xef\xbf\xbf", true },
	{ "\xf0\x90\x80\x80", true },
	{ "\xf4\x8f\xbf\xbf", true },
	/* controls */
	{ "\t", false },
	{ "\x1f", false },
	{ "\x7f", false },
	{ "\xc2\x80", false },
	{ "\xc2\x9f", false },
	/* cut, stray, too long, surrogates, too far */
	{ "\xc3", false },
	{ "\xe4\xbe", false },
	{ "\xf0\x9f", false },
	{ "\xf0\x9f\x98", false },
	{ "\x80", false },
	{ "a\xbf", false },
	{ "\xc3\xa4\xa4", false },
	{ "\xc3x", false },
	{ "\xc0\xaf", false },
	{ "\xc1\xbf", false },
	{ "\xe0\x9f\xbf", false },
	{ "\xf0\x8f\xbf\xbf", false },
	{ "\xed\xa0\x80", false },
	{ "\xed\xbf\xbf", false },
	{ "\xf4\x90\x80\x80", false },
	{ "\xf5\x80\x80\x80", false },
	{ "\xfe", false },
	{ "\xff", false },
};

static void
test_utf8(void **state)
{
	size_t i, len;
	char *copy;
	bool good;

	(void)state;
	for (i = 0; i < NITEMS(texts); i++) {
		len = strlen(texts[i].text);
		copy = malloc(len); /* a read behind it would be seen */
		assert_true(copy != NULL || len == 0);
		memcpy(copy, texts[i].text, len);
		good = utf8_is_text(copy, len);
		free(copy);
		if (good != texts[i].good)
			fail_msg("row %zu", i);
	}
	assert_false(utf8_is_text("a\0b", 3));
}

/* A label of U-labels is one of at most 63 octets when it is an A-label. */
static void
test_long_names(void **state)
{
	char text[400], out[NAME_TEXT_MAX];
	size_t i, n = 0;

	(void)state;
	for (i = 0; i < 30; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "\xc3\xa4");
	assert_int_equal(name_from_text(out, text, n), 0);
	for (; i < 100; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "\xc3\xa4");
	assert_int_equal(name_from_text(out, text, n), -1);
	for (n = 0; n < 255;)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "\xc3\xa4.");
	assert_int_equal(name_from_text(out, text, 254), -1);
	assert_int_equal(name_from_text(out, text, 27), -1); /* a dot */
	assert_int_equal(name_from_text(out, text, 29), 0);
	assert_int_equal(strlen(out), 79);
	assert_int_equal(name_from_text(out, text, 255 + 2), -1);
	assert_int_equal(name_from_text(out, "", 0), -1);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_longest),
		cmocka_unit_test(test_mailboxes),
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_long_names),
		cmocka_unit_test(test_local_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
