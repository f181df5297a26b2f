/*
 * Domain names and mailboxes in the form in which they are compared. For the
 * lists folder and its tests; name_canonical is public (lists/list.h).
 */
#ifndef LICTOR_NAME_H
#define LICTOR_NAME_H

#include <stddef.h>

#include "lists/list.h"

#define LOCAL_MAX 64 /* octets of a local part, RFC 5321 4.5.3.1.1 */

struct mailbox {
	char local[LOCAL_MAX + 1]; /* as it means: unquoted, case kept */
	char domain[NAME_TEXT_MAX];
};

/*
 * Read local@domain; the local part may be a quoted string (RFC 5321 4.1.2).
 * 0, or -1 with a reason in *why.
 */
int
mailbox_parse(struct mailbox *, const char *text, size_t len, const char **why);

/* Write it as one would in a source, quoted only where it must be. */
void mailbox_format(char out[MAILBOX_TEXT_MAX], const char *local,
    const char *domain);

/* A canonical domain name that could be one: not an address in digits. */
bool name_is_domain(const char *canonical);

char ascii_lower(char);

#endif
