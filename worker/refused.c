/*
 * A refused client costs a descriptor and a few octets of its line.
 */
#include <sys/epoll.h>
#include <sys/socket.h>

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "worker/foreign.h"
#include "worker/refused.h"
#include "worker/text.h"

#define ANSWERED_MS   10000 /* it may hang on so long */
#define SILENT_MS     1000  /* to read our last words */
#define COMMANDS_MOST 5
#define OCTETS_MOST   65536 /* who says more has not come to listen */
#define REPLIES	      512   /* octets: room for all that one read can need */

static void
let_go(struct refused *r, size_t i)
{
	close(r->beside.fds[i].fd);
	r->beside.fds[i].fd = -1;
	r->beside.n--;
}

/* When the next one's time is over. */
static void
set_due(struct refused *r)
{
	size_t i;

	r->beside.due_ms = INT64_MAX;
	for (i = 0; i < REFUSED_MOST; i++)
		if (r->beside.fds[i].fd != -1 &&
		    r->client[i].until_ms < r->beside.due_ms)
			r->beside.due_ms = r->client[i].until_ms;
}

/* ------------------------------------------------------------ what it says */

/* Nothing more is said to it; it may read what was said. */
static void
fall_silent(struct refused_client *c, int fd)
{
	shutdown(fd, SHUT_WR);
	c->silent = true;
	c->until_ms = clock_ms() + SILENT_MS;
}

static void __attribute__((format(printf, 4, 5)))
answer(struct text *out, int code, const char *status, const char *fmt, ...)
{
	va_list ap;

	text_print(out, "%d %s ", code, status);
	va_start(ap, fmt);
	text_args(out, fmt, ap);
	va_end(ap);
	text_add(out, "\r\n");
}

static bool
is_quit(const char *line, size_t len)
{
	while (len > 4 && line[len - 1] == ' ')
		len--;
	return len == 4 && strncasecmp(line, "QUIT", 4) == 0;
}

/* Its line has ended. False: so has all. */
static bool
hear_line(const struct refused *r, struct refused_client *c, struct text *out)
{
	bool whole = c->len <= sizeof(c->head);
	size_t len = whole ? c->len - 1u : sizeof(c->head); /* but for the CR */

	c->len = 0;
	c->last = '\0';
	if (whole && is_quit(c->head, len)) {
		answer(out, 221, "2.0.0", "%s closing connection", r->hostname);
		return false;
	}
	if (foreign_line(c->head, len) != NULL)
		return false;
	answer(out, 503, "5.5.1", "you were refused, say QUIT");
	c->commands++;
	return true;
}

/* Octets of its lines, up to its last command. False: it is to go. */
static bool
listen_to(const struct refused *r, struct refused_client *c, const char *p,
    size_t len, struct text *out)
{
	for (; len > 0 && c->commands < COMMANDS_MOST; p++, len--) {
		if (*p == '\n' && c->last == '\r') {
			if (!hear_line(r, c, out))
				return false;
			continue;
		}
		c->last = *p;
		if (c->len < sizeof(c->head))
			c->head[c->len] = *p;
		if (c->len <= sizeof(c->head))
			c->len++;
	}
	return true;
}

/* What it has said just now. False: it has gone, or is to go. */
static bool
converse(struct refused *r, size_t i, const char *p, size_t len)
{
	struct refused_client *c = &r->client[i];
	int fd = r->beside.fds[i].fd;
	char replies[REPLIES];
	struct text out;
	bool stays;

	if (c->silent)
		return true;
	text_start(&out, replies, sizeof(replies));
	stays = listen_to(r, c, p, len, &out);
	len = (size_t)(out.at - replies);
	if (len > 0 &&
	    send(fd, replies, len, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)len)
		return false;
	if (stays && c->commands >= COMMANDS_MOST)
		fall_silent(c, fd);
	return stays;
}

void
refused_hear(struct refused *r, size_t i)
{
	char buf[512];
	ssize_t n;

	if (i >= REFUSED_MOST || r->beside.fds[i].fd == -1)
		return; /* it was let go meanwhile */
	n = recv(r->beside.fds[i].fd, buf, sizeof(buf), MSG_DONTWAIT);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	r->client[i].octets += n > 0 ? (uint32_t)n : 0;
	if (n <= 0 || r->client[i].octets > OCTETS_MOST ||
	    !converse(r, i, buf, (size_t)n))
		let_go(r, i);
	set_due(r);
}

