/*
 * The sum of what DNS lists say. A row that fails is a client who is refused
 * although an allow list might know it, one who is let in, or one who waits
 * for an answer that changes nothing.
 */
#include "tests/unit/fixture.h"
#include "worker/check.h"
#include "worker/dnsbl.h"
#include "worker/peer.h"
#include "worker/zone.h"

#define ZONES 4

static struct settings set;
static struct zone zones[ZONES];
static struct listing table[ZONES * OF_COUNT];
static struct dnsbl lists = { .set = &set, .listings = table };
static struct peer peer;

/*
 * A zone: its mode, its weight, and what it says of the client, its name, the
 * HELO name and the sender's domain: L listed, ? unknown, a asked, l later, a
 * dot for nothing.
 */
struct said {
	char mode; /* of "off", "warn", "on": f, w, n */
	int weight;
	const char *of;
};

static enum listing_state
state_of(char c)
{
	switch (c) {
	case 'L':
		return LISTING_FOUND;
	case '?':
		return LISTING_UNKNOWN;
	case 'a':
		return LISTING_ASKED;
	case 'l':
		return LISTING_LATER;
	default:
		return LISTING_NONE;
	}
}

static void
say(const struct said *said, int threshold)
{
	struct listing *l;
	size_t i, of;

	memset(&set, 0, sizeof(set));
	memset(zones, 0, sizeof(zones));
	memset(&peer, 0, sizeof(peer));
	set.zones = zones;
	set.tests[TEST_DNSBL].mode = MODE_ON;
	set.tests[TEST_DNSBL].threshold = threshold;
	peer.dnsbl = &lists;
	for (i = 0; i < ZONES && said[i].of != NULL; i++) {
		zones[i].mode = said[i].mode == 'n' ? MODE_ON :
		    said[i].mode == 'w'		    ? MODE_WARN :
						      MODE_OFF;
		zones[i].weight = said[i].weight;
		for (of = 0; of < OF_COUNT; of++) {
			l = &table[i * OF_COUNT + of];
			l->state = state_of(said[i].of[of]);
			l->zone = (unsigned)i;
			l->owner = &lists;
		}
	}
	set.nzones = i;
}

/* -------------------------------------------------------------------- sums */

