/*
 * The counts of what DNS lists answer. A failure is a list that refuses all
 * mail and is not probed, or one that is probed with every wave of listed
 * clients.
 */
#include "tests/unit/fixture.h"
#include "worker/zone_health.h"

static struct clients *c;
static struct state *shared;
static struct zone zone = { .entry = 7 };
static struct zone other = { .entry = 8 };

static int
setup(void **state)
{
	(void)state;
	c = aligned_alloc(64, sizeof(*c));
	shared = calloc(1, sizeof(*shared));
	if (c == NULL || shared == NULL)
		return -1;
	memset(c, 0, sizeof(*c));
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	free(c);
	free(shared);
	return 0;
}

/* ------------------------------------------------------------------- surge */

/* So many clients, one after the other, from that many networks. */
struct wave {
	unsigned clients;
	unsigned networks; /* 0: IPv6, each client from a /48 of its own */
	bool listed;
};

static struct addr
client_of(const struct wave *w, unsigned i)
{
	struct addr a;

	memset(&a, 0, sizeof(a));
	a.family = w->networks > 0 ? 4 : 6;
	a.bytes[0] = w->networks > 0 ? 10 : 0x20;
	a.bytes[1] = 1;
	if (w->networks > 0) {
		a.bytes[2] = (uint8_t)(i % w->networks);
		a.bytes[3] = (uint8_t)i;
	} else {
		a.bytes[5] = (uint8_t)i;
	}
	return a;
}

/* How many of these clients made news. */
static unsigned
send_wave(const struct zone *z, const struct wave *w)
{
	unsigned i, news = 0;
	struct addr a;

	for (i = 0; i < w->clients; i++) {
		a = client_of(w, i);
		news += zone_count(c, z, &a, w->listed);
	}
	return news;
}

static const struct {
	const char *what;
	struct wave waves[4];
	unsigned news;
} surges[] = {
	{ "100 listed from 20 networks", { { 100, 20, true } }, 1 },
	{ "99 of them", { { 99, 20, true } }, 0 },
	{ "from 19 networks", { { 1000, 19, true } }, 0 },
	{ "from one", { { 1000, 1, true } }, 0 },
	{ "from 100", { { 100, 100, true } }, 1 },
	{ "IPv6, 20 of a /48 each", { { 20, 0, true }, { 80, 1, true } }, 1 },
	{ "both kinds together", { { 10, 0, true }, { 90, 10, true } }, 1 },
	{ "19 of both", { { 10, 0, true }, { 900, 9, true } }, 0 },
	/* 90 in a hundred, and one less */
	{ "10 clean first", { { 10, 20, false }, { 90, 20, true } }, 1 },
	/* a clean client is no news; the next that is listed is */
	{ "10 clean last", { { 90, 20, true }, { 10, 20, false } }, 0 },
	{ "and one more",
	    { { 90, 20, true }, { 10, 20, false }, { 1, 1, true } }, 1 },
	{ "11 clean first", { { 11, 20, false }, { 89, 20, true } }, 0 },
	{ "11 clean last", { { 89, 20, true }, { 11, 20, false } }, 0 },
	/* the networks of clean clients do not count */
	{ "clean from elsewhere", { { 10, 200, false }, { 90, 19, true } }, 0 },
	/* the 100th need not be the one that makes it so */
	{ "a 20th network later", { { 500, 19, true }, { 20, 20, true } }, 1 },
	/* nine in ten of all, where there are more than a hundred */
	{ "100 of 111",
	    { { 100, 1, true }, { 11, 1, false }, { 20, 20, true } }, 1 },
	{ "100 of 112",
	    { { 100, 1, true }, { 12, 1, false }, { 20, 20, true } }, 0 },
	/* a window ends where the list is seen not to list nearly everybody */
	{ "and is counted anew",
	    { { 100, 20, false }, { 99, 20, true }, { 1, 1, true } }, 1 },
	{ "with no network kept",
	    { { 89, 20, true }, { 11, 1, false }, { 200, 19, true } }, 0 },
	/* told once */
	{ "much more of it", { { 1000, 20, true } }, 1 },
};

