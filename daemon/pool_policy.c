/*
 * The arithmetic of the pool: see the header.
 */
#include "daemon/pool_policy.h"

#define PAUSE_FIRST_MS 100
#define PAUSE_MOST_MS  30000

static int
smaller(int a, int b)
{
	return a < b ? a : b;
}

static int
larger(int a, int b)
{
	return a > b ? a : b;
}

int
pool_start(const struct pool_limits *l, int total, int idle, int owed)
{
	int want;

	want = larger(l->min - total, l->spare - idle);
	if (idle == 0 && total > 0)
		want = larger(want, total / 8);
	return larger(0, smaller(larger(want, owed), l->max - total));
}

int
pool_stop(const struct pool_limits *l, int total, int idle)
{
	int line = 2 * larger(l->spare, 1);
	int excess = smaller(idle - line, total - l->min);

	return excess > 0 ? (excess + 1) / 2 : 0;
}

int
pool_wake_below(const struct pool_limits *l, int total)
{
	return total < l->max ? l->spare : 0;
}

int
pool_pause_ms(int early_deaths)
{
	int ms = PAUSE_FIRST_MS;

	if (early_deaths <= 0)
		return 0;
	while (--early_deaths > 0 && ms < PAUSE_MOST_MS)
		ms *= 2;
	return smaller(ms, PAUSE_MOST_MS);
}
