/*
 * Entries in the order of their keys: a radix sort over eight octets of the
 * keys at a time, or over sixteen where all are hex digits. Those octets stand
 * beside the entry, so that the keys, which lie all over the memory, are not
 * touched while things move. Of ten million entries a comparing sort would
 * take most of the time of a compile.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lists/memory.h"
#include "lists/parallel.h"
#include "lists/sort.h"
#include "lists/source.h"

#define OCTETS 8  /* of a head */
#define BITS   10 /* of a head at a time: their places stay at hand */
#define PLACES (1U << BITS)
#define FEW    256 /* so many are compared: the places alone cost more */
#define AHEAD  16  /* keys that are fetched before it is their turn */

struct item {
	uint64_t head; /* of the key at hand, in its order; first on top */
	struct entry entry;
};

/*
 * What stands at a place of all heads, numbered in its order. Of the letters,
 * digits and few marks that keys have, many more then go into as many bits.
 */
struct ranks {
	unsigned char rank[OCTETS][256];
	int bits[OCTETS];
};

/* Half of the items, of which a thread has the care. */
struct half {
	struct item *items, *to;
	size_t n;
	size_t at;   /* set_heads: where the octets are */
	size_t len;  /* so many hex digits are left of the first key */
	bool digits; /* and of all others */
	bool used[OCTETS][256]; /* these octets stand at this place */
	const struct ranks *ranks;
	int shift; /* pass: from which bit on */
	size_t place[PLACES];
};

struct sorter {
	struct item *spare; /* as many as there are items */
	struct half half[2];
	struct ranks ranks;
};

/* Few, so that those of the same key keep their order. */
static void
merge_sort(struct item *items, struct item *spare, size_t n)
{
	struct item *a = spare, *b, *end;
	size_t i, half = n / 2;

	if (n < 2)
		return;
	merge_sort(items, spare, half);
	merge_sort(items + half, spare, n - half);
	memcpy(spare, items, half * sizeof(*items));
	b = items + half;
	end = items + n;
	for (i = 0; a < spare + half; i++)
		items[i] = b == end || strcmp(a->entry.key, b->entry.key) <= 0 ?
		    *a++ :
		    *b++;
}

/* How many octets from at on are the same in all keys. */
static size_t
common(const struct item *items, size_t n, size_t at)
{
	const char *first = items[0].entry.key + at, *key;
	size_t i, j, same = strlen(first);

	for (i = 1; i < n; i++) {
		key = items[i].entry.key + at;
		for (j = 0; j < same && key[j] == first[j]; j++)
			continue;
		same = j;
	}
	return same;
}

/* The next eight octets of a key, NUL where it has ended. */
static uint64_t
head(const char *key)
{
	uint64_t v = 0;
	int shift;

	for (shift = 56; shift >= 0 && *key != '\0'; shift -= 8)
		v |= (uint64_t)(unsigned char)*key++ << shift;
	return v;
}

/*
 * Up to sixteen hex digits that are all there is. 0, or -1. Which of them are
 * letters nobody can foresee, so there is no branch for it.
 */
static int
head_digits(uint64_t *head, const char *key, size_t len)
{
	static const unsigned char values[256] = {
		['0'] = 16,
		17,
		18,
		19,
		20,
		21,
		22,
		23,
		24,
		25,
		['a'] = 26,
		27,
		28,
		29,
		30,
		31,
	};
	unsigned char value;
	uint64_t v = 0;
	size_t i;

	for (i = 0; i < len; i++) {
		value = values[(unsigned char)key[i]];
		if (value == 0)
			return -1;
		v = v << 4 | (value & 15);
	}
	*head = v;
	return key[len] == '\0' ? 0 : -1;
}

static void
set_digits(void *arg)
{
	struct half *h = arg;
	size_t i;

	h->digits = h->len <= 16;
	for (i = 0; i < h->n && h->digits; i++)
		h->digits = head_digits(&h->items[i].head,
				h->items[i].entry.key + h->at, h->len) == 0;
}

