/*
 * What the workers count together. A failure is a client that is refused for
 * sessions it does not hold, or one that is never refused.
 */
#include <sys/wait.h>

#include <pthread.h>

#include "tests/unit/clients_fixture.h"
#include "worker/clients.h"

static uint64_t
key(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(&a, text), 0);
	return clients_key(c, &a);
}

static bool
nothing_held(void)
{
	size_t i, j;

	for (i = 0; i < CLIENT_BUCKETS; i++)
		for (j = 0; j < CLIENT_BUCKET_WORDS; j++)
			if (c->held[i][j] != 0)
				return false;
	return true;
}

static const struct {
	const char *a, *b;
	bool same;
} keys[] = {
	{ "192.0.2.1", "192.0.2.1", true },
	{ "192.0.2.1", "192.0.2.2", false },
	{ "192.0.2.1", "::ffff:192.0.2.1", true },
	{ "2001:db8::1", "2001:db8::2", true },
	{ "2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", true },
	{ "2001:db8::1", "2001:db8:0:1::1", false },
	{ "192.0.2.1", "c000:201::", false },
	{ "0.0.0.0", "::", false },
};

static void
test_keys(void **state)
{
	uint64_t a, b;
	size_t i;

	(void)state;
	for (i = 0; i < NITEMS(keys); i++) {
		a = key(keys[i].a);
		b = key(keys[i].b);
		assert_int_not_equal(a, 0);
		if ((a == b) != keys[i].same)
			fail_msg("%s, %s", keys[i].a, keys[i].b);
	}
	a = key("192.0.2.1");
	c->secret[0]++; /* nobody outside can tell who shares a bucket */
	assert_int_not_equal(a, key("192.0.2.1"));
	c->secret[0]--;
}

static void
test_counts(void **state)
{
	uint64_t a, b;

	(void)state;
	a = key("192.0.2.1");
	b = key("192.0.2.2");
	assert_int_equal(clients_enter(c, a), 1);
	assert_int_equal(clients_enter(c, a), 2);
	assert_int_equal(clients_enter(c, b), 1);
	assert_int_equal(clients_enter(c, a), 3);
	clients_leave(c, a);
	assert_int_equal(clients_enter(c, a), 3);
	clients_leave(c, b);
	clients_leave(c, b); /* once too often: harmless */
	clients_leave(c, a);
	clients_leave(c, a);
	clients_leave(c, a);
	assert_true(nothing_held());
	clients_leave(c, a);
	assert_int_equal(clients_enter(c, a), 1);
	clients_leave(c, a);
	assert_true(nothing_held());
}

/* One client with more sessions than a word holds, and all of them back. */
static void
test_many_of_one(void **state)
{
	uint64_t a;
	unsigned i, n = 70000;

	(void)state;
	a = key("192.0.2.1");
	for (i = 1; i <= n; i++)
		assert_int_equal(clients_enter(c, a), i);
	for (i = 0; i < n; i++)
		clients_leave(c, a);
	assert_true(nothing_held());
}

/* In a full bucket a further client is not counted, and harms no other. */
static void
test_full_bucket(void **state)
{
	uint64_t k, found[CLIENT_BUCKET_WORDS + 1];
	struct addr a = { .family = 4, .bytes = { 10 } };
	uint64_t bucket = 0;
	uint32_t i;
	size_t n = 0;

	(void)state;
	for (i = 0; n < NITEMS(found); i++) {
		a.bytes[1] = (uint8_t)(i >> 16);
		a.bytes[2] = (uint8_t)(i >> 8);
		a.bytes[3] = (uint8_t)i;
		k = clients_key(c, &a);
		if (n == 0)
			bucket = k >> 16 & (CLIENT_BUCKETS - 1);
		if ((k >> 16 & (CLIENT_BUCKETS - 1)) == bucket)
			found[n++] = k;
	}
	for (n = 0; n < CLIENT_BUCKET_WORDS; n++)
		assert_int_equal(clients_enter(c, found[n]), 1);
	assert_int_equal(clients_enter(c, found[n]), 0);
	assert_int_equal(clients_enter(c, found[0]), 2);
	clients_leave(c, found[3]);
	assert_int_equal(clients_enter(c, found[n]), 1);
	assert_int_equal(clients_enter(c, found[3]), 0);
	clients_leave(c, found[0]);
	for (i = 0; i <= n; i++)
		if (i != 3)
			clients_leave(c, found[i]);
	assert_true(nothing_held());
}

