/*
 * Memory of the compiler: out of memory is fatal there, so nothing returns
 * NULL. Look-ups in a worker do not use this.
 */
#ifndef LICTOR_MEMORY_H
#define LICTOR_MEMORY_H

#include <stddef.h>

/* Strings that live and die together. Starts as all zero. */
struct arena {
	struct arena_chunk *chunks;
	size_t left; /* octets free in the newest chunk */
};

void *mem_resize(void *, size_t n, size_t size);

/* A copy of len octets with a NUL behind them; "" is never copied. */
const char *arena_copy(struct arena *, const char *, size_t len);
/* Memory for size octets, which begins where the last one ended. */
void *arena_take(struct arena *, size_t size);
/* What is in the second belongs to the first from now on. */
void arena_join(struct arena *, struct arena *);
void arena_free(struct arena *);

#endif
