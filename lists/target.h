/*
 * Targets of routes, as they are written and as they are stored. For the
 * lists folder; list_target of lists/list.h reads what is stored.
 */
#ifndef LICTOR_TARGET_H
#define LICTOR_TARGET_H

#include <stdbool.h>
#include <stddef.h>

#include "lists/list.h"

/*
 * Read the target of smtp, lmtp or mx into its canonical form, of at most
 * TARGETS_MAX octets. 0, or -1 with a reason in *why.
 */
int targets_parse(char out[TARGETS_MAX + 1], enum list_action, const char *text,
    size_t len, const char **why);

/* An absolute path without empty components, "." and ".."? */
bool target_is_path(const char *text, size_t len);

#endif
