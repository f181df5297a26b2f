/*
 * The arguments of MAIL and RCPT: RFC 5321, sections 4.1.2 and 4.1.1.11. The
 * parsers only go forward, never read behind end, allocate nothing and do not
 * reply: they hand back what is wrong as a text.
 */
#ifndef LICTOR_PATH_H
#define LICTOR_PATH_H

#include <stdbool.h>
#include <stddef.h>

#include "worker/peer.h"

enum path_kind {
	PATH_SENDER,   /* Reverse-path: may be <> */
	PATH_RECIPIENT /* Forward-path: may be <postmaster> */
};

/*
 * Parse the path at *cursor: "<" [source route ":"] mailbox ">". Blanks before
 * it are skipped. A source route is checked and dropped (appendix C). Both
 * parts may be UTF-8; whether they may, the caller knows. On
 * success *cursor stands behind ">" and NULL is returned; else what is wrong,
 * and *status tells it as an enhanced status code.
 */
const char *path_parse(const char **cursor, const char *end, enum path_kind,
    struct mailbox *, const char **status);

/* A mailbox that has no brackets, from our own lists and settings. 0 or -1. */
int mailbox_from_text(const char *text, struct mailbox *);

/* One ESMTP parameter, "KEY" or "KEY=value"; value NULL when there is none. */
struct param {
	const char *key, *value;
	size_t key_len, value_len;
};

/* The next parameter. 1 found, 0 no more, -1 syntax error. */
int param_next(const char **cursor, const char *end, struct param *);
/* Is this the parameter of that name? Without regard to case. */
bool param_is(const struct param *, const char *key);
/* Append " KEY=value" to what stands in out. False: it does not fit. */
bool param_add(char *out, size_t size, const struct param *);

#endif
