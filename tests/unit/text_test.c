/*
 * Text that grows: a row that fails is a log line that lies, or a buffer that
 * is written behind its end.
 */
#include "tests/unit/fixture.h"
#include "worker/text.h"

static const struct {
	int64_t number;
	const char *out;
} numbers[] = {
	{ 0, "0" },
	{ 7, "7" },
	{ 10, "10" },
	{ 554, "554" },
	{ -1, "-1" },
	{ INT64_MAX, "9223372036854775807" },
	{ INT64_MIN, "-9223372036854775808" },
};

static void
test_numbers(void **state)
{
	char buf[32];
	struct text t;
	size_t i;

	(void)state;
	for (i = 0; i < NITEMS(numbers); i++) {
		text_start(&t, buf, sizeof(buf));
		text_add_number(&t, numbers[i].number);
		assert_string_equal(buf, numbers[i].out);
	}
}

/* In a buffer of each size: as much as fits, and nothing behind it. */
static void
test_cut(void **state)
{
	static const char whole[] = "one:-23:";
	char buf[16];
	struct text t;
	size_t size, fits;

	(void)state;
	for (size = 1; size < sizeof(buf); size++) {
		memset(buf, '#', sizeof(buf));
		text_start(&t, buf, size);
		assert_string_equal(buf, "");
		text_add(&t, "one:");
		text_add_number(&t, -23);
		text_add(&t, "");
		text_add(&t, ":");
		fits = size - 1 < strlen(whole) ? size - 1 : strlen(whole);
		assert_int_equal(strlen(buf), fits);
		assert_memory_equal(buf, whole, fits);
		assert_int_equal(buf[size], '#');
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