static void
test_idle_bits(void **state)
{
	static const unsigned slots[] = { 0, 1, 63, 64, 65, 127, 4000,
		SLOTS_MAX - 1 };
	size_t i;

	(void)state;
	for (i = 0; i < NITEMS(slots); i++) {
		assert_false(clients_is_idle(c, slots[i]));
		clients_set_idle(c, slots[i]);
		clients_set_idle(c, slots[i]);
		assert_true(clients_is_idle(c, slots[i]));
	}
	assert_int_equal(clients_idle(c, 0), 0);
	assert_int_equal(clients_idle(c, 1), 3);
	assert_int_equal(clients_idle(c, 2), 6);
	assert_int_equal(clients_idle(c, SLOTS_MAX / 64), 8);
	assert_int_equal(clients_idle(c, 100000), 8); /* a lie is bounded */
	for (i = 0; i < NITEMS(slots); i++) {
		clients_set_busy(c, slots[i]);
		clients_set_busy(c, slots[i]);
		assert_false(clients_is_idle(c, slots[i]));
	}
	assert_int_equal(clients_idle(c, SLOTS_MAX / 64), 0);
}

#define MANY   8
#define ROUNDS 20000

/* Sessions of five clients come and go; never more than MANY at once. */
static int
come_and_go(unsigned me)
{
	uint64_t held[3];
	struct addr a = { .family = 4, .bytes = { 192, 0, 2, 0 } };
	unsigned i, j, n, seed = me;

	for (i = 0; i < ROUNDS; i++) {
		for (j = 0; j < NITEMS(held); j++) {
			a.bytes[3] = (uint8_t)(rand_r(&seed) % 5);
			held[j] = clients_key(c, &a);
			n = clients_enter(c, held[j]);
			if (n < 1 || n > MANY * NITEMS(held))
				return 1;
		}
		clients_set_busy(c, me);
		clients_set_idle(c, me);
		for (j = 0; j < NITEMS(held); j++)
			clients_leave(c, held[j]);
	}
	return 0;
}

static void *
thread(void *arg)
{
	unsigned *me = arg;

	*me = (unsigned)come_and_go(*me);
	return NULL;
}

static void
test_forks(void **state)
{
	int i, status;

	(void)state;
	for (i = 0; i < MANY; i++)
		if (fork() == 0)
			_exit(come_and_go((unsigned)i));
	for (i = 0; i < MANY; i++) {
		assert_int_not_equal(wait(&status), -1);
		assert_int_equal(status, 0);
	}
	assert_true(nothing_held());
	assert_int_equal(clients_idle(c, 1), MANY);
}

static void
test_threads(void **state)
{
	pthread_t threads[MANY];
	unsigned result[MANY];
	int i;

	(void)state;
	for (i = 0; i < MANY; i++) {
		result[i] = (unsigned)i;
		assert_int_equal(pthread_create(&threads[i], NULL, thread,
				     &result[i]),
		    0);
	}
	for (i = 0; i < MANY; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(result[i], 0);
	}
	assert_true(nothing_held());
	assert_int_equal(clients_idle(c, 1), MANY);
}

/* ------------------------------------------------------------------- rates */

/* How many of so many events at that time are within the rate. */
static int
taken(uint64_t k, enum rate rate, int most, int64_t now_ms, int events)
{
	int n = 0;

	while (events-- > 0) {
		bool may = clients_may(c, k, rate, most, now_ms);

		assert_int_equal(clients_take(c, k, rate, most, now_ms), may);
		n += may;
	}
	return n;
}

