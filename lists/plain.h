/* The lines of which long lists are made: a key and nothing else. */
#ifndef LICTOR_PLAIN_H
#define LICTOR_PLAIN_H

#include <stddef.h>
#include <stdint.h>

struct source;

/*
 * Add the entry of the line that text begins with, if it is an IPv4 address or
 * network without host bits, or a mailbox of letters, digits and a few marks,
 * and a key of that list. The octets of the line without its newline, or 0:
 * it is for parse_line, which understands all lines, and these the same.
 */
size_t parse_plain(struct source *, const char *file, uint32_t line,
    const char *text, const char *end);

#endif
