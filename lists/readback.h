/* A list that was written, read again. */
#ifndef LICTOR_READBACK_H
#define LICTOR_READBACK_H

struct report;
struct source;

/*
 * The file holds @meta and behind it the entries of a merged source, each octet
 * as it should be; each is found by its key, and nothing else is there. What
 * @meta says is not looked at. 0, or -1 with errno, EBADMSG when it is not so.
 */
int readback(int fd, const struct source *, const struct report *);

#endif
