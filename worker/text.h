/*
 * Text that grows in a buffer of its caller's and is cut at the end of it. For
 * what is written in every session, where printf(3) is a good part of the cost.
 */
#ifndef LICTOR_TEXT_H
#define LICTOR_TEXT_H

#include <stddef.h>
#include <stdint.h>

struct text {
	char *at;  /* its NUL */
	char *end; /* the last octet of the buffer */
};

/* Empty text in a buffer of size octets, one at least. */
void text_start(struct text *, char *buf, size_t size);
void text_add(struct text *, const char *);
void text_add_number(struct text *, int64_t);

#endif
