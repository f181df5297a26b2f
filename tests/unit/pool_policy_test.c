/*
 * The arithmetic of the pool, as rows.
 */
#include "daemon/pool_policy.h"
#include "tests/unit/fixture.h"

static const struct pool_limits usual = { 8, 400, 4 };
static const struct pool_limits single = { 1, 1, 1 };
static const struct pool_limits narrow = { 2, 6, 2 };
static const struct pool_limits wide = { 1, 9, 1 };

static void
starts(void **unused)
{
	static const struct {
		const struct pool_limits *limits;
		int total, idle, want;
	} rows[] = {
		{ &usual, 0, 0, 8 },	  /* the beginning */
		{ &usual, 8, 8, 0 },	  /* at rest */
		{ &usual, 7, 7, 1 },	  /* one died */
		{ &usual, 8, 4, 0 },	  /* as many spare as wanted */
		{ &usual, 8, 3, 1 },	  /* one too few */
		{ &usual, 8, 0, 4 },	  /* all taken */
		{ &usual, 80, 0, 10 },	  /* all taken: an eighth more */
		{ &usual, 80, 1, 3 },	  /* not all */
		{ &usual, 398, 0, 2 },	  /* never beyond max */
		{ &usual, 400, 0, 0 },	  /* the end */
		{ &usual, 401, 0, 0 },	  /* max was more before a reload */
		{ &usual, 400, 400, 0 },  /* nothing to do */
		{ &single, 0, 0, 1 },
		{ &single, 1, 0, 0 },
		{ &single, 1, 1, 0 },
		{ &narrow, 0, 0, 2 },
		{ &narrow, 2, 1, 1 },
		{ &narrow, 5, 0, 1 },
		{ &narrow, 6, 0, 0 },
	};
	size_t i;

	(void)unused;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(pool_start(rows[i].limits, rows[i].total,
				     rows[i].idle),
		    rows[i].want);
}

static void
stops(void **unused)
{
	static const struct {
		const struct pool_limits *limits;
		int total, idle, want;
	} rows[] = {
		{ &usual, 8, 8, 0 },	  /* never below min */
		{ &usual, 9, 9, 1 },	  /* one above both lines */
		{ &usual, 100, 8, 0 },	  /* idle, but within hysteresis */
		{ &usual, 100, 9, 1 },	  /* one above */
		{ &usual, 100, 20, 6 },	  /* half of what is too much */
		{ &usual, 400, 400, 196 },
		{ &usual, 10, 10, 1 },	  /* min stands before spare */
		{ &single, 1, 1, 0 },
		{ &wide, 7, 7, 3 },
		{ &wide, 4, 4, 1 },
		{ &wide, 3, 3, 1 },
		{ &wide, 2, 2, 0 },
	};
	size_t i;

	(void)unused;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(pool_stop(rows[i].limits, rows[i].total,
				     rows[i].idle),
		    rows[i].want);
}

/* What is retired is never started again for it: no to and fro. */
static void
comes_to_rest(void **unused)
{
	static const struct pool_limits *const all[] = { &usual, &single,
		&narrow, &wide };
	const struct pool_limits *l;
	int total, idle, n;
	size_t i;

	(void)unused;
	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		l = all[i];
		for (total = l->min; total <= l->max; total++) {
			for (idle = 0; idle <= total; idle++) {
				n = pool_stop(l, total, idle);
				assert_true(n >= 0 && n <= idle);
				assert_true(n == 0 || total - n >= l->min);
				if (n > 0)
					assert_int_equal(
					    pool_start(l, total - n, idle - n),
					    0);
				n = pool_start(l, total, idle);
				assert_true(n >= 0 && total + n <= l->max);
			}
		}
	}
}

static void
wakes(void **unused)
{
	(void)unused;
	assert_int_equal(pool_wake_below(&usual, 8), 4);
	assert_int_equal(pool_wake_below(&usual, 399), 4);
	assert_int_equal(pool_wake_below(&usual, 400), 0);
	assert_int_equal(pool_wake_below(&single, 1), 0);
}

static void
pauses(void **unused)
{
	int n, before = 0, ms;

	(void)unused;
	assert_int_equal(pool_pause_ms(-1), 0);
	assert_int_equal(pool_pause_ms(0), 0);
	assert_int_equal(pool_pause_ms(1), 100);
	assert_int_equal(pool_pause_ms(2), 200);
	assert_int_equal(pool_pause_ms(5), 1600);
	for (n = 1; n < 1000; n++) {
		ms = pool_pause_ms(n);
		assert_true(ms >= before && ms <= 30000);
		before = ms;
	}
	assert_int_equal(pool_pause_ms(2000000000), 30000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(starts),
		cmocka_unit_test(stops),
		cmocka_unit_test(comes_to_rest),
		cmocka_unit_test(wakes),
		cmocka_unit_test(pauses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
