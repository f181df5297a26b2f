/*
 * The arithmetic of the pool. A row that fails is a client that waits although
 * a worker could be had, or a host with more workers than were allowed.
 */
#include "daemon/pool_policy.h"
#include "tests/unit/fixture.h"

static const struct {
	struct pool_limits l; /* min, max, spare */
	int total, idle, owed;
	int start;
} starts[] = {
	{ { 8, 400, 4 }, 0, 0, 0, 8 }, /* the beginning */
	{ { 8, 400, 4 }, 8, 8, 0, 0 }, /* nothing to do */
	{ { 8, 400, 4 }, 8, 4, 0, 0 }, /* the line itself */
	{ { 8, 400, 4 }, 8, 3, 0, 1 }, /* one below it */
	{ { 8, 400, 4 }, 8, 1, 0, 3 },
	{ { 8, 400, 4 }, 8, 0, 0, 4 },
	{ { 8, 400, 4 }, 7, 7, 0, 1 },	 /* one died */
	{ { 8, 400, 4 }, 80, 0, 0, 10 }, /* a rush: an eighth */
	{ { 8, 400, 4 }, 80, 1, 0, 3 },
	{ { 8, 400, 4 }, 398, 0, 0, 2 }, /* up to max */
	{ { 8, 400, 4 }, 400, 0, 0, 0 },
	{ { 8, 400, 4 }, 401, 0, 0, 0 }, /* above it, as after a reload */
	{ { 8, 8, 8 }, 8, 0, 0, 0 },
	{ { 1, 1, 1 }, 0, 0, 0, 1 },
	{ { 1, 10000, 50 }, 0, 0, 0, 50 }, /* spare above min */
	/* one that was killed is replaced though enough are idle */
	{ { 8, 400, 4 }, 20, 15, 1, 1 },
	{ { 8, 400, 4 }, 20, 3, 1, 1 },
	{ { 8, 400, 4 }, 20, 2, 1, 2 },
	{ { 8, 400, 4 }, 400, 15, 2, 0 },
};

static void
test_start(void **state)
{
	size_t i;
	int n;

	(void)state;
	for (i = 0; i < NITEMS(starts); i++) {
		n = pool_start(&starts[i].l, starts[i].total, starts[i].idle,
		    starts[i].owed);
		if (n != starts[i].start)
			fail_msg("row %zu: %d", i, n);
	}
}

static const struct {
	struct pool_limits l;
	int total, idle;
	int stop;
} stops[] = {
	{ { 8, 400, 4 }, 8, 8, 0 },  /* min stays */
	{ { 8, 400, 4 }, 20, 8, 0 }, /* twice the line stays */
	{ { 8, 400, 4 }, 20, 9, 1 },
	{ { 8, 400, 4 }, 20, 20, 6 }, /* half of what is too much */
	{ { 8, 400, 4 }, 9, 9, 1 },
	{ { 8, 400, 4 }, 400, 400, 196 },
	{ { 8, 400, 4 }, 400, 0, 0 }, /* nobody who works */
	{ { 1, 400, 1 }, 3, 3, 1 },
	{ { 1, 400, 1 }, 2, 2, 0 },
	{ { 50, 400, 4 }, 60, 60, 5 },
};

static void
test_stop(void **state)
{
	size_t i;
	int n;

	(void)state;
	for (i = 0; i < NITEMS(stops); i++) {
		n = pool_stop(&stops[i].l, stops[i].total, stops[i].idle);
		if (n != stops[i].stop)
			fail_msg("row %zu: %d", i, n);
	}
}

static const struct {
	struct pool_limits l;
	int total, below;
} wakes[] = {
	{ { 8, 400, 4 }, 8, 4 },
	{ { 8, 400, 4 }, 399, 4 },
	{ { 8, 400, 4 }, 400, 0 }, /* nothing could be started */
	{ { 8, 400, 4 }, 500, 0 },
};

static void
test_wake(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < NITEMS(wakes); i++)
		assert_int_equal(pool_wake_below(&wakes[i].l, wakes[i].total),
		    wakes[i].below);
}

/* It grows, never above half a minute, also where it would overflow. */
static void
test_pause(void **state)
{
	int i, ms, before = 0;

	(void)state;
	assert_int_equal(pool_pause_ms(-1), 0);
	assert_int_equal(pool_pause_ms(0), 0);
	for (i = 1; i < 10; i++) {
		ms = pool_pause_ms(i);
		assert_true(ms > before);
		before = ms;
	}
	for (; i < 1000; i++)
		assert_int_equal(pool_pause_ms(i), 30000);
	assert_int_equal(pool_pause_ms(0x7fffffff), 30000);
}

/*
 * Start, then stop, as the master does at a tick. A worker whom the policy
 * retires must have been idle, and the limits hold at every step.
 */
static int
step(const struct pool_limits *l, int total, int busy)
{
	int n;

	n = pool_start(l, total, total - busy, 0);
	assert_true(n >= 0);
	total += n;
	assert_in_range(total, l->min, l->max);
	assert_true(total == l->max || total - busy >= l->spare);
	n = pool_stop(l, total, total - busy);
	assert_in_range(n, 0, total - busy);
	total -= n;
	assert_in_range(total, l->min, l->max);
	assert_true(total == l->max || total - busy >= l->spare);
	return total;
}

static const struct pool_limits many[] = {
	{ 1, 1, 1 },
	{ 1, 2, 1 },
	{ 8, 8, 8 },
	{ 8, 400, 4 },
	{ 8, 400, 400 },
	{ 1, 16384, 1 },
	{ 100, 1000, 10 },
};

static void
test_limits_under_any_load(void **state)
{
	int round, busy, total;
	size_t i;

	(void)state;
	srandom(2);
	for (i = 0; i < NITEMS(many); i++) {
		total = 0;
		for (round = 0; round < 20000; round++) {
			busy = (int)(random() % (total + 1));
			total -= (int)(random() % (total - busy + 1)) / 8;
			total = step(&many[i], total, busy);
		}
	}
}

/* Under a steady load the pool comes to rest, and soon. */
static void
test_converges(void **state)
{
	int busy, total, before, round;
	size_t i;

	(void)state;
	for (i = 0; i < NITEMS(many); i++) {
		for (busy = 0; busy <= many[i].max; busy += 1 + busy / 7) {
			total = many[i].max;
			for (round = 0; round < 40; round++) {
				before = total;
				total = step(&many[i], total, busy);
				assert_true(total <= before);
			}
			assert_int_equal(total, before);
			assert_true(total == many[i].min ||
			    total - busy <= 2 * many[i].spare);
		}
	}
}

/* A rush is met: clients that wait are served after a few wake-ups. */
static void
test_a_rush(void **state)
{
	static const struct pool_limits l = { 8, 1000, 4 };
	int total = 8, waiting = 1000, times = 0, n;

	(void)state;
	waiting -= total;
	for (; waiting > 0; times++) {
		n = pool_start(&l, total, 0, 0);
		assert_true(n > 0);
		total += n;
		waiting -= n;
		assert_true(total <= l.max);
	}
	assert_true(times < 60);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_start),
		cmocka_unit_test(test_stop),
		cmocka_unit_test(test_wake),
		cmocka_unit_test(test_pause),
		cmocka_unit_test(test_limits_under_any_load),
		cmocka_unit_test(test_converges),
		cmocka_unit_test(test_a_rush),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
