/*
 * Who has a message already. A failure is a recipient that is left out and has
 * nothing, or two workers that deliver the same message at once.
 */
#include <sys/wait.h>

#include <sched.h>

#include "tests/unit/clients_fixture.h"
#include "worker/delivered.h"

#define MINUTE ((int64_t)60000)
#define DAY    (1440 * MINUTE)
#define US     4194303 /* the largest that there is */
#define THEM   1

static struct delivered_key
key_of(const char *message, const char *sender, const char *rcpt)
{
	uint8_t digest[DIGEST_OCTETS] = { 0 };
	struct delivered_key k = { 0 };

	snprintf((char *)digest, sizeof(digest), "%s", message);
	delivered_key(&k, c, digest, sender, rcpt);
	return k;
}

static struct delivered_key
numbered(unsigned i)
{
	char text[32];

	snprintf(text, sizeof(text), "%u", i);
	return key_of("m", "s@a", text);
}

static unsigned
in_use(void)
{
	unsigned i, j, n = 0;

	for (i = 0; i < DELIVERED_BUCKETS; i++)
		for (j = 0; j < DELIVERED_BUCKET; j++)
			n += c->delivered[i][j].word != 0;
	return n;
}

static const struct {
	const char *message, *sender, *rcpt;
} others[] = {
	{ "n", "s@a", "r@b" }, { "m", "t@a", "r@b" }, { "m", "s@a", "R@b" },
	{ "m", "s@a", "" }, { "m", "", "r@b" },
	{ "m", "s@ar", "@b" }, /* where one ends and the other begins */
};

static void
test_keys(void **state)
{
	struct delivered_key k = key_of("m", "s@a", "r@b"), other;
	size_t i;

	(void)state;
	delivered_note(c, &k, US, 0);
	assert_int_equal(delivered_find(c, &k, 0), DELIVERED_YES);
	for (i = 0; i < NITEMS(others); i++) {
		other = key_of(others[i].message, others[i].sender,
		    others[i].rcpt);
		assert_int_equal(delivered_find(c, &other, 0), DELIVERED_NOT);
	}
	c->secret[1]++;
	other = key_of("m", "s@a", "r@b");
	assert_int_equal(delivered_find(c, &other, 0), DELIVERED_NOT);
}

/* Both words count: no other key that shares one of them is found. */
static void
test_half_a_key(void **state)
{
	struct delivered_key k = key_of("m", "s@a", "r@b"), half;

	(void)state;
	delivered_note(c, &k, US, 0);
	half = k;
	half.who ^= 1;
	assert_int_equal(delivered_find(c, &half, 0), DELIVERED_NOT);
	half = k;
	half.tag ^= (uint64_t)1 << 63;
	assert_int_equal(delivered_find(c, &half, 0), DELIVERED_NOT);
	half.tag = k.tag ^ 1;
	assert_int_equal(delivered_find(c, &half, 0), DELIVERED_NOT);
}

static void
test_its_life(void **state)
{
	struct delivered_key k = key_of("m", "s@a", "r@b");

	(void)state;
	assert_false(delivered_any(c));
	assert_int_equal(delivered_find(c, &k, 0), DELIVERED_NOT);
	assert_true(delivered_claim(c, &k, US, 0));
	assert_false(delivered_any(c));
	assert_int_equal(delivered_find(c, &k, 0), DELIVERED_NOW);
	assert_true(delivered_claim(c, &k, US, 0)); /* twice named: once */
	assert_int_equal(in_use(), 1);
	assert_false(delivered_claim(c, &k, THEM, 0));
	delivered_release(c, &k, THEM);
	assert_int_equal(delivered_find(c, &k, 0), DELIVERED_NOW);
	delivered_note(c, &k, US, 0);
	assert_true(delivered_any(c));
	assert_int_equal(in_use(), 1);
	assert_false(delivered_claim(c, &k, US, 0));
	delivered_release(c, &k, US); /* only claims */
	assert_int_equal(delivered_find(c, &k, 0), DELIVERED_YES);
	delivered_note(c, &k, US, MINUTE); /* once more: one entry */
	assert_int_equal(in_use(), 1);
	delivered_forget(c, &k);
	assert_false(delivered_any(c));
	assert_int_equal(in_use(), 0);
	assert_true(delivered_claim(c, &k, US, 0));
	delivered_release(c, &k, US);
	assert_int_equal(in_use(), 0);
	delivered_release(c, &k, US);
	delivered_forget(c, &k);
	assert_false(delivered_any(c));
}

/* Times at which a note and a claim made at 0 are in force. */
static const struct {
	int64_t at;
	bool note, claim;
} ages[] = {
	{ 0, true, true },
	{ -MINUTE, true, true }, /* another worker was later */
	{ MINUTE, true, true },
	{ CLAIM_MINUTES * MINUTE, true, true },
	{ (CLAIM_MINUTES + 1) * MINUTE, true, false },
	{ DAY, true, false },
	{ DELIVERED_DAYS * DAY, true, false },
	{ DELIVERED_DAYS * DAY + MINUTE, false, false },
	{ 30 * DAY, false, false },
	{ 365 * DAY, false, false },
	{ 3650 * DAY, false, false },
};

