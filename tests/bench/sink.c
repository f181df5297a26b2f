/*
 * sink: a next hop that takes every message and keeps none. One process, one
 * epoll loop. With a ledger it writes "have ID" for the X-Ledger header of a
 * message before it says 250. Only CRLF.CRLF ends a message by DATA here, so
 * that a bare CR or LF that came through shows in the counts; it takes BDAT,
 * too.
 *
 * It ends on SIGTERM, SIGINT or when its seconds are over, with one line of
 * totals, which SIGUSR1 asks for earlier; exit status 0, or 1 when it could
 * not go on.
 */
#include <sys/epoll.h>
#include <sys/socket.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/bench/net.h"
#include "tests/bench/sink.h"

enum {
	EVENTS = 256,
	SECONDS_DEFAULT = 600
};

static volatile sig_atomic_t stop, asked;

static void
on_signal(int sig)
{
	if (sig == SIGUSR1)
		asked = 1;
	else
		stop = 1;
}

/* -------------------------------------------------------------- writing */

static void
conn_close(struct sink *k, struct conn *c)
{
	if (c->chunked || c->phase == PH_HEADER || c->phase == PH_BODY)
		k->cut++;
	if (c->waits)
		TAILQ_REMOVE(&k->waiting, c, entry);
	close(c->fd);
	free(c);
	k->open--;
}

static void
watch(struct sink *k, struct conn *c, bool out)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = c };

	if (c->wants_out == out)
		return;
	if (out)
		ev.events = EPOLLOUT; /* nothing more is read meanwhile */
	if (epoll_ctl(k->epfd, EPOLL_CTL_MOD, c->fd, &ev) == -1)
		err(1, "epoll_ctl");
	c->wants_out = out;
}

/* 0, or -1 when the connection is of no more use. */
static int
conn_flush(struct sink *k, struct conn *c)
{
	ssize_t n;

	while (c->out_bytes > 0) {
		n = send(c->fd, c->out, c->out_bytes, MSG_NOSIGNAL);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && errno == EAGAIN) {
			watch(k, c, true);
			return 0;
		}
		if (n == -1)
			return -1;
		c->out_bytes -= (size_t)n;
		memmove(c->out, c->out + n, c->out_bytes);
	}
	watch(k, c, false);
	return c->phase == PH_CLOSE ? -1 : 0;
}

/* ----------------------------------------------------------------- loop */

/* Take what stands in the buffer and answer it in one write. */
static void
conn_go(struct sink *k, struct conn *c)
{
	size_t before;

	do {
		before = c->in_bytes;
		sink_take(k, c);
		if (conn_flush(k, c) == -1) {
			conn_close(k, c);
			return;
		}
	} while (!c->wants_out && c->in_bytes < before && c->in_bytes > 0 &&
	    sink_takes_input(c));
}

static void
conn_read(struct sink *k, struct conn *c)
{
	ssize_t n;

	if (c->in_bytes == sizeof(c->in)) {
		conn_close(k, c); /* it talks on while its answer is due */
		return;
	}
	n = recv(c->fd, c->in + c->in_bytes, sizeof(c->in) - c->in_bytes, 0);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		conn_close(k, c);
		return;
	}
	c->in_bytes += (size_t)n;
	if (c->phase == PH_HEADER || c->phase == PH_BODY)
		net_quickack(c->fd);
	conn_go(k, c);
}

static void
conn_event(struct sink *k, struct conn *c, uint32_t events)
{
	if (!c->wants_out) {
		conn_read(k, c);
		return;
	}
	if (events & (EPOLLERR | EPOLLHUP) || conn_flush(k, c) == -1)
		conn_close(k, c);
	else if (!c->wants_out)
		conn_go(k, c);
}

static void
conn_new(struct sink *k, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct conn *c;
	int on = 1;

	/* The buffers are not cleared: a session uses a page or two. */
	if ((c = malloc(sizeof(*c))) == NULL)
		err(1, NULL);
	memset(c, 0, offsetof(struct conn, out));
	c->fd = fd;
	ev.data.ptr = c;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (epoll_ctl(k->epfd, EPOLL_CTL_ADD, fd, &ev) == -1)
		err(1, "epoll_ctl");
	k->sessions++;
	k->open++;
	sink_reply(c, "220 sink.bench.example ESMTP\r\n");
	if (conn_flush(k, c) == -1)
		conn_close(k, c);
}

static void
accept_all(struct sink *k)
{
	int fd;

	while ((fd = accept4(k->lfd, NULL, NULL,
		    SOCK_NONBLOCK | SOCK_CLOEXEC)) != -1)
		conn_new(k, fd);
	if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
		err(1, "accept");
}

