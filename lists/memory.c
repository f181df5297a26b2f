/*
 * Memory of the compiler: growing arrays and an arena for the many short
 * strings of a list. Out of memory ends the program with EX_OSERR; the lists
 * in force are not touched by that.
 */
#include <err.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "lists/memory.h"

#define CHUNK_SIZE 65536

struct arena_chunk {
	struct arena_chunk *next;
	size_t size;
	char bytes[];
};

void *
mem_resize(void *old, size_t n, size_t size)
{
	void *p = reallocarray(old, n == 0 ? 1 : n, size);

	if (p == NULL)
		err(EX_OSERR, "lists");
	return p;
}

const char *
arena_copy(struct arena *a, const char *text, size_t len)
{
	struct arena_chunk *c;
	char *p;
	size_t size;

	if (len == 0)
		return "";
	if (len + 1 > a->left) {
		size = len + 1 > CHUNK_SIZE ? len + 1 : CHUNK_SIZE;
		c = mem_resize(NULL, 1, sizeof(*c) + size);
		c->next = a->chunks;
		c->size = size;
		a->chunks = c;
		a->left = size;
	}
	p = a->chunks->bytes + a->chunks->size - a->left;
	memcpy(p, text, len);
	p[len] = '\0';
	a->left -= len + 1;
	return p;
}

void
arena_free(struct arena *a)
{
	struct arena_chunk *next;

	for (; a->chunks != NULL; a->chunks = next) {
		next = a->chunks->next;
		free(a->chunks);
	}
	a->left = 0;
}