static const struct {
	const char *what;
	int threshold;
	struct said zones[ZONES];
	enum verdict verdict;
	int score;	 /* of V_REJECT */
	int zone;	 /* whose text is spoken */
	enum zone_of of; /* and about what */
} sums[] = {
	{ "no zone", 1, { { 0, 0, NULL } }, V_NEXT, 0, 0, 0 },
	{ "not listed", 1, { { 'n', 1, "...." } }, V_NEXT, 0, 0, 0 },
	{ "listed", 1, { { 'n', 1, "L..." } }, V_REJECT, 1, 0, OF_CLIENT },
	{ "by name", 1, { { 'n', 1, ".L.." } }, V_REJECT, 1, 0, OF_NAME },
	{ "by HELO", 1, { { 'n', 1, "..L." } }, V_REJECT, 1, 0, OF_HELO },
	{ "by sender", 1, { { 'n', 1, "...L" } }, V_REJECT, 1, 0, OF_SENDER },
	{ "by all, once", 2, { { 'n', 1, "LLLL" } }, V_NEXT, 0, 0, 0 },
	{ "the first thing is told", 2, { { 'n', 2, ".LLL" } }, V_REJECT, 2, 0,
	    OF_NAME },
	{ "weight 0", 1, { { 'n', 0, "L..." } }, V_NEXT, 0, 0, 0 },
	{ "weight 0 beside", 1, { { 'n', 0, "L..." }, { 'n', 1, "L..." } },
	    V_REJECT, 1, 1, OF_CLIENT },
	{ "not heavy enough", 3, { { 'n', 2, "L..." } }, V_NEXT, 0, 0, 0 },
	{ "two together", 3, { { 'n', 2, "L..." }, { 'n', 1, "..L." } },
	    V_REJECT, 3, 0, OF_CLIENT },
	{ "the heaviest speaks", 3, { { 'n', 1, "L..." }, { 'n', 2, "..L." } },
	    V_REJECT, 3, 1, OF_HELO },
	{ "the first of equals", 2,
	    { { 'n', 1, "...." }, { 'n', 1, "L..." }, { 'n', 1, "L..." } },
	    V_REJECT, 2, 1, OF_CLIENT },
	{ "more than enough", 1, { { 'n', 5, "L..." }, { 'n', 7, "L..." } },
	    V_REJECT, 12, 1, OF_CLIENT },

	/* allow lists */
	{ "allowed", 1, { { 'n', 1, "L..." }, { 'n', -5, "L..." } }, V_NEXT, 0,
	    0, 0 },
	{ "allowed, in any order", 1,
	    { { 'n', -5, "L..." }, { 'n', 1, "L..." } }, V_NEXT, 0, 0, 0 },
	{ "not allowed enough", 1, { { 'n', 6, "L..." }, { 'n', -5, "L..." } },
	    V_REJECT, 1, 0, OF_CLIENT },
	{ "just allowed", 1, { { 'n', 5, "L..." }, { 'n', -5, "L..." } },
	    V_NEXT, 0, 0, 0 },
	{ "the allow list is still asked", 1,
	    { { 'n', 1, "L..." }, { 'n', -5, "a..." } }, V_PENDING, 0, 0, 0 },
	{ "it is unknown", 1, { { 'n', 1, "L..." }, { 'n', -5, "?..." } },
	    V_UNKNOWN, 0, 0, 0 },
	{ "it will be asked", 1, { { 'n', 1, "L..." }, { 'n', -5, "...l" } },
	    V_LATER, 0, 0, 0 },
	{ "it cannot help", 1, { { 'n', 6, "L..." }, { 'n', -5, "a..." } },
	    V_REJECT, 6, 0, OF_CLIENT },
	{ "three of them, not enough", 1,
	    { { 'n', 7, "L..." }, { 'n', -2, "a..." }, { 'n', -2, "?..." },
		{ 'n', -2, "...l" } },
	    V_REJECT, 7, 0, OF_CLIENT },
	{ "three of them, enough", 1,
	    { { 'n', 6, "L..." }, { 'n', -2, "a..." }, { 'n', -2, "?..." },
		{ 'n', -2, "...l" } },
	    V_PENDING, 0, 0, 0 },
	{ "an allow list alone", 1, { { 'n', -5, "a..." } }, V_NEXT, 0, 0, 0 },

	/* what is asked, what is to be asked, and what is unknown */
	{ "asked", 1, { { 'n', 1, "a..." } }, V_PENDING, 0, 0, 0 },
	{ "unknown", 1, { { 'n', 1, "?..." } }, V_UNKNOWN, 0, 0, 0 },
	{ "later", 1, { { 'n', 1, "..l." } }, V_LATER, 0, 0, 0 },
	{ "asked, of no weight", 1, { { 'n', 0, "a..." } }, V_NEXT, 0, 0, 0 },
	{ "unknown, too light", 2, { { 'n', 1, "?..." } }, V_NEXT, 0, 0, 0 },
	{ "asked, too light", 3, { { 'n', 1, "a..." }, { 'n', 1, "?..." } },
	    V_NEXT, 0, 0, 0 },
	{ "listed, whatever else", 1,
	    { { 'n', 1, "L..." }, { 'n', 1, "a..." } }, V_REJECT, 1, 0,
	    OF_CLIENT },
	{ "asked beside unknown", 1, { { 'n', 1, "a..." }, { 'n', 1, "?..." } },
	    V_PENDING, 0, 0, 0 },
	{ "asked, but too little of it", 3,
	    { { 'n', 1, "a..." }, { 'n', 3, "?..." } }, V_UNKNOWN, 0, 0, 0 },
	{ "asked, and it would settle it", 3,
	    { { 'n', 3, "a..." }, { 'n', 3, "?..." } }, V_PENDING, 0, 0, 0 },
	{ "later stands before unknown", 1,
	    { { 'n', 1, "...l" }, { 'n', 1, "?..." } }, V_LATER, 0, 0, 0 },
	{ "asked stands before later", 1,
	    { { 'n', 1, "...l" }, { 'n', 1, "a..." } }, V_PENDING, 0, 0, 0 },
	{ "an allow list settles it", 1,
	    { { 'n', 1, "?..." }, { 'n', -1, "a..." } }, V_PENDING, 0, 0, 0 },

	/* one zone, several things: the most certain to matter stands */
	{ "listed before asked", 1, { { 'n', 1, "a.L." } }, V_REJECT, 1, 0,
	    OF_HELO },
	{ "listed before unknown", 1, { { 'n', 1, "??L?" } }, V_REJECT, 1, 0,
	    OF_HELO },
	{ "asked before later", 1, { { 'n', 1, "?.al" } }, V_PENDING, 0, 0, 0 },
	{ "later before unknown", 1, { { 'n', 1, "?..l" } }, V_LATER, 0, 0, 0 },
	{ "unknown before nothing", 1, { { 'n', 1, "..?." } }, V_UNKNOWN, 0, 0,
	    0 },

	/* zones in other modes have no say */
	{ "a zone in mode warn", 1, { { 'w', 1, "L..." } }, V_NEXT, 0, 0, 0 },
	{ "one that is asked", 1, { { 'w', 1, "a..." } }, V_NEXT, 0, 0, 0 },
	{ "one that would allow", 1,
	    { { 'n', 1, "L..." }, { 'w', -5, "L..." } }, V_REJECT, 1, 0,
	    OF_CLIENT },
	{ "one that is off", 1, { { 'f', 1, "L..." } }, V_NEXT, 0, 0, 0 },
	{ "one of each", 1,
	    { { 'f', 4, "L..." }, { 'w', 2, "L..." }, { 'n', 1, "L..." } },
	    V_REJECT, 1, 2, OF_CLIENT },
};