static void
test_surges(void **state)
{
	size_t i, j;
	unsigned news;

	(void)state;
	for (i = 0; i < NITEMS(surges); i++) {
		memset(c->zones, 0, sizeof(c->zones));
		news = 0;
		for (j = 0; j < NITEMS(surges[i].waves); j++)
			news += send_wave(&zone, &surges[i].waves[j]);
		if (news != surges[i].news)
			fail_msg("%s: %u", surges[i].what, news);
		assert_int_equal(zone_surged(c, zone.entry), news > 0);
		assert_false(zone_surged(c, zone.entry));
		assert_false(zone_surged(c, other.entry));
	}
}

/* The master takes it back: from then on the next surge is news again. */
static void
test_surge_again(void **state)
{
	static const struct wave w = { 100, 20, true };

	(void)state;
	assert_int_equal(send_wave(&zone, &w), 1);
	assert_int_equal(send_wave(&zone, &w), 0);
	assert_int_equal(send_wave(&other, &w), 1);
	assert_true(zone_surged(c, zone.entry));
	assert_int_equal(send_wave(&zone, &w), 1);
	assert_true(zone_surged(c, zone.entry));
	assert_true(zone_surged(c, other.entry));
}

/* ------------------------------------------------------------------ errors */

static void
test_errors(void **state)
{
	uint32_t reply = 1;

	(void)state;
	assert_false(zone_error(c, zone.entry, &reply));
	assert_int_equal(reply, 0);
	assert_true(zone_note_error(c, &zone, 0x7fffffff));
	assert_false(zone_note_error(c, &zone, 0x7fffffff));
	assert_true(zone_error(c, zone.entry, &reply));
	assert_int_equal(reply, 0x7fffffff);
	assert_false(zone_error(c, other.entry, &reply));
	/* another error is news */
	assert_true(zone_note_error(c, &zone, 0x7ffffffe));
	assert_true(zone_error(c, zone.entry, &reply));
	assert_int_equal(reply, 0x7ffffffe);
	/* looking does not take it away; forgetting does */
	assert_true(zone_error(c, zone.entry, &reply));
	zone_forget_error(c, zone.entry);
	assert_false(zone_error(c, zone.entry, &reply));
	assert_true(zone_note_error(c, &zone, 0x7ffffffe));
	/* even 0.0.0.0 is one */
	assert_true(zone_note_error(c, &other, 0));
	assert_true(zone_error(c, other.entry, &reply));
	assert_int_equal(reply, 0);
	zone_forget_error(c, other.entry);
}

/* ------------------------------------------------------------------ health */

static void
test_health(void **state)
{
	static const struct zone last = { .entry = ZONE_ENTRIES - 1 };
	unsigned f, g;

	(void)state;
	for (f = 0; f < ZONE_FAMILIES; f++) {
		zone_set_out(shared, zone.entry, (enum zone_family)f, true);
		for (g = 0; g < ZONE_FAMILIES; g++)
			assert_int_equal(zone_is_out(shared, &zone,
					     (enum zone_family)g),
			    g <= f);
		assert_false(zone_is_out(shared, &other, (enum zone_family)f));
	}
	zone_set_out(shared, zone.entry, ZONE_IPV6, true); /* twice is once */
	zone_set_out(shared, zone.entry, ZONE_IPV6, false);
	assert_true(zone_is_out(shared, &zone, ZONE_IPV4));
	assert_false(zone_is_out(shared, &zone, ZONE_IPV6));
	assert_true(zone_is_out(shared, &zone, ZONE_NAMES));
	zone_set_out(shared, zone.entry, ZONE_IPV6, false);
	assert_false(zone_is_out(shared, &zone, ZONE_IPV6));
	zone_set_out(shared, last.entry, ZONE_NAMES, true);
	assert_true(zone_is_out(shared, &last, ZONE_NAMES));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_surges, setup, teardown),
		cmocka_unit_test_setup_teardown(test_surge_again, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_errors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_health, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
