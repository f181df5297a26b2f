/*
 * The trace field that stands before every message (RFC 5321, section 4.4).
 */
#ifndef LICTOR_TRACE_H
#define LICTOR_TRACE_H

#include <stddef.h>

#include "lists/list.h"

#define TRACE_MAX (MAILBOX_TEXT_MAX + 4 * NAME_TEXT_MAX + 256)

struct session;

/* Write the Received field of the message in hand; its length. */
size_t trace_field(const struct session *, char buf[TRACE_MAX]);

#endif
