/*
 * The session of the load driver as a chain of steps: each step waits for one
 * reply. A message belongs to the session from bag_take() until one of
 * bag_told(), bag_lost() and bag_return() has it back.
 */
#include <sys/epoll.h>

#include <err.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/bench/client.h"
#include "tests/bench/net.h"
#include "tests/bench/tally.h"

static const struct {
	const char *name;
	int code;
} steps[] = {
	[STEP_GREETING] = { "greeting", 220 },
	[STEP_EHLO] = { "EHLO", 250 },
	[STEP_MAIL] = { "MAIL", 250 },
	[STEP_RCPT] = { "RCPT", 250 },
	[STEP_DATA] = { "DATA", 354 },
	[STEP_DOT] = { "dot", 250 },
	[STEP_QUIT] = { "QUIT", 221 },
};

static const char text[] = "A lictor walked before the magistrate, cleared "
			   "the way and kept the door.\r\n";
static const char dot[] = ".\r\n";

/* ----------------------------------------------------------------- text */

static int
header(const struct job *job, const struct message *m, char *buf, size_t room)
{
	char id[BAG_ID_MAX];

	bag_id(job->bag, m, id);
	return snprintf(buf, room,
	    "From: <%s>\r\nTo: <%s>\r\n"
	    "Date: Sat, 1 Jan 2000 00:00:00 +0000\r\n"
	    "Message-ID: <%s@bench.example>\r\n"
	    "X-Ledger: %s\r\n\r\n",
	    job->sender, job->recipient, id, id);
}

/* "RCPT TO:<bench1@example.org>": each recipient but the first has a number. */
static int
rcpt(const struct job *job, int i, char *buf, size_t room)
{
	const char *at = strchr(job->recipient, '@');
	int local = (int)(at - job->recipient);

	if (i == 0)
		return snprintf(buf, room, "RCPT TO:<%s>\r\n", job->recipient);
	return snprintf(buf, room, "RCPT TO:<%.*s%d%s>\r\n", local,
	    job->recipient, i, at);
}

static void
make_body(struct job *job, size_t message_bytes)
{
	char sample[1024];
	struct message m = { 0, 0 };
	size_t head, n = 0, want = 0, part;

	head = (size_t)header(job, &m, sample, sizeof(sample));
	if (message_bytes > head)
		want = message_bytes - head;
	if (want > 0 && want < 2)
		want = 2;
	job->body = malloc(want + sizeof(dot));
	if (job->body == NULL)
		err(1, NULL);
	while (n < want) {
		part = want - n < sizeof(text) - 1 ? want - n :
						     sizeof(text) - 1;
		memcpy(job->body + n, text, part);
		n += part;
	}
	if (want > 0)
		memcpy(job->body + n - 2, "\r\n", 2);
	memcpy(job->body + n, dot, sizeof(dot));
	job->body_bytes = n + sizeof(dot) - 1;
}

static void
make_group(struct job *job)
{
	size_t room = ((size_t)job->recipients + 2) *
	    (strlen(job->sender) + strlen(job->recipient) + 40);
	size_t n;
	int i;

	if ((job->group = malloc(room)) == NULL)
		err(1, NULL);
	n = (size_t)snprintf(job->group, room, "MAIL FROM:<%s>\r\n",
	    job->sender);
	for (i = 0; i < job->recipients; i++)
		n += (size_t)rcpt(job, i, job->group + n, room - n);
	n += (size_t)snprintf(job->group + n, room - n, "DATA\r\n");
	job->group_bytes = n;
}

void
job_prepare(struct job *job, size_t message_bytes)
{
	make_body(job, message_bytes);
	make_group(job);
}

void
job_free(struct job *job)
{
	free(job->body);
	free(job->group);
}

/* -------------------------------------------------------------- leaving */

static size_t
pending(const struct client *c)
{
	return c->out[0].iov_len + c->out[1].iov_len;
}

static void
leave(struct client *c, enum client_state state)
{
	if (c->fd != -1)
		close(c->fd);
	c->fd = -1;
	c->state = state;
	if (!c->has_message)
		return;
	c->has_message = false;
	if (c->step == STEP_DOT && pending(c) == 0)
		bag_lost(c->job->bag, &c->message);
	else
		bag_return(c->job->bag, &c->message);
}

static void
fail(struct client *c, enum tally_kind kind, const char *why)
{
	tally_fail(c->job->tally, kind, steps[c->step].name, why);
	leave(c, CLIENT_FAILED);
}

static void
lose(struct client *c, int error)
{
	if (error == ECONNREFUSED)
		fail(c, TALLY_CONNECT, strerror(error));
	else
		fail(c, TALLY_LOST,
		    error == 0 ? "connection closed" : strerror(error));
}

