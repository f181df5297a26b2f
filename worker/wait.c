/*
 * Waiting: the one place where a session can stand still. Every wait has an
 * absolute deadline, so a client that sends an octet now and then gains
 * nothing, and a jump of the wall clock changes nothing.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "worker/wait.h"

static volatile sig_atomic_t leaving, hurried, poked;
static sigset_t waiting_mask;

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
	sigset_t held;
	size_t i;

	leaving = hurried = poked = 0;
	sigemptyset(&held);
	sigaddset(&held, SIGTERM);
	sigaddset(&held, SIGQUIT);
	sigaddset(&held, SIGUSR1);
	sigprocmask(SIG_SETMASK, &held, NULL);
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

/*
 * The sources with events to wait for. One without is left out: poll(2) would
 * report at once, and for ever, that it hung up, and nobody would look.
 */
static void
gather(const struct waiting *w, struct pollfd fds[WAIT_SOURCES])
{
	int i;

	memcpy(fds, w->fds, sizeof(w->fds));
	for (i = 0; i < WAIT_SOURCES; i++)
		if (fds[i].events == 0)
			fds[i].fd = -1;
}

enum wait_result
wait_for(struct waiting *w, enum wait_source source, short events,
    int64_t deadline_ms)
{
	struct pollfd fds[WAIT_SOURCES], *pfd = &w->fds[source];
	struct timespec ts;
	int64_t left;
	int n;

	for (;;) {
		if (leaving)
			tell_leaving(w);
		if (hurried && !w->deaf)
			return WAIT_HURRIED;
		left = deadline_ms - clock_ms();
		if (left <= 0)
			return WAIT_LATE;
		ts.tv_sec = left / 1000;
		ts.tv_nsec = left % 1000 * 1000000;
		pfd->events = events;
		gather(w, fds);
		n = ppoll(fds, WAIT_SOURCES, &ts, &waiting_mask);
		pfd->events = 0;
		if (n == -1 && errno != EINTR && errno != EAGAIN)
			abort(); /* a descriptor array of our own making */
		if (n > 0 && fds[source].revents != 0)
			return WAIT_READY;
	}
}