static void
test_sums(void **state)
{
	struct reason why;
	enum verdict v;
	size_t i;

	(void)state;
	for (i = 0; i < NITEMS(sums); i++) {
		say(sums[i].zones, sums[i].threshold);
		memset(&why, 0, sizeof(why));
		v = check_dnsbl(&peer, &set, &why);
		if (v != sums[i].verdict)
			fail_msg("%s: %s", sums[i].what, verdict_name(v));
		if (v == V_UNKNOWN) {
			assert_string_equal(why.code, "dnsbl-unknown");
			assert_string_equal(why.status, "4.4.3");
			assert_non_null(why.text);
		}
		if (v != V_REJECT)
			continue;
		assert_string_equal(why.code, "dnsbl");
		assert_string_equal(why.status, "5.7.1");
		if (why.score != sums[i].score ||
		    (int)why.listing->zone != sums[i].zone ||
		    dnsbl_listing_of(why.listing) != sums[i].of)
			fail_msg("%s: score %d, zone %u of %s", sums[i].what,
			    why.score, why.listing->zone,
			    zone_of_name(dnsbl_listing_of(why.listing)));
		assert_int_equal(why.least, MODE_ON);
	}
}

/* ----------------------------------------------------------- all of them */

struct count {
	int known, low, high; /* low and high of what is open at all */
};

static struct count
count(const struct said *said, size_t n, unsigned listed, unsigned answered)
{
	struct count c = { 0, 0, 0 };
	size_t i;
	int w;

	for (i = 0; i < n; i++) {
		w = said[i].weight;
		if (said[i].of[0] == 'L' || (listed & 1u << i) != 0)
			c.known += w;
		else if (said[i].of[0] != '.' && (answered & 1u << i) == 0)
			*(w < 0 ? &c.low : &c.high) += w;
	}
	return c;
}

static enum verdict
certain(const struct said *said, size_t n, int threshold, unsigned listed,
    unsigned answered)
{
	struct count c = count(said, n, listed, answered);

	if (c.known + c.low >= threshold)
		return V_REJECT;
	return c.known + c.high < threshold ? V_NEXT : V_UNKNOWN;
}

/*
 * The rule, by trying what all zones that are asked could answer: it is waited
 * for where any of these answers would make the verdict certain.
 */
static enum verdict
model(const struct said *said, size_t n, int threshold)
{
	unsigned asked = 0, listed;
	bool later = false;
	enum verdict v;
	size_t i;

	if ((v = certain(said, n, threshold, 0, 0)) != V_UNKNOWN)
		return v;
	for (i = 0; i < n; i++) {
		if (said[i].of[0] == 'a')
			asked |= 1u << i;
		later |= said[i].of[0] == 'l' && said[i].weight != 0;
	}
	for (listed = 0; listed < 1u << n; listed++)
		if ((listed & ~asked) == 0 &&
		    certain(said, n, threshold, listed, asked) != V_UNKNOWN)
			return V_PENDING;
	return later ? V_LATER : V_UNKNOWN;
}

/* Every state and weight of three zones under several thresholds. */
static void
test_all_sums(void **state)
{
	static const char *const states[] = { "....", "L...", "?...", "a...",
		"l..." };
	static const int weights[] = { -3, -1, 0, 1, 2 };
	const unsigned kinds = NITEMS(states) * NITEMS(weights);
	struct said said[ZONES] = { { 'n', 0, NULL } };
	struct reason why;
	unsigned n, i, left;
	enum verdict v;
	int threshold;

	(void)state;
	for (n = 0; n < kinds * kinds * kinds; n++) {
		for (i = 0, left = n; i < 3; i++, left /= kinds) {
			said[i].mode = 'n';
			said[i].of = states[left % NITEMS(states)];
			said[i].weight =
			    weights[left / NITEMS(states) % NITEMS(weights)];
		}
		for (threshold = 1; threshold <= 3; threshold++) {
			say(said, threshold);
			v = check_dnsbl(&peer, &set, &why);
			if (v != model(said, 3, threshold))
				fail_msg("%d %s, %d %s, %d %s: %s, not %s",
				    said[0].weight, said[0].of, said[1].weight,
				    said[1].of, said[2].weight, said[2].of,
				    verdict_name(v),
				    verdict_name(model(said, 3, threshold)));
		}
	}
}

