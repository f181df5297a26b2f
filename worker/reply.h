/*
 * Replies (RFC 5321, section 4.2; enhanced codes of RFC 2034 and 3463). All
 * replies of ours go through here: they are counted, made softer when setting
 * soft says so, and cut to the 512 octets of a reply line. No octet of a
 * client's is ever in one.
 */
#ifndef LICTOR_REPLY_H
#define LICTOR_REPLY_H

#include <stdint.h>

struct hop_answer;
struct reason;
struct session;

/* status NULL: a reply without an enhanced code (greeting, 354). */
void reply(struct session *, int code, const char *status, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* One line of a reply of several; the last one has more false. */
void reply_part(struct session *, int code, int more, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/*
 * Refuse, with the reference in the reply and a line in the log. test names
 * who refuses; to is the recipient it is about, or NULL. why->reply is the
 * code, why->text the text.
 */
void reply_refuse(struct session *, const char *test, const struct reason *,
    const char *to);

/* As reply_refuse, for refusals of ours that no list line has caused. */
void reply_refuse_as(struct session *, const char *test, const char *word,
    int code, const char *status, const char *text, const char *to);

/* The next hop's no or its trouble, passed to the client and logged. */
void reply_hop(struct session *, const struct hop_answer *, const char *to);

/*
 * A refusal that is logged and not spoken: key "would" and the verdict under
 * mode warn; key "reply" and "drop" where the connection is closed.
 */
void reply_unspoken(struct session *, const char *test, const char *key,
    const char *value, const struct reason *, const char *to);

/* For the log: "550 5.1.1", or 450 4.1.1 where soft made it so. */
void reply_soften(const struct session *, int *code, char status[12]);

#endif