/* Answer those whose delay is over; the milliseconds to the next, or -1. */
static int
answer_due(struct sink *k)
{
	struct conn *c;
	int64_t now;

	while ((c = TAILQ_FIRST(&k->waiting)) != NULL) {
		now = net_now_us();
		if (c->due_us > now)
			return (int)((c->due_us - now) / 1000) + 1;
		TAILQ_REMOVE(&k->waiting, c, entry);
		c->waits = false;
		c->phase = PH_COMMAND;
		sink_reply(c, "250 2.0.0 taken\r\n");
		conn_go(k, c);
	}
	return -1;
}

static void
show_totals(const struct sink *k)
{
	printf("sessions=%" PRIu64 " messages=%" PRIu64 " recipients=%" PRIu64
	       " bytes=%" PRIu64 " cut=%" PRIu64 " open=%" PRIu64 "\n",
	    k->sessions, k->messages, k->recipients, k->bytes, k->cut, k->open);
	fflush(stdout);
	asked = 0;
}

static void
serve(struct sink *k, const sigset_t *unblocked)
{
	struct epoll_event ev[EVENTS];
	int i, n, wait_ms;

	while (!stop) {
		if (asked)
			show_totals(k);
		wait_ms = answer_due(k);
		n = epoll_pwait(k->epfd, ev, EVENTS, wait_ms, unblocked);
		if (n == -1 && errno != EINTR)
			err(1, "epoll_pwait");
		for (i = 0; i < n; i++) {
			if (ev[i].data.ptr == NULL)
				accept_all(k);
			else
				conn_event(k, ev[i].data.ptr, ev[i].events);
		}
	}
}

static void catch (sigset_t *before, int secs)
{
	static const int sigs[] = { SIGTERM, SIGINT, SIGALRM, SIGUSR1 };
	struct sigaction sa = { .sa_handler = on_signal };
	sigset_t set;
	size_t i;

	sigemptyset(&set);
	for (i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++) {
		sigaddset(&set, sigs[i]);
		sigaction(sigs[i], &sa, NULL);
	}
	sigprocmask(SIG_BLOCK, &set, before);
	alarm((unsigned)secs);
}

__attribute__((noreturn)) static void
usage(void)
{
	fprintf(stderr,
	    "usage: sink [-S seconds] [--ledger file] "
	    "[--delay-ms number] address:port\n");
	exit(2);
}

static int
number(const char *arg, int most)
{
	const char *trouble;
	int n = (int)strtonum(arg, 0, most, &trouble);

	if (trouble != NULL)
		errx(2, "%s: %s (0 to %d)", arg, trouble, most);
	return n;
}

/* The seconds this run may last. */
static int
options(struct sink *k, int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "seconds", required_argument, NULL, 'S' },
		{ "ledger", required_argument, NULL, 'l' },
		{ "delay-ms", required_argument, NULL, 'd' },
		{ NULL, 0, NULL, 0 },
	};
	int ch, secs = SECONDS_DEFAULT;

	while ((ch = getopt_long(argc, argv, "S:l:d:", longopts, NULL)) != -1) {
		if (ch == 'S')
			secs = number(optarg, 86400);
		else if (ch == 'd')
			k->delay_us = (int64_t)number(optarg, 600000) * 1000;
		else if (ch != 'l')
			usage();
		else if ((k->ledger = fopen(optarg, "ae")) == NULL)
			err(1, "%s", optarg);
	}
	if (argc - optind != 1)
		usage();
	if (k->ledger != NULL)
		setvbuf(k->ledger, NULL, _IOLBF, 0);
	return secs;
}

int
main(int argc, char **argv)
{
	struct sink k = { .waiting = TAILQ_HEAD_INITIALIZER(k.waiting) };
	struct epoll_event ev = { .events = EPOLLIN };
	struct sockaddr_storage ss;
	sigset_t before;

	catch (&before, options(&k, argc, argv));
	net_raise_nofile();
	if (net_endpoint(&ss, argv[optind]) == -1 ||
	    (k.lfd = net_listen(&ss, true)) == -1)
		err(1, "%s", argv[optind]);
	if ((k.epfd = epoll_create1(EPOLL_CLOEXEC)) == -1 ||
	    epoll_ctl(k.epfd, EPOLL_CTL_ADD, k.lfd, &ev) == -1)
		err(1, "epoll");
	serve(&k, &before);
	if (k.ledger != NULL && fclose(k.ledger) != 0)
		err(1, "ledger");
	show_totals(&k);
	return 0;
}
