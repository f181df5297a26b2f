/*
 * What a run saw: failures by kind, and how long each session took.
 */
#ifndef LICTOR_TALLY_H
#define LICTOR_TALLY_H

#include <stddef.h>
#include <stdint.h>

enum tally_kind {
	TALLY_CONNECT,	 /* refused, or no socket to be had */
	TALLY_LOST,	 /* the connection ended early */
	TALLY_TIMEOUT,	 /* the session took too long */
	TALLY_SOFT,	 /* an unexpected reply, 4xx */
	TALLY_HARD,	 /* 5xx */
	TALLY_OTHER,	 /* any other code */
	TALLY_MALFORMED, /* no reply at all by RFC 5321 section 4.2 */
	TALLY_KINDS
};

struct tally {
	uint64_t failed[TALLY_KINDS];
	int shown; /* failures told on stderr so far */
	uint32_t *us;
	size_t n, room;
};

/* Count a failure; the first few are told on stderr. */
void
tally_fail(struct tally *, enum tally_kind, const char *step, const char *text);

/* Count an unexpected reply by the class of its code. */
void tally_reply(struct tally *, int code, const char *step, const char *text);

/* Note the length of one good session. */
void tally_time(struct tally *, int64_t us);

uint64_t tally_failures(const struct tally *);

/* Print "failures=N connect=N ..." without a newline. */
void tally_print_failures(const struct tally *);

/* Print "PREFIXp50_ms=N PREFIXp99_ms=N PREFIXmax_ms=N" without a newline. */
void tally_print_times(struct tally *, const char *prefix);

void tally_free(struct tally *);

#endif
