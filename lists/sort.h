/* Entries in the order of their keys. */
#ifndef LICTOR_SORT_H
#define LICTOR_SORT_H

#include <stddef.h>

struct arena;
struct entry;

/*
 * A copy of the entries by key as strcmp(3) has it, those of one key in the
 * order in which they stand in the array; to be freed. Their keys are copied
 * too, one behind the other: who walks the entries then walks through the
 * memory, and does not wait for it at every key.
 */
struct entry *
entries_sorted(const struct entry *, size_t n, struct arena *keys);

#endif
