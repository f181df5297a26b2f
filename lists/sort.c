/*
 * Entries in the order of their keys: a radix sort over eight octets of the
 * keys at a time. Those octets stand beside a pointer to the entry, so that
 * neither the keys, which lie all over the memory, nor the entries, which are
 * large, are touched while things move. Of ten million entries a comparing
 * sort would take most of the time of a compile.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lists/memory.h"
#include "lists/sort.h"
#include "lists/source.h"

#define PLACES 65536 /* of two octets */
#define FEW    16384 /* so many are compared: the places alone cost more */
#define AHEAD  16    /* entries that are fetched before it is their turn */

struct item {
	uint64_t head; /* octets of the key at hand, the first one on top */
	const struct entry *entry;
};

struct sorter {
	struct item *spare; /* as many as there are items */
	size_t place[PLACES];
};

/* Where the entries stand is what makes equal keys keep their order. */
static int
compare(const void *a, const void *b)
{
	const struct item *x = a, *y = b;
	int r = strcmp(x->entry->key, y->entry->key);

	return r != 0 ? r : (x->entry > y->entry) - (x->entry < y->entry);
}

/* How many octets from at on are the same in all keys. */
static size_t
common(const struct item *items, size_t n, size_t at)
{
	const char *first = items[0].entry->key + at, *key;
	size_t i, j, same = strlen(first);

	for (i = 1; i < n; i++) {
		key = items[i].entry->key + at;
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
	int i;

	for (i = 0; i < 8; i++) {
		v = v << 8 | (unsigned char)*key;
		key += *key != '\0';
	}
	return v;
}

/* By two octets of the heads, from one array into the other. */
static void
pass(struct sorter *s, const struct item *from, struct item *to, size_t n,
    int shift)
{
	size_t i, count, sum = 0, *place = s->place;

	memset(s->place, 0, sizeof(s->place));
	for (i = 0; i < n; i++)
		place[from[i].head >> shift & (PLACES - 1)]++;
	for (i = 0; i < PLACES; i++) {
		count = place[i];
		place[i] = sum;
		sum += count;
	}
	for (i = 0; i < n; i++)
		to[place[from[i].head >> shift & (PLACES - 1)]++] = from[i];
}

/* Items whose keys are the same up to at. */
static void
sort(struct sorter *s, struct item *items, size_t n, size_t at)
{
	size_t i, j;

	if (n <= FEW) {
		qsort(items, n, sizeof(*items), compare);
		return;
	}
	at += common(items, n, at);
	for (i = 0; i < n; i++)
		items[i].head = head(items[i].entry->key + at);
	pass(s, items, s->spare, n, 0);
	pass(s, s->spare, items, n, 16);
	pass(s, items, s->spare, n, 32);
	pass(s, s->spare, items, n, 48);
	for (i = 0; i < n; i = j) {
		for (j = i + 1; j < n && items[j].head == items[i].head; j++)
			continue;
		/* if they are more than one and go on */
		if (j - i > 1 && (items[i].head & 255) != '\0')
			sort(s, items + i, j - i, at + 8);
	}
}

/* In the order of the items, with keys of their own. */
static struct entry *
collect(const struct item *items, size_t n, struct arena *keys)
{
	struct entry *sorted = mem_resize(NULL, n, sizeof(*sorted));
	const char *key;
	size_t i;

	for (i = 0; i < n; i++) {
		if (i + 2 * AHEAD < n) {
			__builtin_prefetch(items[i + 2 * AHEAD].entry);
			__builtin_prefetch(items[i + AHEAD].entry->key);
		}
		sorted[i] = *items[i].entry;
		key = sorted[i].key;
		sorted[i].key = arena_copy(keys, key, strlen(key));
	}
	return sorted;
}

struct entry *
entries_sorted(const struct entry *entries, size_t n, struct arena *keys)
{
	struct item *items = mem_resize(NULL, n, sizeof(*items));
	struct sorter *s = mem_resize(NULL, 1, sizeof(*s));
	struct entry *sorted;
	size_t i;

	s->spare = mem_resize(NULL, n, sizeof(*items));
	for (i = 0; i < n; i++)
		items[i].entry = entries + i;
	sort(s, items, n, 0);
	free(s->spare);
	free(s);
	sorted = collect(items, n, keys);
	free(items);
	return sorted;
}
