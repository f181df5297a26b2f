/*
 * What workers share of a next hop. A row that fails is a hop with more
 * connections than it may have, one that nobody tries any more, or one that
 * all workers wait for.
 */
#include "tests/unit/clients_fixture.h"
#include "worker/hop.h"
#include "worker/hop_share.h"
#include "worker/hops.h"
#include "worker/settings.h"
#include "worker/wait.h"

#define HOP "192.0.2.1:25"

static struct settings set = { .any_hop = { .connections = 2 } };

static struct hop *
hop_new(struct waiting *w, struct slot *slot)
{
	struct hop *h = calloc(1, sizeof(*h));

	assert_non_null(h);
	wait_init(w);
	h->waiting = w;
	h->rules = &set.any_hop;
	h->clients = c;
	h->slot = slot;
	h->until_ms = INT64_MAX;
	strlcpy(h->at.text, HOP, sizeof(h->at.text));
	return h;
}

static void
test_so_many_connections(void **state)
{
	static struct slot slots[3];
	static struct waiting w[3];
	struct hop *h[3];
	int i;

	(void)state;
	for (i = 0; i < 3; i++) {
		h[i] = hop_new(&w[i], &slots[i]);
		h[i]->until_ms = clock_ms() + 30;
	}
	assert_int_equal(hop_enter(h[0]), 0);
	assert_int_equal(hop_enter(h[1]), 0);
	assert_int_not_equal(slots[1].hop_held, 0);
	assert_int_equal(hop_enter(h[2]), -1);
	assert_string_equal(h[2]->why, "2 connections to it are in use");
	assert_int_equal(slots[2].hop_held + slots[2].hop_wanted, 0);
	assert_false(hop_is_wanted(h[0])); /* not any more */

	hop_give_back(h[0]);
	hop_give_back(h[0]); /* once is enough */
	h[2]->failed = false;
	assert_int_equal(hop_enter(h[2]), 0);

	/* A worker that died gives back what its slot says. */
	hop_take_back(c, &slots[1]);
	h[0]->failed = false;
	assert_int_equal(hop_enter(h[0]), 0);
	slots[1].hop_held = HOP_NOTES + 1; /* a lie */
	slots[1].hop_wanted = UINT32_MAX;
	hop_take_back(c, &slots[1]);
	for (i = 0; i < 3; i++)
		free(h[i]);
}

static void
test_whoever_waits_is_seen(void **state)
{
	static struct slot slots[2];
	static struct waiting w;
	struct hop *h = hop_new(&w, &slots[0]);

	(void)state;
	assert_int_equal(hop_enter(h), 0);
	assert_false(hop_is_wanted(h));
	atomic_store(&hops_take(c, HOP)->wanted, 1);
	assert_true(hop_is_wanted(h));
	slots[1].hop_wanted = slots[0].hop_held; /* and it dies */
	hop_take_back(c, &slots[1]);
	assert_false(hop_is_wanted(h));
	free(h);
}

static void
try_it(struct hop *h, bool failed, bool late)
{
	h->failed = failed;
	h->late = late;
	hop_note_health(h);
}

static void
test_health(void **state)
{
	static struct slot slot;
	static struct waiting w;
	struct hop *h = hop_new(&w, &slot);
	struct hop_note *n = hops_take(c, HOP);

	(void)state;
	assert_int_equal(hop_health(c, NULL, HOP), HOP_ALIVE);
	assert_int_equal(hop_health(NULL, NULL, HOP), HOP_ALIVE);
	try_it(h, true, false);
	assert_int_equal(hop_health(c, NULL, HOP), HOP_AWAY);
	try_it(h, true, true);
	assert_int_equal(hop_health(c, NULL, HOP), HOP_SILENT);

	/* Its time is over: one worker tries, the others do not. */
	atomic_store(&n->dead_ms, (clock_ms() - 2) | 1);
	assert_int_equal(hop_health(c, NULL, HOP), HOP_ALIVE);
	assert_int_equal(hop_health(c, NULL, HOP), HOP_SILENT);
	atomic_store(&n->dead_ms, (clock_ms() - 2) & ~(int64_t)1);
	assert_int_equal(hop_health(c, NULL, HOP), HOP_ALIVE);
	assert_int_equal(hop_health(c, NULL, HOP), HOP_AWAY);

	try_it(h, false, false);
	assert_int_equal(hop_health(c, NULL, HOP), HOP_ALIVE);
	assert_int_equal(hop_health(c, NULL, "192.0.2.2:25"), HOP_ALIVE);

	/* A session that was over says nothing of the hop. */
	h->until_ms = clock_ms();
	try_it(h, true, true);
	assert_int_equal(hop_health(c, NULL, HOP), HOP_ALIVE);
	free(h);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_so_many_connections, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_whoever_waits_is_seen,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(test_health, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