static void
test_rates(void **state)
{
	static const int mosts[] = { 1, 2, 3, 7, 60, 1000, 59999, 60000 };
	uint64_t a = key("192.0.2.1"), b = key("192.0.2.2");
	int64_t t = 1000000;
	size_t i;

	(void)state;
	for (i = 0; i < NITEMS(mosts); i++, t += 1000000) {
		int most = mosts[i], late = 60000 / most + 1;

		/* so many at once, and not one more ... */
		assert_in_range(taken(a, RATE_MESSAGES, most, t, 2 * most),
		    most, most + most / 15);
		/* ... of this client and kind; what is refused costs nothing */
		assert_int_equal(taken(b, RATE_MESSAGES, most, t, 1), 1);
		assert_int_equal(taken(a, RATE_REFUSED, most, t, 1), 1);
		assert_int_equal(taken(a, RATE_MESSAGES, most, t + late, 1), 1);
		if (late > 2)
			assert_int_equal(taken(a, RATE_MESSAGES, most,
					     t + late + 1, 1),
			    0);
		/* after a minute all is as it was */
		assert_in_range(taken(a, RATE_MESSAGES, most, t + 130000,
				    2 * most),
		    most, most + most / 15);
	}
	assert_int_equal(key("2001:db8::1"), key("2001:db8::2"));
}

/* However many clients come, none is refused for what others did. */
static void
test_rates_of_many(void **state)
{
	int64_t t = 1000000;
	int i, refused = 0;

	(void)state;
	memset(c->rates, 0, sizeof(c->rates));
	for (i = 0; i < 200000; i++)
		refused += taken((uint64_t)i << 16 | 0xffff, RATE_CONNECTIONS,
			       2, t, 1) == 0;
	assert_in_range(refused, 0, 20); /* 20 bits may fall together */
}

struct storm {
	uint64_t key;
	int taken;
};

static void *
storm(void *arg)
{
	struct storm *s = arg;
	int i;

	for (i = 0; i < 20000; i++)
		s->taken += clients_take(c, s->key, RATE_REFUSED, 5000,
		    5000000);
	return NULL;
}

/* Several workers at once: nothing is lost and nothing is counted twice. */
static void
test_rates_at_once(void **state)
{
	struct storm storms[4];
	pthread_t threads[4];
	size_t i;
	int sum = 0;

	(void)state;
	memset(c->rates, 0, sizeof(c->rates));
	clients_take(c, key("192.0.2.9"), RATE_REFUSED, 5000, 5000000);
	for (i = 0; i < NITEMS(threads); i++) {
		storms[i].key = key("192.0.2.9");
		storms[i].taken = 0;
		assert_int_equal(pthread_create(&threads[i], NULL, storm,
				     &storms[i]),
		    0);
	}
	for (i = 0; i < NITEMS(threads); i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		sum += storms[i].taken;
	}
	assert_int_equal(sum, 4999);
}

/* ---------------------------------------------------------------- pressure */

static const struct {
	int max, busy;
	bool was, is;
} pressures[] = {
	{ 1, 1, false, false }, { 2, 1, false, false }, { 2, 2, false, true },
	{ 2, 1, true, true }, { 2, 0, true, false }, { 10, 9, false, false },
	{ 10, 10, false, true }, { 10, 9, true, true }, { 10, 8, true, false },
	{ 11, 9, false, false }, { 11, 10, false, true },
	{ 400, 360, false, false }, { 400, 361, false, true },
	{ 400, 321, true, true }, { 400, 320, true, false },
	{ 400, 500, false, true }, /* those of before a reload, too */
};

static void
test_pressure(void **state)
{
	static const struct {
		int max, share;
	} shares[] = { { 1, 1 }, { 2, 1 }, { 4, 3 }, { 10, 9 }, { 11, 9 },
		{ 400, 360 } };

	size_t i;

	(void)state;
	for (i = 0; i < NITEMS(pressures); i++)
		if (clients_pressed(pressures[i].max, pressures[i].busy,
			pressures[i].was) != pressures[i].is)
			fail_msg("row %zu", i);
	for (i = 0; i < NITEMS(shares); i++)
		assert_int_equal(clients_share(shares[i].max), shares[i].share);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_keys, setup, teardown),
		cmocka_unit_test_setup_teardown(test_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_of_one, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_full_bucket, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_idle_bits, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_forks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_threads, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rates, setup, teardown),
		cmocka_unit_test(test_pressure),
		cmocka_unit_test_setup_teardown(test_rates_of_many, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_rates_at_once, setup,
		    teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
