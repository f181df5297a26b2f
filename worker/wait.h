/*
 * All waiting of a session: one poll(2) over the client, the next hop, the DNS
 * socket and the keys helper against one monotonic deadline; and the signals
 * that may end a wait. A worker holds its signals blocked everywhere else, so
 * that a handler never runs between two lines of a session.
 *
 * Who answers soon costs one system call, not two: octets of the client and of
 * the next hop are first waited for in recv(2) itself, for a moment.
 */
#ifndef LICTOR_WAIT_H
#define LICTOR_WAIT_H

#include <sys/types.h>

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

enum wait_source {
	WAIT_CLIENT,
	WAIT_HOP,
	WAIT_DNS,
	WAIT_KEYS,
	WAIT_SOURCES
};

enum wait_result {
	WAIT_READY,
	WAIT_LATE,   /* the deadline has passed */
	WAIT_HURRIED /* the master's patience has: end the session */
};

#define BESIDE_MOST 16

/*
 * Connections that are looked after whatever a session waits for: look is
 * called when one of them has events, with revents filled in, and when it is
 * due.
 */
struct beside {
	struct pollfd fds[BESIDE_MOST]; /* fd -1: not there */
	unsigned n;			/* so many are */
	int64_t due_ms;			/* when one of them is at the latest */
	void (*look)(struct beside *);
};

struct waiting {
	struct pollfd fds[WAIT_SOURCES]; /* fd -1: not there */
	struct beside *beside;		 /* or NULL */
	void (*left)(void *); /* called once when the worker is to leave */
	void *arg;
	bool deaf; /* between dot and reply: nothing hurries */
	int64_t (*background)(void *, bool readable);
	void *background_arg;
	int64_t background_ms; /* when it is due; 0: there is none */
};

/* Milliseconds of CLOCK_MONOTONIC. */
int64_t clock_ms(void);

/*
 * Take over the signals of a worker: SIGTERM (finish, then leave), SIGQUIT
 * (leave now) and SIGUSR1 (look whether a client waits) are blocked but while
 * waiting; SIGPIPE, SIGHUP, SIGINT and SIGXFSZ are ignored.
 */
void wait_signals(void);
/* The signal mask to wait with. */
const sigset_t *wait_mask(void);
/*
 * Take a signal that came meanwhile, if none could be for WAIT_RECV_MS: a wait
 * that finds its octets, or its client, there already takes none, and in a rush
 * all of them may.
 */
void wait_take_signals(int64_t now_ms);
bool wait_leaving(void);
bool wait_hurried(void);
/* Is there anything that a sleep must not come before? */
bool wait_told(void);
/* Since the last call: did the master ask to look whether a client waits? */
bool wait_poked(void);

void wait_init(struct waiting *);
/* From now on source is fd; -1 takes it out. */
void wait_set(struct waiting *, enum wait_source, int fd);
/*
 * Work on WAIT_DNS that goes on whatever the session waits for: run is called
 * now, when fd is readable and when its time comes; it returns the next time,
 * or 0 when it is done. run NULL takes it out.
 */
void wait_background(struct waiting *, int fd,
    int64_t (*run)(void *, bool readable), void *arg);

/*
 * Wait until source is ready for events (POLLIN, POLLOUT) or in error; with
 * none, whatever source does, until the deadline. For WAIT_DNS: until the
 * background work has run.
 */
enum wait_result
wait_for(struct waiting *, enum wait_source, short events, int64_t deadline_ms);

/*
 * Wait for octets of source, a socket, and take them. WAIT_READY: *n is what
 * recv(2) returned, with its errno, but for EAGAIN and EINTR. With nothing else
 * to look after it may sleep in recv(2), where no signal is taken. A socket that
 * does not block is only polled.
 */
enum wait_result wait_octets(struct waiting *, enum wait_source, void *buf,
    size_t len, int64_t deadline_ms, ssize_t *n);

#define WAIT_RECV_MS 250
/*
 * From now on recv(2) on this socket, if it blocks, waits for WAIT_RECV_MS at
 * most; a socket that is accepted has that from its listener. 0, or -1: errno.
 */
int wait_limit_recv(int fd);
/* Whether its calls block. A socket that may must have the limit. */
int wait_let_block(int fd, bool blocks);

#endif
