/*
 * Waiting: the one place where a session can stand still. Every wait has an
 * absolute deadline, so a client that sends an octet now and then gains
 * nothing, and a jump of the wall clock changes nothing.
 */
#include <sys/socket.h>
#include <sys/time.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "worker/wait.h"

static volatile sig_atomic_t leaving, hurried, poked;
static sigset_t held_mask, waiting_mask;
static int64_t taken_ms; /* when signals could be taken last */

int64_t
clock_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void
take_signal(int sig)
{
	if (sig == SIGUSR1)
		poked = 1;
	else
		leaving = 1;
	if (sig == SIGQUIT)
		hurried = 1;
}

void
wait_signals(void)
{
	static const int ignored[] = { SIGPIPE, SIGHUP, SIGINT, SIGXFSZ,
		SIGUSR2 };
	struct sigaction sa;
	size_t i;

	leaving = hurried = poked = 0;
	sigemptyset(&held_mask);
	sigaddset(&held_mask, SIGTERM);
	sigaddset(&held_mask, SIGQUIT);
	sigaddset(&held_mask, SIGUSR1);
	sigprocmask(SIG_SETMASK, &held_mask, NULL);
	sigemptyset(&waiting_mask);

	memset(&sa, 0, sizeof(sa));
	sigemptyset(&sa.sa_mask);
	sa.sa_handler = take_signal;
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGQUIT, &sa, NULL);
	sigaction(SIGUSR1, &sa, NULL);
	sa.sa_handler = SIG_DFL;
	sigaction(SIGCHLD, &sa, NULL);
	sigaction(SIGALRM, &sa, NULL);
	sa.sa_handler = SIG_IGN;
	for (i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		sigaction(ignored[i], &sa, NULL);
}

const sigset_t *
wait_mask(void)
{
	return &waiting_mask;
}

void
wait_take_signals(int64_t now_ms)
{
	if (now_ms - taken_ms < WAIT_RECV_MS)
		return;
	taken_ms = now_ms;
	sigprocmask(SIG_SETMASK, &waiting_mask, NULL);
	sigprocmask(SIG_SETMASK, &held_mask, NULL);
}

bool
wait_leaving(void)
{
	return leaving;
}

bool
wait_poked(void)
{
	bool was = poked;

	poked = 0;
	return was;
}

bool
wait_hurried(void)
{
	return hurried;
}

bool
wait_told(void)
{
	return leaving || poked;
}

void
wait_init(struct waiting *w)
{
	int i;

	memset(w, 0, sizeof(*w));
	for (i = 0; i < WAIT_SOURCES; i++)
		w->fds[i].fd = -1;
}

void
wait_set(struct waiting *w, enum wait_source source, int fd)
{
	w->fds[source].fd = fd;
	w->fds[source].events = 0;
}

/* The master wants this worker to leave: tell the session's owner once. */
static void
tell_leaving(struct waiting *w)
{
	void (*left)(void *) = w->left;

	w->left = NULL;
	if (left != NULL)
		left(w->arg);
}

static void
run_background(struct waiting *w, bool readable)
{
	w->background_ms = w->background(w->background_arg, readable);
	if (w->background_ms == 0)
		w->background = NULL;
}

static bool
has_beside(const struct waiting *w)
{
	return w->beside != NULL && w->beside->n > 0;
}

/*
 * The sources with events to wait for. One without is left out: poll(2) would
 * report at once, and for ever, that it hung up, and nobody would look.
 */
static nfds_t
gather(const struct waiting *w, struct pollfd fds[WAIT_SOURCES + BESIDE_MOST])
{
	nfds_t beside = BESIDE_MOST;
	int i;

	memcpy(fds, w->fds, sizeof(w->fds));
	for (i = 0; i < WAIT_SOURCES; i++)
		if (fds[i].events == 0)
			fds[i].fd = -1;
	if (!has_beside(w))
		return WAIT_SOURCES;
	/* No more than there may be open: poll(2) takes no larger number. */
	while (w->beside->fds[beside - 1].fd == -1)
		beside--;
	memcpy(fds + WAIT_SOURCES, w->beside->fds,
	    beside * sizeof(w->beside->fds[0]));
	return WAIT_SOURCES + beside;
}