/* --------------------------------------------------------------- clearing */

static void
test_cleared(void **state)
{
	static const struct said one[ZONES] = { { 'n', 1, "L..." } };
	static const struct said warned[ZONES] = { { 'w', 1, "L..." } };
	bool *const clears[] = { &peer.relay, &peer.allowed, &peer.banned };
	struct reason why;
	size_t i;

	(void)state;
	for (i = 0; i < NITEMS(clears); i++) {
		say(one, 1);
		assert_int_equal(check_dnsbl(&peer, &set, &why), V_REJECT);
		*clears[i] = true;
		assert_int_equal(check_dnsbl(&peer, &set, &why), V_NEXT);
		say(warned, 1);
		assert_int_equal(check_dnsbl_rehearsed(&peer, &set, &why),
		    V_REJECT);
		*clears[i] = true;
		assert_int_equal(check_dnsbl_rehearsed(&peer, &set, &why),
		    V_NEXT);
	}
	say(one, 1);
	peer.relay_unknown = true; /* clears nothing: it may be no relay */
	assert_int_equal(check_dnsbl(&peer, &set, &why), V_REJECT);
}

/* Before anything is asked, and where nothing is to be asked. */
static void
test_unasked(void **state)
{
	static const struct said one[ZONES] = { { 'n', 1, "L..." } };
	struct reason why;

	(void)state;
	say(one, 1);
	peer.dnsbl = &dnsbl_asked;
	assert_int_equal(check_dnsbl(&peer, &set, &why), V_PENDING);
	peer.dnsbl = NULL;
	assert_int_equal(check_dnsbl(&peer, &set, &why), V_NEXT);
}

/* -------------------------------------------------------------- rehearsal */

static const struct {
	const char *what;
	int threshold;
	struct said zones[ZONES];
	enum verdict verdict;
	int score, zone;
} rehearsals[] = {
	{ "no zone in mode warn", 1, { { 'n', 1, "L..." } }, V_NEXT, 0, 0 },
	{ "nor one that is off", 1, { { 'f', 1, "L..." } }, V_NEXT, 0, 0 },
	{ "one that lists", 1, { { 'w', 1, "L..." } }, V_REJECT, 1, 0 },
	{ "one that is asked", 1, { { 'w', 1, "a..." } }, V_PENDING, 0, 0 },
	{ "one that is unknown", 1, { { 'w', 1, "?..." } }, V_UNKNOWN, 0, 0 },
	{ "one that says nothing", 1, { { 'w', 1, "...." } }, V_NEXT, 0, 0 },
	{ "both kinds together", 3, { { 'n', 2, "L..." }, { 'w', 1, "L..." } },
	    V_REJECT, 3, 0 },
	{ "an allow list in mode warn", 1,
	    { { 'n', 1, "L..." }, { 'w', -1, "L..." } }, V_NEXT, 0, 0 },
	{ "and one that is on", 1, { { 'n', -1, "L..." }, { 'w', 1, "L..." } },
	    V_NEXT, 0, 0 },
	{ "without those that are off", 2,
	    { { 'f', 2, "L..." }, { 'w', 1, "L..." } }, V_NEXT, 0, 0 },
};

static void
test_rehearsals(void **state)
{
	struct reason why;
	enum verdict v;
	size_t i;

	(void)state;
	for (i = 0; i < NITEMS(rehearsals); i++) {
		say(rehearsals[i].zones, rehearsals[i].threshold);
		memset(&why, 0, sizeof(why));
		v = check_dnsbl_rehearsed(&peer, &set, &why);
		if (v != rehearsals[i].verdict)
			fail_msg("%s: %s", rehearsals[i].what, verdict_name(v));
		if (v != V_REJECT)
			continue;
		assert_int_equal(why.score, rehearsals[i].score);
		assert_int_equal(why.listing->zone, rehearsals[i].zone);
		assert_int_equal(why.least, MODE_WARN);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sums),
		cmocka_unit_test(test_all_sums),
		cmocka_unit_test(test_cleared),
		cmocka_unit_test(test_unasked),
		cmocka_unit_test(test_rehearsals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
