/*
 * What the master takes from visits to next hops. A row that fails is a hop
 * that no worker goes to though it is there, or one that a lying helper has put
 * into the shared state.
 */
#include "daemon/next_hops.h"
#include "daemon/probe.h"
#include "tests/unit/fixture.h"
#include "worker/hops.h"
#include "worker/log.h"
#include "worker/slot.h"

#define HOPS                                                                   \
	"192.0.2.1:25,mail.example.org:25|mx:example.org:25 maildir lmtp:192.0.2.3:24"

static struct clients *c;
static struct state s;

static int
setup(void **state)
{
	(void)state;
	log_open(0); /* nowhere */
	memset(&s, 0, sizeof(s));
	c = calloc(1, sizeof(*c));
	return c == NULL ? -1 : 0;
}

static int
teardown(void **state)
{
	(void)state;
	free(c);
	return 0;
}

static void
test_the_walk(void **state)
{
	static const struct {
		const char *hop, *target;
		enum list_action scheme;
	} rows[] = {
		{ "192.0.2.1:25", "192.0.2.1:25", ACT_SMTP },
		{ "mail.example.org:25", "mail.example.org:25", ACT_SMTP },
		{ "mx:example.org:25", "example.org:25", ACT_MX },
		{ "maildir", "maildir", ACT_SMTP },
		{ "lmtp:192.0.2.3:24", "192.0.2.3:24", ACT_LMTP },
	};

	const char *p = HOPS, *none = NULL, *target;
	char hop[HOP_TEXT_MAX];
	size_t i, len;

	(void)state;
	for (i = 0; (len = hops_next(&p)) > 0; i++, p += len) {
		assert_in_range(i, 0, NITEMS(rows) - 1);
		memcpy(hop, p, len);
		hop[len] = '\0';
		assert_string_equal(hop, rows[i].hop);
		assert_int_equal(hops_scheme(hop, &target), rows[i].scheme);
		assert_string_equal(target, rows[i].target);
	}
	assert_int_equal(i, NITEMS(rows));
	assert_int_equal(hops_next(&none), 0);
}

static void
visit(const char *hop, bool up, unsigned keywords)
{
	struct probe_visit v = { .up = up, .keywords = keywords };

	strlcpy(v.hop, hop, sizeof(v.hop));
	next_hops_take(&s, c, &v);
}

/* Workers note it by its address, whatever is spoken there. */
static void
test_who_answers_is_alive(void **state)
{
	static const char *const rows[][2] = {
		{ "192.0.2.1:25", "192.0.2.1:25" },
		{ "lmtp:192.0.2.3:24", "192.0.2.3:24" },
	};

	struct hop_note *n;
	size_t i;

	(void)state;
	next_hops_place(&s, HOPS);
	for (i = 0; i < NITEMS(rows); i++) {
		n = hops_take(c, rows[i][1]);
		atomic_store(&n->dead_ms, 1000);
		visit(rows[i][0], false, 0);
		assert_true(hops_seen_down(&s, rows[i][0]));
		assert_int_equal(atomic_load(&n->dead_ms), 1000);
		visit(rows[i][0], true, HOP_UTF8);
		assert_false(hops_seen_down(&s, rows[i][0]));
		assert_int_equal(atomic_load(&n->dead_ms), 0);
	}
}

static void
test_the_helper_is_not_trusted(void **state)
{
	struct probe_visit v = { .up = 1, .keywords = UINT32_MAX };
	unsigned i;

	(void)state;
	next_hops_place(&s, HOPS);
	visit("192.0.2.9:25", true, HOP_UTF8); /* none of ours */
	for (i = 0; i < SEEN_HOPS; i++)
		assert_string_not_equal(s.hops[i].hop, "192.0.2.9:25");
	visit("192.0.2.1:25", true, UINT32_MAX);
	assert_false(hops_seen_down(&s, "192.0.2.1:25"));
	memset(v.hop, 'x', sizeof(v.hop)); /* no end */
	next_hops_take(&s, c, &v);
}

/* What it could do counts over an outage, and not beyond its route. */
static void
test_what_is_kept(void **state)
{
	(void)state;
	next_hops_place(&s, "192.0.2.1:25");
	visit("192.0.2.1:25", true, HOP_DSN);
	visit("192.0.2.1:25", false, 0);
	assert_int_equal(hops_common(NULL, &s, "192.0.2.1:25"), HOP_DSN);
	next_hops_place(&s, "192.0.2.2:25 192.0.2.1:25");
	assert_int_equal(hops_common(NULL, &s, "192.0.2.1:25"), HOP_DSN);
	next_hops_place(&s, NULL);
	assert_int_equal(hops_common(NULL, &s, "192.0.2.1:25"), 0);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_the_walk, setup, teardown),
		cmocka_unit_test_setup_teardown(test_who_answers_is_alive,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_helper_is_not_trusted,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_is_kept, setup,
		    teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
