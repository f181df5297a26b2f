/*
 * The replies of a next hop (RFC 5321, section 4.2), read octet by octet with
 * every length bounded: a next hop is trusted no more than a client.
 */
#ifndef LICTOR_HOP_REPLY_H
#define LICTOR_HOP_REPLY_H

#include <stdbool.h>
#include <stddef.h>

#define HOP_LINE_OCTETS 2048 /* longest reply line, its CRLF included */
#define HOP_LINES	128  /* most lines of one reply */

enum hop_reply_state {
	REPLY_MORE, /* not complete yet */
	REPLY_DONE,
	REPLY_BROKEN /* no reply of SMTP: the connection is of no use */
};

struct hop_reply {
	int code;	 /* 200 to 599 */
	char status[12]; /* "5.1.1"; "" when the reply has none */
	char text[320];	 /* of its first line; printable ASCII only */
	unsigned lines;
	size_t line_len; /* private: of the line being read */
	char line[HOP_LINE_OCTETS];
};

void hop_reply_start(struct hop_reply *);

/*
 * Take octets; *used tells how many. each_line, when not NULL, is called with
 * the text of every line, terminated, of a reply (for EHLO).
 */
enum hop_reply_state hop_reply_take(struct hop_reply *, const char *, size_t,
    size_t *used, void (*each_line)(void *, const char *), void *arg);

#endif