/* --------------------------------------------------------- all of them */

static void
look(struct beside *b)
{
	struct refused *r = (struct refused *)b;
	size_t i;

	for (i = 0; i < REFUSED_MOST; i++)
		if (b->fds[i].fd != -1 && b->fds[i].revents != 0)
			refused_hear(r, i);
	refused_expire(r);
}

void
refused_start(struct refused *r, const char *hostname, uint64_t data)
{
	size_t i;

	r->hostname = hostname;
	r->data = data;
	r->beside.n = 0;
	r->beside.look = look;
	r->beside.due_ms = INT64_MAX;
	for (i = 0; i < REFUSED_MOST; i++) {
		r->beside.fds[i].fd = -1;
		r->beside.fds[i].events = POLLIN;
	}
}

bool
refused_let_go(struct refused *r)
{
	size_t i, first = REFUSED_MOST;

	for (i = 0; i < REFUSED_MOST; i++)
		if (r->beside.fds[i].fd != -1 &&
		    (first == REFUSED_MOST ||
			r->client[i].until_ms < r->client[first].until_ms))
			first = i;
	if (first == REFUSED_MOST)
		return false;
	let_go(r, first);
	set_due(r);
	return true;
}

/* A free place; whose time ends first has to go if there is none. */
static size_t
find_place(struct refused *r)
{
	size_t i;

	if (r->beside.n == REFUSED_MOST)
		refused_let_go(r);
	for (i = 0; r->beside.fds[i].fd != -1; i++)
		;
	return i;
}

void
refused_take(struct refused *r, int epoll, int fd, const char *octets,
    size_t len, bool quits)
{
	size_t i = find_place(r);
	struct refused_client *c = &r->client[i];
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = r->data + i };

	memset(c, 0, offsetof(struct refused_client, head));
	r->beside.fds[i].fd = fd;
	r->beside.n++;
	c->until_ms = clock_ms() + ANSWERED_MS;
	if (!quits)
		fall_silent(c, fd);
	if (!converse(r, i, octets, len) ||
	    (epoll != -1 && epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev) == -1))
		let_go(r, i);
	else if (c->until_ms < r->beside.due_ms)
		r->beside.due_ms = c->until_ms;
}

void
refused_expire(struct refused *r)
{
	int64_t now;
	size_t i;

	if (r->beside.n == 0 || (now = clock_ms()) < r->beside.due_ms)
		return;
	for (i = 0; i < REFUSED_MOST; i++)
		if (r->beside.fds[i].fd != -1 && r->client[i].until_ms <= now)
			let_go(r, i);
	set_due(r);
}

int
refused_ms(const struct refused *r)
{
	int64_t left;

	if (r->beside.n == 0)
		return -1;
	left = r->beside.due_ms - clock_ms();
	return left > 0 ? (int)left : 0;
}

/* Nothing more is said to it, and what it was told it may have read already. */
static void
cut_short(struct refused_client *c, int fd)
{
	int64_t told_ms = c->until_ms - ANSWERED_MS;

	fall_silent(c, fd);
	c->until_ms = told_ms + SILENT_MS;
}

void
refused_see_off(struct refused *r)
{
	struct waiting w;
	size_t i;

	for (i = 0; i < REFUSED_MOST; i++)
		if (r->beside.fds[i].fd != -1 && !r->client[i].silent)
			cut_short(&r->client[i], r->beside.fds[i].fd);
	set_due(r);
	wait_init(&w);
	w.beside = &r->beside; /* all of them, whichever is waited for */
	for (i = 0; i < REFUSED_MOST; i++) {
		wait_set(&w, WAIT_CLIENT, r->beside.fds[i].fd);
		while (r->beside.fds[i].fd != -1 &&
		    wait_for(&w, WAIT_CLIENT, POLLIN, r->client[i].until_ms) ==
			WAIT_READY)
			refused_hear(r, i);
		if (r->beside.fds[i].fd != -1)
			let_go(r, i);
	}
}
