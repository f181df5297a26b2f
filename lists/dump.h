/* A compiled list as source again, and what differs between two. */
#ifndef LICTOR_DUMP_H
#define LICTOR_DUMP_H

#include <stdbool.h>

struct list;
struct list_entry;
struct source;

/*
 * Read all records of a list into a source, which is sorted and keeps the
 * list's own order of files and lines. 0, or -1 when the list is damaged.
 */
int dump_load(struct source *, struct list *);

/* As list_walk of lists/list.h. */
int dump_walk(struct list *,
    void (*each)(void *, const char *key, const struct list_entry *),
    void *arg);

/*
 * Call each for what differs in meaning, an entry that goes before the one
 * that comes in its place; both are sorted.
 */
void dump_diff(const struct source *old, const struct source *new,
    void (
	*each)(void *, bool comes, const char *key, const struct list_entry *),
    void *arg);

#endif