static void
set_octets(void *arg)
{
	struct half *h = arg;
	uint64_t v;
	size_t i;
	int j;

	memset(h->used, false, sizeof(h->used));
	for (i = 0; i < h->n; i++) {
		v = head(h->items[i].entry.key + h->at);
		h->items[i].head = v;
		for (j = OCTETS - 1; j >= 0; j--, v >>= 8)
			h->used[j][v & 255] = true;
	}
}

static void
rank_octets(void *arg)
{
	struct half *h = arg;
	const struct ranks *r = h->ranks;
	uint64_t v, ranked;
	size_t i;
	int j;

	for (i = 0; i < h->n; i++) {
		v = h->items[i].head;
		for (ranked = 0, j = 0; j < OCTETS; j++, v <<= 8)
			ranked = ranked << r->bits[j] | r->rank[j][v >> 56];
		h->items[i].head = ranked;
	}
}

static void
set_ranks(struct sorter *s)
{
	struct ranks *r = &s->ranks;
	unsigned n;
	int i, j;

	for (i = 0; i < OCTETS; i++) {
		for (n = 0, j = 0; j < 256; j++) {
			r->rank[i][j] = (unsigned char)n;
			n += s->half[0].used[i][j] || s->half[1].used[i][j];
		}
		for (r->bits[i] = 0; n > 1U << r->bits[i]; r->bits[i]++)
			continue;
	}
	s->half[0].ranks = s->half[1].ranks = r;
}

static void
halve(struct sorter *s, struct item *items, size_t n)
{
	s->half[0].items = items;
	s->half[0].n = n / 2;
	s->half[1].items = items + n / 2;
	s->half[1].n = n - n / 2;
}

static void
both(struct sorter *s, void (*fn)(void *))
{
	parallel_both(fn, &s->half[0], &s->half[1],
	    2 * s->half[0].n * sizeof(struct item));
}

/*
 * The heads of all items. True when they are the whole rest of the keys, which
 * they are of IPv4 networks.
 */
static bool
set_heads(struct sorter *s, struct item *items, size_t n, size_t at)
{
	halve(s, items, n);
	s->half[0].at = s->half[1].at = at;
	s->half[0].len = s->half[1].len = strlen(items[0].entry.key + at);
	both(s, set_digits);
	if (s->half[0].digits && s->half[1].digits)
		return true;
	both(s, set_octets);
	set_ranks(s);
	both(s, rank_octets);
	return false;
}

static void
count(void *arg)
{
	struct half *h = arg;
	size_t i;

	memset(h->place, 0, sizeof(h->place));
	for (i = 0; i < h->n; i++)
		h->place[h->items[i].head >> h->shift & (PLACES - 1)]++;
}

static void
move(void *arg)
{
	struct half *h = arg;
	size_t i;

	for (i = 0; i < h->n; i++)
		h->to[h->place[h->items[i].head >> h->shift & (PLACES - 1)]++] =
		    h->items[i];
}

/* By some bits of the heads, from one array into the other. */
static void
pass(struct sorter *s, struct item *from, struct item *to, size_t n, int shift)
{
	size_t i, j, here, sum = 0;

	halve(s, from, n);
	for (j = 0; j < 2; j++) {
		s->half[j].to = to;
		s->half[j].shift = shift;
	}
	both(s, count);
	for (i = 0; i < PLACES; i++) {
		for (j = 0; j < 2; j++) {
			here = s->half[j].place[i];
			s->half[j].place[i] = sum;
			sum += here;
		}
	}
	both(s, move);
}

