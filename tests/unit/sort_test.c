/*
 * The order of entries: what strcmp(3) says of their keys, and equal keys in
 * the order in which they were added. In another order a key is not found by
 * the guards, and the same sources would give other octets.
 */
#include "lists/sort.h"
#include "lists/source.h"
#include "tests/unit/fixture.h"

#define KINDS 8
#define MOST  40000 /* enough for keys to be sorted by their octets */
#define MANY  100000

static unsigned seed;

static unsigned
random_below(unsigned n)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % n;
}

/* One of the ways in which keys are alike. */
static int
make_key(char key[64], unsigned kind)
{
	unsigned r = random_below(1U << 22);
	int i;

	switch (kind) {
	case 0:
		return snprintf(key, 64, "420%08x", r);
	case 1:
		return snprintf(key, 64, "4%02x0a%06x", random_below(33), r);
	case 2:
		return snprintf(key, 64, "680%013x%019x", r % 7, r);
	case 3:
		return snprintf(key, 64, "=user%u@d%u.example", r % 1000, r);
	case 4:
		return snprintf(key, 64, "=%u.names.that.share.%u", r % 3, r);
	case 5:
		return snprintf(key, 64, "=\xc3%x\xff%x", r % 300, r);
	case 6: /* every octet at every place, and keys of every length */
		key[0] = '=';
		for (i = 1; i < 1 + (int)(r % 12); i++)
			key[i] = (char)(1 + random_below(255));
		key[i] = '\0';
		return i;
	default:
		return snprintf(key, 64, "=same");
	}
}

static void
fill(struct source *s, unsigned kind, size_t n)
{
	static const struct rule rule = { .argument = "",
		.text = "",
		.file = "" };
	char key[64];
	int len;

	while (s->n < n) {
		len = make_key(key, kind);
		assert_in_range(len, 0, sizeof(key) - 1);
		source_add(s, key, (size_t)len, &rule, (uint32_t)s->n);
	}
}

static void
check(const struct source *s)
{
	struct arena keys = { .left = 0 };
	struct entry *e = entries_sorted(s->entries, s->n, &keys);
	char *seen = calloc(s->n, 1);
	size_t i;
	int r;

	assert_non_null(seen);
	for (i = 0; i < s->n; i++) {
		r = i == 0 ? -1 : strcmp(e[i - 1].key, e[i].key);
		assert_true(r < 0 || (r == 0 && e[i - 1].line < e[i].line));
		assert_in_range(e[i].line, 0, s->n - 1);
		assert_string_equal(e[i].key, s->entries[e[i].line].key);
		assert_int_equal(seen[e[i].line]++, 0);
	}
	free(seen);
	free(e);
	arena_free(&keys);
}

static void
test_kinds(void **state)
{
	struct source s;
	unsigned i;

	(void)state;
	for (i = 0; i < KINDS; i++) {
		source_init(&s, LIST_BANNED);
		fill(&s, i, MOST);
		check(&s);
		source_free(&s);
	}
}

/* All kinds together, few and many. */
static void
test_mixed(void **state)
{
	static const size_t sizes[] = { 0, 1, 2, 7, 300, 5000, MOST };
	struct source s;
	unsigned i, j;

	(void)state;
	for (i = 0; i < NITEMS(sizes); i++) {
		source_init(&s, LIST_BANNED);
		for (j = 0; j < KINDS; j++)
			fill(&s, j, sizes[i] * (j + 1) / KINDS);
		check(&s);
		source_free(&s);
	}
}

/* So many that two threads sort them, by digits and by octets. */
static void
test_many(void **state)
{
	struct source s;

	(void)state;
	source_init(&s, LIST_BANNED);
	fill(&s, 0, MANY);
	check(&s);
	fill(&s, 3, 2 * MANY);
	check(&s);
	source_free(&s);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_mixed),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
