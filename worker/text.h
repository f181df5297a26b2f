/*
 * Text that grows in a buffer of its caller's and is cut at the end of it. For
 * what is written in every session, where printf(3) is a good part of the cost.
 */
#ifndef LICTOR_TEXT_H
#define LICTOR_TEXT_H

#include <stdarg.h>
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

/*
 * As printf(3) has it. %s, %.Ns, %d, %u, %lld and %% are done here; a format
 * with anything else is done by the C library as a whole.
 */
void text_print(struct text *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void text_args(struct text *, const char *fmt, va_list)
    __attribute__((format(printf, 2, 0)));
/* The same into an empty text in buf. */
void text_set(char *buf, size_t size, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
