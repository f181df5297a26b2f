/*
 * The log: one line per event, key=value, to syslog facility mail or, in the
 * foreground, to stderr. A line is built on the stack and sent as one
 * datagram that never blocks; one that cannot be sent is counted and the
 * count is told with the next that can.
 */
#ifndef LICTOR_LOG_H
#define LICTOR_LOG_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#define LOG_LINE_MAX  2560 /* room for all the keys of any line */
#define LOG_VALUE_MAX 255  /* a domain name is whole; escapes count */

enum log_level {
	LOG_BAD = 3,
	LOG_ODD = 4,
	LOG_NOTE = 5,
	LOG_USUAL = 6
};

struct logline {
	enum log_level level;
	size_t len;
	char text[LOG_LINE_MAX + 1];
};

/* Log to stderr (the foreground) or to syslog from now on. */
void log_open(int to_stderr);
/* After a fork: this process's number is in the lines from now on. */
void log_forked(void);

/* Build a line: event=NAME, then pairs, then send it. */
void log_start(struct logline *, enum log_level, const char *event);
/* key=value; escaped and cut. Nothing is written when value is NULL or "". */
void log_text(struct logline *, const char *key, const char *value);
void
log_octets(struct logline *, const char *key, const char *value, size_t len);
void log_number(struct logline *, const char *key, int64_t);
void log_format(struct logline *, const char *key, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void log_send(struct logline *);

/* A line with text= alone, formatted. */
void log_event(enum log_level, const char *event, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
