/*
 * Handing over. A delivery is one transaction with one next hop: begin,
 * recipient (once for each), data, write (piece by piece), end; or abort at
 * any point. The rules of what a next hop's answer may become are here: only
 * its own 5xx to MAIL, RCPT, DATA and the end of data is a 5xx to the client.
 */
#ifndef LICTOR_DELIVER_H
#define LICTOR_DELIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "worker/route.h"
#include "worker/where.h"

struct clients;
struct hop;
struct logline;
struct peer;
struct settings;
struct slot;
struct state;
struct waiting;
struct spool;

/* What goes behind an address, each with a blank before it, and a NUL. */
#define PARAMS_MAX 600

/* The envelope of the transaction; owned by the session. */
struct envelope {
	const char *sender;	 /* as it goes on; "" is the null sender */
	bool eight_bit;		 /* BODY=8BITMIME was said */
	bool utf8;		 /* SMTPUTF8 was */
	int64_t size;		 /* SIZE= as declared, or 0 */
	char params[PARAMS_MAX]; /* of MAIL, for a hop that has DSN */
	char *rcpts; /* accepted recipients: address, NUL, parameters, NUL */
	size_t rcpts_len, rcpts_room;
	int nrcpts;
};

/* The parameters of a recipient of the envelope, and the next recipient. */
static inline const char *
rcpt_params(const char *rcpt)
{
	return rcpt + strlen(rcpt) + 1;
}

static inline const char *
rcpt_next(const char *rcpt)
{
	return rcpt_params(rcpt_params(rcpt));
}

enum hop_result {
	HOP_OK,
	HOP_REFUSED, /* a 4xx or 5xx that the client may be told */
	HOP_TROUBLE, /* 451 to the client; log tells why */
	HOP_MIXED,   /* 451, and some recipients have the message */
	HOP_DOUBTFUL /* 451, and the next hop may have the message */
};

struct hop_answer {
	enum hop_result result;
	int code;	 /* to be told: 250, 450, 550, ... */
	char status[12]; /* to be told, never "" */
	char text[320];	 /* to be told; printable ASCII */
	int hop_code;	 /* what the hop really said, 0: nothing */
	char log[128];	 /* why, for the log; "" when text says it */
};

/* What every way of delivering needs, filled in by the session. */
struct delivery {
	const struct deliver_ops *ops; /* NULL: no next hop is chosen */
	const struct settings *set;
	struct clients *clients;    /* where next hops are noted, or NULL */
	const struct state *shared; /* what the master writes, or NULL */
	struct slot *slot;
	const struct peer *peer;
	struct waiting *waiting;
	struct envelope *env;
	const char *ref;
	struct hop *hop;     /* the worker's connection to a next hop */
	struct where where;  /* how next hops are found */
	struct route route;  /* of the first recipient */
	void *state;	     /* of Maildirs and LMTP; NULL: there is none */
	int64_t deadline_ms; /* of the session; past the dot there is none */
	/*
	 * Octets of the message with its trace field, when all of it is here
	 * and none of its dots is stuffed: it may go as one chunk (RFC 3030).
	 * 0: it may not.
	 */
	int64_t chunk;
};

struct deliver_ops {
	const char *name;
	const char *unsure; /* the log's word for HOP_DOUBTFUL */
	/*
	 * Ask for one recipient more, by its own route; params are those of DSN
	 * or "". When the answer is yes, the caller adds it to the envelope.
	 */
	void (*recipient)(struct delivery *, const struct route *,
	    const char *rcpt, const char *params, struct hop_answer *);
	/*
	 * The message is complete: look at it before it goes. False: there is
	 * an answer already, or the spool has an error. NULL: no need.
	 */
	bool (*look)(struct delivery *, struct spool *, int64_t len,
	    struct hop_answer *);
	/* All recipients are in: be ready for the message. */
	void (*data)(struct delivery *, struct hop_answer *);
	/*
	 * May the message come while the client still sends it? NULL: never.
	 * Abort must then undo what was written of it.
	 */
	bool (*may_stream)(const struct delivery *);
	/* Octets as they came over the wire, dots stuffed. -1: give up. */
	int (*write)(struct delivery *, const char *, size_t);
	/* The message is complete. HOP_OK: the next hop has it, safely. */
	void (*end)(struct delivery *, struct hop_answer *);
	/* No delivery: the next hop forgets the transaction. */
	void (*abort)(struct delivery *);
	/* The session is over: give back connection and memory. */
	void (*close)(struct delivery *);
};

extern const struct deliver_ops deliver_smtp, deliver_lmtp, deliver_maildir;

/*
 * Choose the next hop of this transaction by the first recipient's route. A
 * connection to the same next hop is kept, one to another is closed.
 */
void deliver_begin(struct delivery *, const struct route *);
/* Is this recipient's next hop the one of the transaction? */
bool deliver_same(const struct delivery *, const struct route *);
/* The transaction is over without a message (RSET, refusal, lost client). */
void deliver_abort(struct delivery *);
void deliver_close(struct delivery *);
/* Where it went, or was to go: key next_hop, and route where that differs. */
void deliver_log(const struct delivery *, struct logline *);

/*
 * All of the message was written: end it. The waiting is deaf meanwhile, so
 * that nothing comes between dot and reply.
 */
void deliver_end(struct delivery *, struct hop_answer *);

/*
 * Hand the message over: trace is written first, then the spooled message of
 * len octets, and it is ended.
 */
void deliver_message(struct delivery *, const char *trace, size_t trace_len,
    struct spool *, int64_t len, struct hop_answer *);

/* Fill an answer: ours (451 4.3.0 ...) with a reason for the log. */
void answer_trouble(struct hop_answer *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void answer_is(struct hop_answer *, enum hop_result, int code,
    const char *status, const char *text);

#endif
