/*
 * Text that grows: a row that fails is a log line that lies, or a buffer that
 * is written behind its end.
 */
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

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

/* Formats of ours and of the C library's, both as the latter has them. */
static void
same(const char *fmt, ...)
{
	char want[64], got[66];
	struct text t;
	va_list ap;
	size_t size;

	va_start(ap, fmt);
	vsnprintf(want, sizeof(want), fmt, ap);
	va_end(ap);
	for (size = 1; size <= sizeof(want); size++) {
		memset(got, '#', sizeof(got));
		text_start(&t, got, size);
		va_start(ap, fmt);
		text_args(&t, fmt, ap);
		va_end(ap);
		assert_int_equal(strncmp(got, want, size - 1), 0);
		assert_int_equal(strlen(got), t.at - got);
		assert_true(strlen(got) < size);
		assert_int_equal(got[size], '#');
	}
	assert_string_equal(got, want);
}

static void
test_print(void **state)
{
	char six[] = { '1', '2', '3', '4', '5', '6' };

	(void)state;
	same("nothing");
	same("%s", "");
	same("%s%s", "one", "two");
	same("MAIL FROM:<%s>%s", "a@example.org", " SIZE=7");
	same("%.6s", six);
	same("%.3s|%.0s|%.20s", "12345", "12345", "12345");
	same("%d %d %d", 0, -1, INT_MIN);
	same("%u of %u", 7u, UINT_MAX);
	same("%lld", LLONG_MIN);
	same("100%% of %s", "it");
	same("%s is %02x, %ld", "text", 10u, -7L);
	same("%d %5d|%-5s|%.*s", 1, 2, "three", 2, "four");
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_print),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