void
client_expire(struct client *c)
{
	fail(c, TALLY_TIMEOUT, "no time left");
}

/* -------------------------------------------------------------- writing */

static void
watch_out(struct client *c, bool on)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = c };

	if (c->wants_out == on)
		return;
	if (on)
		ev.events |= EPOLLOUT;
	if (epoll_ctl(c->job->epfd, EPOLL_CTL_MOD, c->fd, &ev) == -1)
		err(1, "epoll_ctl");
	c->wants_out = on;
}

static void
consume(struct client *c, size_t n)
{
	size_t part;
	int i;

	for (i = 0; i < 2; i++) {
		part = n < c->out[i].iov_len ? n : c->out[i].iov_len;
		c->out[i].iov_base = (char *)c->out[i].iov_base + part;
		c->out[i].iov_len -= part;
		n -= part;
	}
}

static void
flush(struct client *c)
{
	struct msghdr msg = { .msg_iov = c->out, .msg_iovlen = 2 };
	ssize_t n;

	while (pending(c) > 0) {
		n = sendmsg(c->fd, &msg, MSG_NOSIGNAL);
		if (n == -1 && errno == EAGAIN) {
			watch_out(c, true);
			return;
		}
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1) {
			lose(c, errno);
			return;
		}
		consume(c, (size_t)n);
	}
	watch_out(c, false);
}

static void
send_parts(struct client *c, char *a, size_t an, char *b, size_t bn)
{
	if (c->job->pause_us > 0 && c->step != STEP_DOT)
		usleep((useconds_t)c->job->pause_us);
	c->out[0].iov_base = a;
	c->out[0].iov_len = an;
	c->out[1].iov_base = b;
	c->out[1].iov_len = bn;
	flush(c);
}

__attribute__((format(printf, 3, 4))) static void
say(struct client *c, enum client_step step, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(c->line, sizeof(c->line), fmt, ap);
	va_end(ap);
	c->step = step;
	send_parts(c, c->line, (size_t)n, NULL, 0);
}

/* ---------------------------------------------------------------- steps */

static void
next_message(struct client *c)
{
	const struct job *job = c->job;

	if (c->sent == job->messages || !bag_take(job->bag, &c->message)) {
		say(c, STEP_QUIT, "QUIT\r\n");
		return;
	}
	c->has_message = true;
	c->sent++;
	c->rcpts = 0;
	if (job->pipeline) {
		c->step = STEP_MAIL;
		send_parts(c, job->group, job->group_bytes, NULL, 0);
		return;
	}
	say(c, STEP_MAIL, "MAIL FROM:<%s>\r\n", job->sender);
}

static void
next_rcpt(struct client *c)
{
	int n;

	if (c->job->pipeline) {
		c->step = c->rcpts < c->job->recipients ? STEP_RCPT : STEP_DATA;
		return;
	}
	if (c->rcpts == c->job->recipients) {
		say(c, STEP_DATA, "DATA\r\n");
		return;
	}
	n = rcpt(c->job, c->rcpts, c->line, sizeof(c->line));
	c->step = STEP_RCPT;
	send_parts(c, c->line, (size_t)n, NULL, 0);
}

static void
send_message(struct client *c)
{
	int n = header(c->job, &c->message, c->line, sizeof(c->line));

	c->step = STEP_DOT;
	send_parts(c, c->line, (size_t)n, c->job->body, c->job->body_bytes);
}

static void
finish(struct client *c)
{
	if (c->job->mode != JOB_GREET && !c->spoiled)
		tally_time(c->job->tally, net_now_us() - c->begun_us);
	leave(c, c->spoiled ? CLIENT_FAILED : CLIENT_DONE);
}

static void
greeted(struct client *c)
{
	if (c->job->mode == JOB_GREET) {
		tally_time(c->job->tally, net_now_us() - c->begun_us);
		client_quit(c);
		return;
	}
	say(c, STEP_EHLO, "EHLO bench.example\r\n");
}

/* The reply of the present step was the one that was hoped for. */
static void
advance(struct client *c)
{
	switch (c->step) {
	case STEP_GREETING:
		greeted(c);
		return;
	case STEP_EHLO:
		if (c->job->mode == JOB_HOLD)
			c->state = CLIENT_HELD;
		else
			next_message(c);
		return;
	case STEP_RCPT:
		c->rcpts++;
		next_rcpt(c);
		return;
	case STEP_MAIL:
		next_rcpt(c);
		return;
	case STEP_DATA:
		send_message(c);
		return;
	case STEP_DOT:
		next_message(c);
		return;
	case STEP_QUIT:
		finish(c);
		return;
	}
}

/* ------------------------------------------------------------- replies */

/* Replies to a group are still to come: only closing gets out of it. */
static bool
within_group(const struct client *c)
{
	return c->job->pipeline &&
	    (c->step == STEP_MAIL || c->step == STEP_RCPT);
}

