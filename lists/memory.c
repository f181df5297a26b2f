/*
 * Memory of the compiler: growing arrays and an arena for the many short
 * strings of a list. Out of memory ends the program with EX_OSERR; the lists
 * in force are not touched by that.
 */
#include <sys/mman.h>

#include <err.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "lists/memory.h"

#define CHUNK_SIZE 65536
#define CHUNK_MOST (8 << 20) /* of a list that is long */
#define HUGE_PAGE  ((size_t)2 << 20)

struct arena_chunk {
	struct arena_chunk *next;
	size_t size;
	char bytes[];
};

/*
 * Of an array of many pages ask for large ones: for each page that is touched
 * first the kernel is entered, and where keys lie all over the memory, the
 * processor has hardly any address at hand. Not getting them is no harm.
 */
static void
ask_huge(void *p, size_t size)
{
	uintptr_t begin = ((uintptr_t)p + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
	uintptr_t end = ((uintptr_t)p + size) & ~(HUGE_PAGE - 1);

	if (begin < end)
		(void)madvise((void *)begin, end - begin, MADV_HUGEPAGE);
}

void *
mem_resize(void *old, size_t n, size_t size)
{
	void *p = reallocarray(old, n == 0 ? 1 : n, size);

	if (p == NULL)
		err(EX_OSERR, "lists");
	if (size > 0 && n >= 2 * HUGE_PAGE / size)
		ask_huge(p, n * size);
	return p;
}

void *
arena_take(struct arena *a, size_t size)
{
	struct arena_chunk *c;
	size_t room;
	char *p;

	if (size > a->left) {
		room = a->chunks == NULL	      ? CHUNK_SIZE :
		    a->chunks->size < CHUNK_MOST / 16 ? 16 * a->chunks->size :
							CHUNK_MOST;
		room = size > room ? size : room;
		c = mem_resize(NULL, sizeof(*c) + room, 1);
		c->next = a->chunks;
		c->size = room;
		a->chunks = c;
		a->left = room;
	}
	p = a->chunks->bytes + a->chunks->size - a->left;
	a->left -= size;
	return p;
}

const char *
arena_copy(struct arena *a, const char *text, size_t len)
{
	char *p;

	if (len == 0)
		return "";
	p = arena_take(a, len + 1);
	memcpy(p, text, len);
	p[len] = '\0';
	return p;
}

void
arena_join(struct arena *a, struct arena *b)
{
	struct arena_chunk **last = &b->chunks;

	if (b->chunks == NULL)
		return;
	while (*last != NULL)
		last = &(*last)->next;
	*last = a->chunks;
	a->chunks = b->chunks;
	a->left = b->left;
	b->chunks = NULL;
	b->left = 0;
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