/* By their heads, from the lowest bits in which these differ. */
static void
sort_by_heads(struct sorter *s, struct item *items, size_t n)
{
	struct item *from = items, *to = s->spare, *swap;
	uint64_t differ = 0;
	int shift = 0;
	size_t i;

	for (i = 1; i < n; i++)
		differ |= items[i].head ^ items[0].head;
	while (shift < 64 && differ >> shift != 0) {
		shift += __builtin_ctzll(differ >> shift);
		pass(s, from, to, n, shift);
		shift += BITS;
		swap = from;
		from = to;
		to = swap;
	}
	if (from != items)
		memcpy(items, from, n * sizeof(*items));
}

/*
 * Items whose keys are the same up to at. How many digits at the end of each
 * key are its head; 0: they are not all digits.
 */
static size_t
sort(struct sorter *s, struct item *items, size_t n, size_t at)
{
	size_t i, j;

	if (n <= FEW) {
		merge_sort(items, s->spare, n);
		return 0;
	}
	at += common(items, n, at);
	if (set_heads(s, items, n, at)) {
		sort_by_heads(s, items, n);
		return s->half[0].len;
	}
	sort_by_heads(s, items, n);
	for (i = 0; i < n; i = j) {
		for (j = i + 1; j < n && items[j].head == items[i].head; j++)
			continue;
		/* if they are more than one and may go on */
		if (j - i > 1 && items[i].entry.key_len >= at + OCTETS)
			sort(s, items + i, j - i, at + OCTETS);
	}
	return 0;
}

/* A part of what is sorted, with keys of its own. */
struct part {
	const struct item *items;
	struct entry *sorted;
	size_t n;
	size_t digits; /* so many at the end of each key are its head; or 0 */
	struct arena keys;
};

static void
put_digits(char *end, uint64_t head, size_t n)
{
	static const char hex[] = "0123456789abcdef";

	for (; n > 0; n--, head >>= 4)
		*--end = hex[head & 15];
}

static void
collect(void *arg)
{
	struct part *p = arg;
	const struct item *items = p->items;
	const char *first = items[0].entry.key;
	struct entry *e = p->sorted;
	char *key;
	size_t i;

	for (i = 0; i < p->n; i++, e++) {
		*e = items[i].entry;
		key = arena_take(&p->keys, e->key_len + 1U);
		if (p->digits > 0) {
			memcpy(key, first, e->key_len + 1U);
			put_digits(key + e->key_len, items[i].head, p->digits);
		} else {
			if (i + AHEAD < p->n)
				__builtin_prefetch(items[i + AHEAD].entry.key);
			memcpy(key, e->key, e->key_len + 1U);
		}
		e->key = key;
	}
}

/*
 * Keys lie all over the memory. Two threads wait for it together, and digits
 * need not be fetched.
 */
static struct entry *
collect_all(const struct item *items, size_t n, size_t digits,
    struct arena *keys)
{
	struct entry *sorted = mem_resize(NULL, n, sizeof(*sorted));
	struct part parts[2] = { { .items = items, .sorted = sorted } };

	if (n == 0)
		return sorted;
	parts[0].n = n / 2;
	parts[1].items = items + n / 2;
	parts[1].sorted = sorted + n / 2;
	parts[1].n = n - n / 2;
	parts[0].digits = parts[1].digits = digits;
	parallel_both(collect, &parts[0], &parts[1], n * sizeof(*sorted));
	arena_join(keys, &parts[0].keys);
	arena_join(keys, &parts[1].keys);
	return sorted;
}

struct entry *
entries_sorted(const struct entry *entries, size_t n, struct arena *keys)
{
	struct item *items = mem_resize(NULL, n, sizeof(*items));
	struct sorter *s = mem_resize(NULL, 1, sizeof(*s));
	struct entry *sorted;
	size_t i, digits;

	s->spare = mem_resize(NULL, n, sizeof(*items));
	for (i = 0; i < n; i++)
		items[i].entry = entries[i];
	digits = sort(s, items, n, 0);
	free(s->spare);
	free(s);
	sorted = collect_all(items, n, digits, keys);
	free(items);
	return sorted;
}