static void
unexpected(struct client *c, int code, const char *line)
{
	tally_reply(c->job->tally, code, steps[c->step].name, line);
	c->spoiled = true;
	if (within_group(c) || pending(c) > 0 || code == 421 || code == 354 ||
	    c->step == STEP_GREETING || c->step == STEP_QUIT) {
		leave(c, CLIENT_FAILED);
		return;
	}
	if (c->step == STEP_DOT) {
		next_message(c);
		return;
	}
	if (c->has_message)
		bag_return(c->job->bag, &c->message);
	c->has_message = false;
	client_quit(c);
}

static bool
expected(const struct client *c, int code)
{
	if (c->state == CLIENT_HELD || (c->step == STEP_DOT && pending(c) > 0))
		return false;
	if (c->step == STEP_RCPT)
		return code / 10 == 25;
	return code == steps[c->step].code;
}

static void
replied(struct client *c, int code, const char *line)
{
	if (c->job->mode == JOB_REJECT) {
		if (code == c->job->reject_code) {
			finish(c);
		} else {
			tally_reply(c->job->tally, code, "greeting", line);
			leave(c, CLIENT_FAILED);
		}
		return;
	}
	if (c->step == STEP_DOT && pending(c) == 0) {
		c->has_message = false;
		bag_told(c->job->bag, &c->message, code);
		if (code == 250 && c->sent == 1)
			tally_time(c->job->taken, net_now_us() - c->begun_us);
	}
	if (expected(c, code))
		advance(c);
	else
		unexpected(c, code, line);
}

/* Reply-line = *( Reply-code "-" text CRLF ) Reply-code [ SP text ] CRLF */
static int
reply_code(const char *line)
{
	int i;

	for (i = 0; i < 3; i++)
		if (line[i] < '0' || line[i] > '9')
			return -1;
	if (line[3] != '\0' && line[3] != ' ' && line[3] != '-')
		return -1;
	return (line[0] - '0') * 100 + (line[1] - '0') * 10 + line[2] - '0';
}

static void
take_line(struct client *c, const char *line)
{
	int code = reply_code(line);

	if (code == -1 || (c->code != 0 && c->code != code)) {
		fail(c, TALLY_MALFORMED, line);
		return;
	}
	c->code = code;
	if (line[3] == '-')
		return;
	c->code = 0;
	replied(c, code, line);
}

static bool
alive(const struct client *c)
{
	return c->state == CLIENT_BUSY || c->state == CLIENT_HELD;
}

static void
take_lines(struct client *c)
{
	char *line = c->in, *end;
	size_t left = c->in_bytes;

	while (alive(c) && (end = memchr(line, '\n', left)) != NULL) {
		left -= (size_t)(end - line) + 1;
		*end = '\0';
		if (end == line || end[-1] != '\r') {
			fail(c, TALLY_MALFORMED, line);
			return;
		}
		end[-1] = '\0';
		take_line(c, line);
		line = end + 1;
	}
	memmove(c->in, line, left);
	c->in_bytes = left;
	if (alive(c) && left == sizeof(c->in))
		fail(c, TALLY_MALFORMED, "a line without an end");
}

/* --------------------------------------------------------------- public */

void
client_start(struct client *c, const struct job *job)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = c };

	c->job = job;
	c->state = CLIENT_BUSY;
	c->step = STEP_GREETING;
	c->sent = c->rcpts = c->code = 0;
	c->has_message = c->wants_out = c->spoiled = false;
	c->in_bytes = 0;
	memset(c->out, 0, sizeof(c->out));
	c->begun_us = net_now_us();
	c->fd = net_connect(&job->to, job->from);
	if (c->fd == -1)
		fail(c, TALLY_CONNECT, strerror(errno));
	else if (epoll_ctl(job->epfd, EPOLL_CTL_ADD, c->fd, &ev) == -1)
		err(1, "epoll_ctl");
}

void
client_event(struct client *c, uint32_t events)
{
	enum client_step before = c->step;
	ssize_t n;

	if (!alive(c))
		return;
	if (events & EPOLLOUT)
		flush(c);
	if (!alive(c) || !(events & ~(uint32_t)EPOLLOUT))
		return;
	n = recv(c->fd, c->in + c->in_bytes, sizeof(c->in) - c->in_bytes, 0);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		lose(c, n == 0 ? 0 : errno);
		return;
	}
	c->in_bytes += (size_t)n;
	take_lines(c);
	if (alive(c) && c->step == before)
		net_quickack(c->fd);
}

void
client_quit(struct client *c)
{
	c->state = CLIENT_BUSY;
	say(c, STEP_QUIT, "QUIT\r\n");
}