static void
test_expiry(void **state)
{
	static const int64_t starts[] = { MINUTE, 100 * DAY,
		/* where the minutes begin anew */
		((int64_t)1 << 32) * MINUTE - MINUTE, 1023 * MINUTE };
	struct delivered_key a = key_of("m", "s@a", "a@b");
	struct delivered_key b = key_of("m", "s@a", "b@b");
	int64_t now;
	size_t i, j;

	(void)state;
	for (j = 0; j < NITEMS(starts); j++)
		for (i = 0; i < NITEMS(ages); i++) {
			delivered_note(c, &a, US, starts[j]);
			assert_true(delivered_claim(c, &b, US, starts[j]));
			now = starts[j] + ages[i].at;
			assert_int_equal(delivered_find(c, &a, now),
			    ages[i].note ? DELIVERED_YES : DELIVERED_NOT);
			assert_int_equal(delivered_find(c, &b, now),
			    ages[i].claim ? DELIVERED_NOW : DELIVERED_NOT);
			assert_int_equal(delivered_any(c), ages[i].note);
			assert_int_equal(in_use(),
			    ages[i].note + ages[i].claim);
			delivered_forget(c, &a);
			delivered_release(c, &b, US);
		}
}

/* Far more than there is room for: the last are known, and nothing is false. */
static void
test_a_full_table(void **state)
{
	const unsigned room = DELIVERED_BUCKETS * DELIVERED_BUCKET;
	const int64_t end = (int64_t)room * 4 * MINUTE / 64;
	struct delivered_key k;
	unsigned i, known = 0;

	(void)state;
	for (i = 0; i < 4 * room; i++) {
		k = numbered(i);
		delivered_note(c, &k, US, (int64_t)i * MINUTE / 64);
		assert_int_equal(delivered_find(c, &k,
				     (int64_t)i * MINUTE / 64),
		    DELIVERED_YES);
	}
	assert_int_equal(c->ndelivered, in_use());
	for (i = 0; i < 4 * room; i++) {
		k = numbered(i);
		known += delivered_find(c, &k, end) == DELIVERED_YES;
	}
	assert_in_range(known, room / 2, room);
	/* the youngest of its bucket stays */
	for (i = 4 * room - room / 8; i < 4 * room; i++) {
		k = numbered(i);
		known -= delivered_find(c, &k, end) == DELIVERED_YES;
	}
	assert_in_range(known, 0, room - room / 10);
	for (i = 0; i < 4 * room; i++) {
		k = numbered(i);
		delivered_forget(c, &k);
	}
	assert_int_equal(in_use(), 0);
	assert_false(delivered_any(c));
}

/* Claims give way to notes, and take the place of nothing. */
static void
test_claims_give_way(void **state)
{
	struct delivered_key claim, note;
	unsigned i;

	(void)state;
	for (i = 0; i < 8 * DELIVERED_BUCKETS * DELIVERED_BUCKET; i++) {
		claim = numbered(i);
		assert_true(delivered_claim(c, &claim, US, 0));
	}
	assert_int_equal(in_use(), DELIVERED_BUCKETS * DELIVERED_BUCKET);
	assert_false(delivered_any(c));
	for (i = 0; i < DELIVERED_BUCKETS; i++) {
		note = key_of("n", "s@a", "r@b");
		note.tag += i;
		delivered_note(c, &note, US, 0);
		assert_int_equal(delivered_find(c, &note, 0), DELIVERED_YES);
	}
	assert_int_equal(c->ndelivered, DELIVERED_BUCKETS);
	for (i = 0; i < 8 * DELIVERED_BUCKETS * DELIVERED_BUCKET; i++) {
		claim = numbered(i);
		delivered_claim(c, &claim, US, 0);
	}
	assert_int_equal(c->ndelivered, DELIVERED_BUCKETS);
}

/* A worker that died leaves no claim, and others keep theirs. */
static void
test_taken_back(void **state)
{
	struct delivered_key a = numbered(1), b = numbered(2), n = numbered(3);

	(void)state;
	assert_true(delivered_claim(c, &a, US, 0));
	assert_true(delivered_claim(c, &b, THEM, 0));
	delivered_note(c, &n, US, 0);
	delivered_take_back(c, US);
	assert_int_equal(delivered_find(c, &a, 0), DELIVERED_NOT);
	assert_int_equal(delivered_find(c, &b, 0), DELIVERED_NOW);
	assert_int_equal(delivered_find(c, &n, 0), DELIVERED_YES);
	delivered_take_back(c, THEM);
	assert_int_equal(in_use(), 1);
	assert_true(delivered_any(c));
}

#define ROUNDS 2000
#define TRIES  100000000

/* Of two processes that claim the same, one at most has it. */
static void
test_two_at_once(void **state)
{
	_Atomic int *holders = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct delivered_key k = key_of("m", "s@a", "r@b");
	int i, status, wrong = 0, got = 0;
	pid_t pid, us;

	(void)state;
	assert_true(holders != MAP_FAILED);
	pid = fork();
	assert_true(pid >= 0);
	us = pid == 0 ? THEM : US;
	for (i = 0; got < ROUNDS && i < TRIES; i++) {
		if (!delivered_claim(c, &k, us, 0)) {
			sched_yield();
			continue;
		}
		got++;
		wrong += atomic_fetch_add(&holders[0], 1) != 0;
		sched_yield();
		atomic_fetch_sub(&holders[0], 1);
		delivered_release(c, &k, us);
	}
	if (pid == 0)
		_exit(wrong > 0 || got < ROUNDS);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(wrong, 0);
	assert_int_equal(got, ROUNDS);
	assert_int_equal(in_use(), 0);
	munmap(holders, 4096);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_keys, setup, teardown),
		cmocka_unit_test_setup_teardown(test_half_a_key, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_its_life, setup, teardown),
		cmocka_unit_test_setup_teardown(test_expiry, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_full_table, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_claims_give_way, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_taken_back, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_two_at_once, setup,
		    teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
