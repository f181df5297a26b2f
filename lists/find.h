/* Searches in one open list; the public ones are on a generation. */
#ifndef LICTOR_FIND_H
#define LICTOR_FIND_H

#include "lists/list.h"

struct list;

/* found, if not NULL, receives the CDB key that matched. */
enum list_found find_prefix(struct list *, const struct prefix *, int64_t now,
    struct list_entry *, char *found);
enum list_found find_name(struct list *, const char *name, int64_t now,
    struct list_entry *, char *found);
enum list_found find_mailbox(struct list *, const char *local,
    const char *domain, int64_t now, struct list_entry *, char *found);
/* As list_find_text of lists/list.h. */
enum list_found find_text(struct list *, const char *key, int64_t now,
    struct list_entry *, char matched[MAILBOX_TEXT_MAX]);

#endif
