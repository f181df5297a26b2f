/* Suffixes below which anybody may register a name. */
#ifndef LICTOR_SUFFIX_H
#define LICTOR_SUFFIX_H

#include <stdbool.h>

/*
 * Is this canonical name, without a dot before it, one of the well-known
 * suffixes of two labels? Names of one label are not looked at. False says
 * nothing: the public suffix list is some thousand times longer.
 */
bool suffix_is_public(const char *name);

#endif
