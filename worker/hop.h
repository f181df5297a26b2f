/*
 * One connection to a next hop: the client's end of SMTP or LMTP. A worker has
 * one struct for all of its life and a connection in it at most; what is said
 * over it is worker/deliver_hop.c's.
 */
#ifndef LICTOR_HOP_H
#define LICTOR_HOP_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/hop_reply.h"
#include "worker/route.h"
#include "worker/where.h"

struct clients;
struct hop_note;
struct next_hop;
struct peer;
struct settings;
struct slot;
struct tls;
struct tls_clients;
struct waiting;

/* How long the next hop gets, in milliseconds. */
#define HOP_COMMAND_MS 120000

struct hop {
	bool open;
	bool failed;		    /* the connection is of no use any more */
	char why[128];		    /* why it failed */
	int fd;			    /* when it is open */
	struct tls *tls;	    /* NULL: it is in the clear */
	struct place at;	    /* where it leads, or led */
	char route[ROUTE_TEXT_MAX]; /* the route it was opened for */
	bool late;		    /* it has failed by not answering in time */
	bool tls_failed;	    /* it has failed for want of TLS */

	/* As long as it is open. */
	const struct next_hop *rules;
	bool personal;	       /* it was told one client's address */
	bool warned;	       /* that it does not offer what is wanted */
	bool passed_over;      /* another place of its route was dead */
	struct hop_note *note; /* where it is counted, or NULL */
	int64_t opened_ms;
	int64_t used_ms;   /* when it last said what it was asked */
	int64_t kept_ms;   /* when one that nobody uses is given up */
	unsigned refusals; /* replies 4xx and 5xx */
	bool watched;	   /* by the worker's epoll */

	/* Of the session that uses it. */
	struct waiting *waiting;
	const struct settings *set;
	struct clients *clients; /* where it is noted, or NULL */
	struct slot *slot;	 /* the worker's, or NULL: it is not counted */
	const struct tls_clients *tls_clients; /* the worker's */
	const struct peer *peer; /* whose mail it gets; NULL: nobody's */
	const char *ref;
	int64_t until_ms; /* no wait before the dot goes on beyond */

	/* What it said to EHLO. */
	unsigned keywords;   /* HOP_DSN, ... */
	int64_t size;	     /* its SIZE limit, 0: none */
	unsigned attributes; /* of XCLIENT or XFORWARD, see hop_client.c */
	char hello[NAME_TEXT_MAX]; /* what it was told in EHLO */

	/* The transaction. */
	bool fresh;	    /* opened for what is being asked just now */
	bool mail_sent;	    /* one is open at the next hop */
	bool reset_due;	    /* one is open that nobody wants any more */
	bool in_data;	    /* between its 354, or our BDAT, and the end */
	bool is_silent;	    /* it was, and has been told nothing since */
	bool chunked;	    /* it goes as one chunk: no dot ends it */
	int64_t chunk_left; /* octets of the chunk that are to come */
	int nsent;	    /* recipients it has accepted in it */
	int forwarded;	    /* XFORWARD commands before its MAIL */

	size_t in_start, in_end, out_len;
	int64_t sent_ms; /* when something was sent last */
	struct hop_reply reply;
	char in[4096];
	char out[16384];
};

/* Connect, and be greeted (worker/hop_hello.c); h->failed tells of failure. */
void hop_open(struct hop *, const struct place *);
/* Close the connection, and be ready for another one in its place. */
void hop_hang_up(struct hop *);
/* Close at once; with it goes what was not finished. */
void hop_close(struct hop *);
/* Say QUIT where that can be heard, and close. */
void hop_quit(struct hop *);

/*
 * Between two uses. A connection that another client's mail may use is kept
 * for keep_secs; one that is of no use, or that others wait for, is closed.
 */
void hop_keep(struct hop *);
/* How long until hop_idle is to be called, for epoll_wait(2); -1: never. */
int hop_idle_ms(const struct hop *);
/* Look after one that is kept; spoke: it can be read from. */
void hop_idle(struct hop *, bool spoke);
/*
 * The client is heard: let go of a connection that somebody waits for and that
 * was not used for a second, and of one that was kept long enough.
 */
void hop_yield(struct hop *, int64_t now_ms);

/* The connection has failed; the first reason counts. */
void hop_lose(struct hop *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* The end of one wait of so many milliseconds, within that of all of them. */
int64_t hop_patience(const struct hop *, int64_t ms);
/* Wait for events. 0, or -1: the connection has failed. */
int hop_wait(struct hop *, short events, int64_t deadline_ms);

/* Gather output; a piece larger than the buffer goes out by itself. */
void hop_put(struct hop *, const char *, size_t);
/* The same for a command line; CRLF is added. */
void hop_command(struct hop *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void hop_flush(struct hop *);

/*
 * Send what was gathered and read one reply into h->reply; each_line as in
 * hop_reply_take, with the hop as its arg. 0, or -1: the connection has failed.
 */
int hop_read(struct hop *, int64_t patience_ms,
    void (*each_line)(void *, const char *));

/*
 * Nothing may have come that was not asked for: a reply too many would be
 * taken for that to the next command, a 250 for that to the dot. In one step
 * of the dialogue it is looked once for what is sent at once.
 */
void hop_expect_silence(struct hop *);

#endif
