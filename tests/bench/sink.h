/*
 * The sink: one connection to it, and what is said there.
 */
#ifndef LICTOR_SINK_H
#define LICTOR_SINK_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum {
	ID_MAX = 64,
	FIELD_MAX = 128 /* of a header line: what is looked at */
};

enum phase {
	PH_COMMAND,
	PH_HEADER,
	PH_BODY,
	PH_DELAY,
	PH_CLOSE
};

struct conn {
	TAILQ_ENTRY(conn) entry; /* in the list of those that wait */
	int fd;
	enum phase phase;
	bool waits, wants_out;
	bool line_begins; /* the octet before in[0] was the LF of a CRLF */
	char last;	  /* the octet before in[0] */
	bool chunked;	  /* its message comes by BDAT */
	bool chunk_last;
	enum phase chunk_phase; /* where the message goes on */
	uint64_t chunk_left;	/* octets */
	int64_t due_us;
	const char *arg; /* what stands behind the command */
	char id[ID_MAX];
	size_t field_bytes;
	char field[FIELD_MAX]; /* the beginning of a header line */
	size_t in_bytes, out_bytes;
	char out[4096];
	char in[32768];
};

TAILQ_HEAD(conns, conn);

struct sink {
	int epfd, lfd;
	int64_t delay_us;
	FILE *ledger;
	struct conns waiting; /* in the order of due_us */
	uint64_t sessions, open, messages, recipients, bytes, cut;
};

/* The next reply; there is room for it where input is taken. */
void sink_reply(struct conn *, const char *text);
/* May what is in the buffer be taken now? */
bool sink_takes_input(const struct conn *);
/* Take commands and messages, and put the replies into the buffer. */
void sink_take(struct sink *, struct conn *);

#endif
