/*
 * One SMTP session of the load driver, driven by epoll. It goes forward only
 * on the reply it expects; any other is counted, and the session ends.
 */
#ifndef LICTOR_CLIENT_H
#define LICTOR_CLIENT_H

#include <sys/socket.h>
#include <sys/uio.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/bench/bag.h"

struct net_source;
struct tally;

enum job_mode {
	JOB_DELIVER, /* messages, then QUIT */
	JOB_REJECT,  /* one reply, then close */
	JOB_HOLD,    /* EHLO, then wait to be told to quit */
	JOB_GREET    /* the greeting, then QUIT; timed to the greeting */
};

/* What the sessions of a run have in common. */
struct job {
	enum job_mode mode;
	struct sockaddr_storage to;
	struct net_source *from;
	int epfd;
	bool pipeline;
	int64_t pause_us; /* before each command; all sessions stand still */
	int reject_code;
	int messages; /* in one session */
	int recipients;
	const char *sender, *recipient;
	char *body; /* with its final dot */
	size_t body_bytes;
	char *group; /* MAIL, each RCPT and DATA, for pipelining */
	size_t group_bytes;
	struct bag *bag;
	struct tally *tally;
	struct tally *taken; /* to the 250 of a session's first message */
};

enum client_state {
	CLIENT_FREE, /* zero: never used */
	CLIENT_BUSY,
	CLIENT_HELD, /* JOB_HOLD only */
	CLIENT_DONE,
	CLIENT_FAILED
};

enum client_step {
	STEP_GREETING,
	STEP_EHLO,
	STEP_MAIL,
	STEP_RCPT,
	STEP_DATA,
	STEP_DOT,
	STEP_QUIT
};

struct client {
	const struct job *job;
	enum client_state state;
	enum client_step step;
	int fd;
	int64_t begun_us, wake_us; /* wake_us is the caller's */
	int sent, rcpts;	   /* in this session, in this transaction */
	bool has_message, wants_out;
	bool spoiled; /* a reply was not the expected one */
	struct message message;
	struct iovec out[2]; /* what is still to be written */
	char line[1024];
	char in[4096];
	size_t in_bytes;
	int code; /* of a reply that is not complete yet */
};

/* Make group and body for messages of so many bytes. */
void job_prepare(struct job *, size_t message_bytes);
void job_free(struct job *);

/* Begin a session; the state afterwards is BUSY or FAILED. */
void client_start(struct client *, const struct job *);

/* Go on after epoll_wait(2) told of this client. */
void client_event(struct client *, uint32_t events);

/* A held session: say QUIT. */
void client_quit(struct client *);

/* End the session now; it is counted as a timeout. */
void client_expire(struct client *);

#endif
