/*
 * Arguments of commands. A row of BDAT that fails is a chunk whose octets are
 * taken for commands.
 */
#include "tests/unit/fixture.h"
#include "worker/args.h"

static const struct {
	const char *arg;
	int64_t size; /* -1: must be refused */
	bool last;
} chunks[] = {
	{ "0", 0, false },
	{ "1", 1, false },
	{ "1 LAST", 1, true },
	{ "1 last", 1, true },
	{ "1 LaSt", 1, true },
	{ "1   LAST", 1, true },
	{ "0 LAST", 0, true },
	{ "0001", 1, false },
	{ "86400000", 86400000, false },
	{ "2147483648", 2147483648, false },
	{ "9223372036854775799", 9223372036854775799, false },
	/* more than there can be */
	{ "9223372036854775808", INT64_MAX, false },
	{ "18446744073709551616", INT64_MAX, false },
	{ "18446744073709551617 LAST", INT64_MAX, true },
	{ "99999999999999999999999999999999", INT64_MAX, false },
	/* no size, or no end to it */
	{ "", -1, false },
	{ " 1", -1, false },
	{ "LAST", -1, false },
	{ "-1", -1, false },
	{ "+1", -1, false },
	{ "0x10", -1, false },
	{ "1k", -1, false },
	{ "1.0", -1, false },
	{ "1LAST", -1, false },
	{ "1,LAST", -1, false },
	{ "1 FIRST", -1, false },
	{ "1 LAS", -1, false },
	{ "1 LASTX", -1, false },
	{ "1 LAST LAST", -1, false },
	{ "1 LAST 1", -1, false },
	{ "1 2", -1, false },
	{ "1\t", -1, false },
	{ "1 \xc2\xa0LAST", -1, false },
};

static void
test_chunks(void **state)
{
	int64_t size = 0;
	bool last = false;
	size_t i, len;
	char *copy;
	int r;

	(void)state;
	for (i = 0; i < NITEMS(chunks); i++) {
		len = strlen(chunks[i].arg);
		copy = malloc(len); /* a read behind it would be seen */
		assert_true(copy != NULL || len == 0);
		memcpy(copy, chunks[i].arg, len);
		r = bdat_parse(copy, copy + len, &size, &last);
		free(copy);
		if (r != (chunks[i].size == -1 ? -1 : 0) ||
		    (r == 0 &&
			(size != chunks[i].size || last != chunks[i].last)))
			fail_msg("`%s`: %d, %lld %d", chunks[i].arg, r,
			    (long long)size, last);
	}
}

static const struct {
	bool (*is)(const char *, size_t);
	const char *value;
	bool good;
} values[] = {
	{ dsn_ret, "FULL", true },
	{ dsn_ret, "hdrs", true },
	{ dsn_ret, "", false },
	{ dsn_ret, "FULLY", false },
	{ dsn_ret, "FUL", false },
	{ dsn_ret, "FULL,HDRS", false },
	{ dsn_envid, "QQ314159", true },
	{ dsn_envid, "a+20b+2Bc+3D", true },
	{ dsn_envid, "!*,-<>~", true },
	{ dsn_envid, "", false },
	{ dsn_envid, "a+", false },
	{ dsn_envid, "a+2", false },
	{ dsn_envid, "a+2g", false },
	{ dsn_envid, "a+2b", false },
	{ dsn_envid, "a+0A", false },
	{ dsn_envid, "a+00", false },
	{ dsn_envid, "a+7F", false },
	{ dsn_envid, "a+C3+A4", false },
	{ dsn_envid, "a=b", false },
	{ dsn_envid, "a b", false },
	{ dsn_envid, "\xc3\xa4", false },
	{ dsn_notify, "NEVER", true },
	{ dsn_notify, "never", true },
	{ dsn_notify, "SUCCESS", true },
	{ dsn_notify, "FAILURE,delay", true },
	{ dsn_notify, "DELAY,SUCCESS,FAILURE", true },
	{ dsn_notify, "", false },
	{ dsn_notify, ",", false },
	{ dsn_notify, "SUCCESS,", false },
	{ dsn_notify, ",SUCCESS", false },
	{ dsn_notify, "SUCCESS,,DELAY", false },
	{ dsn_notify, "NEVER,SUCCESS", false },
	{ dsn_notify, "SUCCESS,NEVER", false },
	{ dsn_notify, "SUCCESS;DELAY", false },
	{ dsn_notify, "OFTEN", false },
	{ dsn_orcpt, "rfc822;Bob@ivory.example", true },
	{ dsn_orcpt, "rfc822;a+2Bb@c.example", true },
	{ dsn_orcpt, "x-local;a", true },
	{ dsn_orcpt, "rfc822;a;b", true },
	{ dsn_orcpt, "", false },
	{ dsn_orcpt, "rfc822", false },
	{ dsn_orcpt, "rfc822;", false },
	{ dsn_orcpt, ";a@b.example", false },
	{ dsn_orcpt, "a@b.example", false },
	{ dsn_orcpt, "rfc.822;a", false },
	{ dsn_orcpt, "rfc822;a+0D+0A", false },
	{ dsn_orcpt, "rfc822;a=b", false },
	{ dsn_orcpt, "rfc822;\xc3\xa4@b.example", false },
	{ dsn_orcpt, "utf-8;\xc3\xa4@b.example", true },
	{ dsn_orcpt, "UTF-8;\\x{E4}@b.example", true },
	{ dsn_orcpt, "utf-8;\xc3@b.example", false },
	{ dsn_orcpt, "utf-8;a=\xc3\xa4", false },
	{ dsn_orcpt, "utf-8;a\tb", false },
	{ dsn_orcpt, "utf-8;", false },
	{ dsn_orcpt, "\xc3\xa4;a", false },
};

static bool
is_value(size_t i)
{
	size_t len = strlen(values[i].value);
	char *copy = malloc(len); /* a read behind it would be seen */
	bool good;

	assert_true(copy != NULL || len == 0);
	memcpy(copy, values[i].value, len);
	good = values[i].is(copy, len);
	free(copy);
	return good;
}

static void
test_dsn(void **state)
{
	char text[700];
	size_t i;

	(void)state;
	for (i = 0; i < NITEMS(values); i++)
		if (is_value(i) != values[i].good)
			fail_msg("row %zu: %s", i, values[i].value);
	assert_false(dsn_ret(NULL, 0) || dsn_envid(NULL, 0) ||
	    dsn_notify(NULL, 0) || dsn_orcpt(NULL, 0));
	memset(text, 'a', sizeof(text));
	assert_true(dsn_envid(text, 100));
	assert_false(dsn_envid(text, 101));
	for (i = 0; i < sizeof(text) - 3; i += 3)
		memcpy(text + i, "+41", 3);
	assert_true(dsn_envid(text, 300));
	assert_false(dsn_envid(text, 303));
	memcpy(text, "x;", 2);
	memset(text + 2, 'a', sizeof(text) - 2);
	assert_true(dsn_orcpt(text, 500));
	assert_false(dsn_orcpt(text, 501));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chunks),
		cmocka_unit_test(test_dsn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