void
wait_background(struct waiting *w, int fd,
    int64_t (*run)(void *, bool readable), void *arg)
{
	w->background = run;
	w->background_arg = arg;
	w->background_ms = 0;
	wait_set(w, WAIT_DNS, run != NULL ? fd : -1);
	if (run != NULL)
		run_background(w, false);
}

/* Until when to sleep: the deadline, or other work before it. */
static int64_t
next_ms(const struct waiting *w, int64_t deadline_ms)
{
	if (w->background != NULL && w->background_ms < deadline_ms)
		deadline_ms = w->background_ms;
	if (has_beside(w) && w->beside->due_ms < deadline_ms)
		deadline_ms = w->beside->due_ms;
	return deadline_ms;
}

/* Run what is due or readable. True: it has run. */
static bool
see_background(struct waiting *w, const struct pollfd *pfd)
{
	bool readable = pfd->fd != -1 && pfd->revents != 0;

	if (w->background == NULL ||
	    (!readable && clock_ms() < w->background_ms))
		return false;
	run_background(w, readable);
	return true;
}

/* fds are its first ones; behind them there is nobody. */
static void
see_beside(struct waiting *w, const struct pollfd *fds, nfds_t n)
{
	bool due = clock_ms() >= w->beside->due_ms;
	nfds_t i;

	for (i = 0; i < n; i++)
		due |= (w->beside->fds[i].revents = fds[i].revents) != 0;
	if (due)
		w->beside->look(w->beside);
}

enum wait_result
wait_for(struct waiting *w, enum wait_source source, short events,
    int64_t deadline_ms)
{
	struct pollfd fds[WAIT_SOURCES + BESIDE_MOST];
	struct pollfd *pfd = &w->fds[source];
	struct timespec ts;
	nfds_t nfds;
	int64_t now, left;
	bool ran;
	int n;

	for (;;) {
		if (leaving)
			tell_leaving(w);
		if (hurried && !w->deaf)
			return WAIT_HURRIED;
		now = clock_ms();
		if (deadline_ms <= now)
			return WAIT_LATE;
		if ((left = next_ms(w, deadline_ms) - now) < 0)
			left = 0;
		ts.tv_sec = left / 1000;
		ts.tv_nsec = left % 1000 * 1000000;
		pfd->events = events;
		if (w->background != NULL)
			w->fds[WAIT_DNS].events = POLLIN;
		nfds = gather(w, fds);
		n = ppoll(fds, nfds, &ts, &waiting_mask);
		pfd->events = w->fds[WAIT_DNS].events = 0;
		if (n == -1 && errno != EINTR && errno != EAGAIN)
			abort(); /* a descriptor array of our own making */
		if (n == -1)
			continue;
		if (nfds > WAIT_SOURCES)
			see_beside(w, fds + WAIT_SOURCES, nfds - WAIT_SOURCES);
		ran = see_background(w, &fds[WAIT_DNS]);
		if (source == WAIT_DNS ? ran :
					 n > 0 && fds[source].revents != 0)
			return WAIT_READY;
	}
}

/* Is there nothing to see to but the one source? */
static bool
is_undisturbed(const struct waiting *w)
{
	return !leaving && !hurried && w->background == NULL && !has_beside(w);
}

static bool
is_nothing_yet(ssize_t n)
{
	return n == -1 && (errno == EAGAIN || errno == EINTR);
}

enum wait_result
wait_octets(struct waiting *w, enum wait_source source, void *buf, size_t len,
    int64_t deadline_ms, ssize_t *n)
{
	int fd = w->fds[source].fd;
	int64_t now = clock_ms();
	enum wait_result r;

	wait_take_signals(now);
	if (is_undisturbed(w) && deadline_ms - now > WAIT_RECV_MS) {
		*n = recv(fd, buf, len, 0);
		if (!is_nothing_yet(*n))
			return WAIT_READY;
	}
	do {
		r = wait_for(w, source, POLLIN, deadline_ms);
		if (r != WAIT_READY)
			return r;
		*n = recv(fd, buf, len, MSG_DONTWAIT);
	} while (is_nothing_yet(*n));
	return WAIT_READY;
}

int
wait_limit_recv(int fd)
{
	const struct timeval limit = { 0, WAIT_RECV_MS * 1000 };

	return setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
}

int
wait_let_block(int fd, bool blocks)
{
	return fcntl(fd, F_SETFL, blocks ? 0 : O_NONBLOCK);
}
