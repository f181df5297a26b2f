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

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chunks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
