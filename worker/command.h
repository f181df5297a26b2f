/*
 * Command lines: which verb it is, whether it may come now, and its handler.
 */
#ifndef LICTOR_COMMAND_H
#define LICTOR_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

struct mailbox;
struct param;
struct session;

/* Take one line, without its CRLF; not terminated, it may hold any octet. */
void command_run(struct session *, const char *line, size_t len);
/* A line that was longer than LINE_OCTETS has been skipped. */
void command_too_long(struct session *);
/*
 * May a session begin with this octet? If not, the client speaks another
 * protocol and is cut off without a word.
 */
bool command_may_begin(struct session *, char first);

/*
 * The handlers, by file. arg is what stands behind the verb and one blank, up
 * to end; blanks at its end are cut off, every octet is printable ASCII, but
 * MAIL and RCPT may hold UTF-8 where SMTPUTF8 was offered.
 */
void cmd_helo(struct session *, const char *arg, const char *end);
void cmd_ehlo(struct session *, const char *arg, const char *end);
void cmd_starttls(struct session *, const char *arg, const char *end);
void cmd_mail(struct session *, const char *arg, const char *end);
void cmd_rcpt(struct session *, const char *arg, const char *end);
void cmd_data(struct session *, const char *arg, const char *end);
void cmd_bdat(struct session *, const char *arg, const char *end);
void cmd_rset(struct session *, const char *arg, const char *end);
void cmd_noop(struct session *, const char *arg, const char *end);
void cmd_vrfy(struct session *, const char *arg, const char *end);
void cmd_expn(struct session *, const char *arg, const char *end);
void cmd_help(struct session *, const char *arg, const char *end);
void cmd_quit(struct session *, const char *arg, const char *end);

/*
 * A parameter that a command knows. needs: only where that was offered in
 * EHLO. take returns 0, or -1 after it has replied.
 */
struct param_row {
	const char *key;
	unsigned needs; /* HOP_DSN, HOP_UTF8 or 0 */
	int (*take)(struct session *, void *arg, const struct param *);
};

/* Take all parameters up to end. 0, or -1 after it has replied. */
int params_take(struct session *, void *arg, const char *p, const char *end,
    const struct param_row *, size_t n);

/* An address in UTF-8 wants SMTPUTF8. False: it was refused. */
bool address_is_allowed(struct session *, const struct mailbox *);

/*
 * A BDAT that is refused as a command: read its octets. False: the session is
 * over, as it was said or as they did not come.
 */
bool bdat_skip(struct session *, const char *arg, const char *end);

#endif
