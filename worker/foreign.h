/*
 * Clients that speak another protocol: a scanner, a misled browser, or one
 * that was made to carry SMTP in a request of its own. There is nothing to be
 * said to them, and what follows must not be taken for commands.
 */
#ifndef LICTOR_FOREIGN_H
#define LICTOR_FOREIGN_H

#include <stddef.h>

/*
 * The protocol of a session that begins with this octet, where no command of
 * SMTP can: "tls", "socks", "binary". NULL: it may be SMTP.
 */
const char *foreign_octet(char);
/* The protocol of a line that begins so: "http", "ssh". NULL: none of these. */
const char *foreign_line(const char *, size_t len);

#endif
