/* One line of a source. */
#ifndef LICTOR_PARSE_H
#define LICTOR_PARSE_H

#include "lists/source.h"

/*
 * Parse one line, without its newline, and append its entry if it has one.
 * Whatever is wrong is reported, at most one error a line.
 */
void parse_line(struct source *, const char *file, uint32_t line,
    const char *text, size_t len, struct report *);

/* Why it cannot be the text of an entry, or NULL. */
const char *text_trouble(const char *, size_t len);

#endif
