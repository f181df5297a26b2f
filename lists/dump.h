/* A compiled list as source again, and what differs between two. */
#ifndef LICTOR_DUMP_H
#define LICTOR_DUMP_H

#include <stdio.h>

struct list;
struct source;

/*
 * Read all records of a list into a source, which is sorted and keeps the
 * list's own order of files and lines. 0, or -1 when the list is damaged.
 */
int dump_load(struct source *, struct list *);

/* As list_dump of lists/list.h. */
int dump_list(struct list *, FILE *);

/* Lines "- entry" and "+ entry" for what differs in meaning; both sorted. */
void dump_diff(const struct source *old, const struct source *new, FILE *);

#endif
