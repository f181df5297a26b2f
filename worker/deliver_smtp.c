/*
 * Handing over by SMTP: one connection to the next hop, kept for the session.
 * The next hop is asked for every recipient while the client waits, and its
 * answer is the client's. If it leaves before the message is on its way, MAIL
 * and RCPT are said again on a new connection. A message is begun only when
 * it is complete, and nothing but the next hop's own 2xx is a success.
 */
#include <sys/socket.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "worker/deliver.h"
#include "worker/hop_reply.h"
#include "worker/hops.h"
#include "worker/log.h"
#include "worker/settings.h"
#include "worker/wait.h"

/* How long the next hop gets, in milliseconds. */
#define CONNECT_MS 30000
#define GREET_MS   60000 /* for its greeting and for EHLO */
#define COMMAND_MS 120000
#define MESSAGE_MS 300000 /* at least, from DATA to the dot */
#define END_MS	   540000 /* after the dot: below the client's 10 minutes */

struct hop {
	int fd;
	int64_t until_ms; /* no wait before the dot goes on beyond */
	bool fresh;	  /* opened for what is being asked just now */
	bool mail_sent;	  /* a transaction is open at the next hop */
	bool reset_due;	  /* one is open that nobody wants any more */
	bool in_data;	  /* between its 354 and our dot */
	int nsent;	  /* recipients it has accepted in it */
	bool pipelining, eight_bit, has_size;
	unsigned keywords; /* HOP_DSN, ... */
	int64_t size;	   /* its SIZE limit, 0: none */
	bool failed;	   /* the connection is of no use any more */
	char why[96];	   /* why it failed */
	size_t in_start, in_end, out_len;
	struct hop_reply reply;
	char in[4096];
	char out[16384];
};

/* ---------------------------------------------------------- the connection */

static void
lose(struct hop *h, const char *fmt, ...)
{
	va_list ap;

	if (h->failed)
		return;
	h->failed = true;
	va_start(ap, fmt);
	vsnprintf(h->why, sizeof(h->why), fmt, ap);
	va_end(ap);
}

static void
disconnect(struct delivery *d, struct hop *h)
{
	if (h->fd != -1) {
		wait_set(d->waiting, WAIT_HOP, -1);
		close(h->fd);
	}
	h->fd = -1;
	h->failed = h->fresh = false;
	h->mail_sent = h->reset_due = h->in_data = false;
	h->nsent = 0;
	h->in_start = h->in_end = h->out_len = 0;
}

/* Wait for the next hop; a time-out is its fault, a hurry is nobody's. */
static int
wait_hop(struct delivery *d, struct hop *h, short events, int64_t deadline)
{
	switch (wait_for(d->waiting, WAIT_HOP, events, deadline)) {
	case WAIT_READY:
		return 0;
	case WAIT_LATE:
		lose(h, "timed out");
		return -1;
	case WAIT_HURRIED:
		lose(h, "shutting down");
		return -1;
	}
	return -1;
}

/* The end of one wait, within that of all of them. */
static int64_t
patience(const struct hop *h, int64_t ms)
{
	int64_t at = clock_ms() + ms;

	return at < h->until_ms ? at : h->until_ms;
}

static void
send_all(struct delivery *d, struct hop *h, const char *p, size_t len,
    int64_t deadline)
{
	ssize_t n;

	while (len > 0 && !h->failed) {
		n = send(h->fd, p, len, MSG_NOSIGNAL);
		if (n > 0) {
			p += n;
			len -= (size_t)n;
		} else if (n == -1 && errno == EAGAIN) {
			wait_hop(d, h, POLLOUT, deadline);
		} else if (n == -1 && errno != EINTR) {
			lose(h, "sending: %s", strerror(errno));
		}
	}
}

static void
flush(struct delivery *d, struct hop *h)
{
	send_all(d, h, h->out, h->out_len, patience(h, COMMAND_MS));
	h->out_len = 0;
}

/*
 * Nothing may have come that was not asked for: a reply too many would be
 * taken for that to the next command, a 250 for that to the dot.
 */
static void
expect_silence(struct hop *h)
{
	ssize_t n = 0;

	if (h->failed)
		return;
	if (h->in_start == h->in_end) {
		n = recv(h->fd, h->in, sizeof(h->in), MSG_DONTWAIT);
		if (n == -1 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n == 0)
			lose(h, "closed the connection");
		else if (n == -1)
			lose(h, "reading: %s", strerror(errno));
	}
	lose(h, "out of step: it spoke unasked");
}

/* Gather output; a piece larger than the buffer goes out by itself. */
static void
put(struct delivery *d, struct hop *h, const char *p, size_t len)
{
	if (h->out_len + len > sizeof(h->out))
		flush(d, h);
	if (len > sizeof(h->out)) {
		send_all(d, h, p, len, patience(h, COMMAND_MS));
		return;
	}
	memcpy(h->out + h->out_len, p, len);
	h->out_len += len;
}

static void command(struct delivery *d, struct hop *h, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void
command(struct delivery *d, struct hop *h, const char *fmt, ...)
{
	char line[MAILBOX_TEXT_MAX + PARAMS_MAX + 128];
	va_list ap;
	int n;

	if (h->out_len == 0 && h->in_start < h->in_end)
		lose(h, "out of step: it spoke unasked");
	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line) - 2, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(line) - 2)
		abort(); /* addresses are bounded */
	memcpy(line + n, "\r\n", 2);
	put(d, h, line, (size_t)n + 2);
}

/* Read one reply into h->reply. 0, or -1 when the connection is lost. */
static int
read_reply(struct delivery *d, struct hop *h, int64_t patience_ms,
    void (*each_line)(void *, const char *))
{
	enum hop_reply_state state;
	int64_t deadline;
	size_t used;
	ssize_t n;

	flush(d, h);
	deadline = patience(h, patience_ms);
	hop_reply_start(&h->reply);
	while (!h->failed) {
		state = hop_reply_take(&h->reply, h->in + h->in_start,
		    h->in_end - h->in_start, &used, each_line, h);
		h->in_start += used;
		if (state == REPLY_DONE)
			return 0;
		if (state == REPLY_BROKEN) {
			lose(h, "its reply is not SMTP");
			break;
		}
		h->in_start = h->in_end = 0;
		if (wait_hop(d, h, POLLIN, deadline) == -1)
			break;
		n = recv(h->fd, h->in, sizeof(h->in), 0);
		if (n > 0)
			h->in_end = (size_t)n;
		else if (n == 0)
			lose(h, "closed the connection");
		else if (errno != EAGAIN && errno != EINTR)
			lose(h, "reading: %s", strerror(errno));
	}
	return -1;
}

/* ------------------------------------------------------------- its answers */

/*
 * The hop's reply as the client may see it. 421, the 500 to 504 that complain
 * about our commands and anything out of place are our trouble: 451.
 */
static void
pass_on(struct hop *h, struct hop_answer *a, const char *what)
{
	struct hop_reply *r = &h->reply;

	if (r->code / 100 == 2) {
		answer_is(a, HOP_OK, 250, "2.0.0", r->text);
	} else if (r->code / 100 == 3 || r->code == 421 ||
	    (r->code >= 500 && r->code <= 504)) {
		answer_trouble(a, "%s: %d %s", what, r->code, r->text);
	} else {
		answer_is(a, HOP_REFUSED, r->code,
		    r->code < 500 ? "4.0.0" : "5.0.0",
		    r->text[0] != '\0' ? r->text : "refused by the next hop");
	}
	if (r->status[0] != '\0' && a->result != HOP_TROUBLE)
		snprintf(a->status, sizeof(a->status), "%s", r->status);
	a->hop_code = r->code;
	if (r->code == 421 || r->code / 100 == 3)
		lose(h, "%s: %d %s", what, r->code, r->text);
}

static void
answer_lost(struct hop *h, struct hop_answer *a)
{
	answer_trouble(a, "%s", h->why);
}

/* -------------------------------------------------------------- connecting */

static void
connect_to(struct delivery *d, struct hop *h)
{
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(&d->route.addr, d->route.port, &ss);
	socklen_t errlen = sizeof(int);
	int error = 0, on = 1;

	h->fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
	    0);
	if (h->fd == -1) {
		lose(h, "socket: %s", strerror(errno));
		return;
	}
	wait_set(d->waiting, WAIT_HOP, h->fd);
	setsockopt(h->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(h->fd, (struct sockaddr *)&ss, len) == 0)
		return;
	if (errno != EINPROGRESS) {
		lose(h, "connecting: %s", strerror(errno));
		return;
	}
	if (wait_hop(d, h, POLLOUT, patience(h, CONNECT_MS)) == -1)
		return;
	getsockopt(h->fd, SOL_SOCKET, SO_ERROR, &error, &errlen);
	if (error != 0)
		lose(h, "connecting: %s", strerror(error));
}

/* One line of the answer to EHLO. */
static void
take_keyword(void *arg, const char *line)
{
	struct hop *h = arg;

	if (strcasecmp(line, "PIPELINING") == 0)
		h->pipelining = true;
	else if (strcasecmp(line, "DSN") == 0)
		h->keywords |= HOP_DSN;
	else if (strcasecmp(line, "SMTPUTF8") == 0)
		h->keywords |= HOP_UTF8;
	else if (strcasecmp(line, "8BITMIME") == 0)
		h->eight_bit = true;
	else if (strncasecmp(line, "SIZE", 4) == 0 &&
	    (line[4] == ' ' || line[4] == '\0')) {
		h->has_size = true;
		h->size = line[4] == ' ' ?
		    strtonum(line + 5, 0, INT64_MAX, NULL) :
		    0;
	}
}

/* Does its greeting, "220 NAME ...", bear our own name? */
static bool
greets_as_us(const struct delivery *d, const struct hop *h)
{
	size_t len = strlen(d->set->hostname);
	const char *text = h->reply.text;

	return strncasecmp(text, d->set->hostname, len) == 0 &&
	    (text[len] == '\0' || text[len] == ' ');
}

static void
greet(struct delivery *d, struct hop *h)
{
	const char *us = d->set->hostname;

	h->pipelining = h->eight_bit = h->has_size = false;
	h->keywords = 0;
	h->size = 0;
	if (read_reply(d, h, GREET_MS, NULL) == -1)
		return;
	if (h->reply.code != 220) {
		lose(h, "greeting: %d %s", h->reply.code, h->reply.text);
		return;
	}
	if (greets_as_us(d, h)) {
		lose(h, "loop: it greets with our own name");
		return;
	}
	command(d, h, "EHLO %s", us);
	if (read_reply(d, h, GREET_MS, take_keyword) == -1)
		return;
	if (h->reply.code / 100 == 5) {
		h->pipelining = h->eight_bit = h->has_size = false;
		h->keywords = 0;
		command(d, h, "HELO %s", us);
		if (read_reply(d, h, GREET_MS, NULL) == -1)
			return;
	}
	if (h->reply.code / 100 != 2)
		lose(h, "EHLO: %d %s", h->reply.code, h->reply.text);
	else
		hops_note(d->clients, &d->route.addr, d->route.port,
		    h->keywords);
}

/* ---------------------------------------------------------- the transaction */

static void
say_mail(struct delivery *d, struct hop *h)
{
	char size[40] = "";

	if (h->has_size && d->env->size > 0)
		snprintf(size, sizeof(size), " SIZE=%lld",
		    (long long)d->env->size);
	command(d, h, "MAIL FROM:<%s>%s%s%s%s", d->env->sender, size,
	    h->eight_bit && d->env->eight_bit ? " BODY=8BITMIME" : "",
	    d->env->utf8 ? " SMTPUTF8" : "",
	    h->keywords & HOP_DSN ? d->env->params : "");
}

/* Does this hop not know this kind of message? */
static bool
lacks_keyword(const struct delivery *d, const struct hop *h,
    struct hop_answer *a)
{
	if (d->env->utf8 && !(h->keywords & HOP_UTF8)) {
		answer_is(a, HOP_REFUSED, 550, "5.6.7",
		    "the next hop does not take international mail");
		return true;
	}
	if (d->env->eight_bit && !h->eight_bit) {
		answer_is(a, HOP_REFUSED, 550, "5.6.3",
		    "the next hop does not take 8-bit messages");
		return true;
	}
	return false;
}

/* What this hop is known not to be able to take. */
static bool
lacks(const struct delivery *d, const struct hop *h, struct hop_answer *a)
{
	if (lacks_keyword(d, h, a))
		return true;
	if (h->size > 0 && d->env->size > h->size) {
		answer_is(a, HOP_REFUSED, 552, "5.3.4",
		    "the message is larger than the next hop takes");
		return true;
	}
	return false;
}

/* The next hop's word on a MAIL or RCPT that was said. True: it said yes. */
static bool
hear(struct delivery *d, struct hop *h, const char *what, struct hop_answer *a)
{
	if (read_reply(d, h, COMMAND_MS, NULL) == -1) {
		answer_lost(h, a);
		return false;
	}
	pass_on(h, a, what);
	return a->result == HOP_OK;
}

/* Our own RSET: a hop that refuses it is of no use, and the client is told
 * nothing of it. */
static bool
hear_reset(struct delivery *d, struct hop *h, struct hop_answer *a)
{
	if (hear(d, h, "RSET", a))
		return true;
	lose(h, "RSET: %d %s", h->reply.code, h->reply.text);
	answer_lost(h, a);
	return false;
}

/*
 * Say MAIL, behind the RSET that may be due. With PIPELINING nothing is waited
 * for; else the answers are heard at once. False: the hop said no.
 */
static bool
open_transaction(struct delivery *d, struct hop *h, struct hop_answer *a)
{
	if (h->reset_due)
		command(d, h, "RSET");
	if (h->reset_due && !h->pipelining && !hear_reset(d, h, a))
		return false;
	say_mail(d, h);
	return h->pipelining || hear(d, h, "MAIL", a);
}

/* With PIPELINING: the answers to what open_transaction said. */
static bool
transaction_is_open(struct delivery *d, struct hop *h, struct hop_answer *a)
{
	if (!h->pipelining)
		return true;
	if (h->reset_due && !hear_reset(d, h, a))
		return false;
	return hear(d, h, "MAIL", a);
}

static void
say_rcpt(struct delivery *d, struct hop *h, const char *rcpt,
    const char *params)
{
	command(d, h, "RCPT TO:<%s>%s", rcpt,
	    h->keywords & HOP_DSN ? params : "");
}

/*
 * Say MAIL, if it was not said yet, and RCPT for rcpt, in one write where the
 * hop takes that. A hop that refuses MAIL refuses the recipient.
 */
static bool
mail_and_rcpt(struct delivery *d, struct hop *h, const char *rcpt,
    const char *params, struct hop_answer *a)
{
	struct hop_answer ignored;

	if (h->mail_sent) {
		say_rcpt(d, h, rcpt, params);
	} else {
		if (!open_transaction(d, h, a))
			return false;
		say_rcpt(d, h, rcpt, params);
		h->mail_sent = transaction_is_open(d, h, a);
		h->reset_due = false;
	}
	if (!hear(d, h, "RCPT", h->mail_sent ? a : &ignored) || !h->mail_sent)
		return false;
	h->nsent++;
	return true;
}

/*
 * Bring a hop to where it has accepted the first n recipients of the envelope.
 * One that refuses now what was accepted before is trouble for all.
 */
static bool
catch_up(struct delivery *d, struct hop *h, int n, struct hop_answer *a)
{
	const char *rcpt = d->env->rcpts;
	int i;

	if (h->fd == -1) {
		h->fresh = true;
		connect_to(d, h);
		if (!h->failed)
			greet(d, h);
		if (h->failed) {
			answer_lost(h, a);
			return false;
		}
	}
	if (n > 0 && !h->mail_sent && lacks_keyword(d, h, a)) {
		answer_trouble(a, "back again, it lacks what it had");
		return false;
	}
	if (!h->fresh && !h->mail_sent)
		expect_silence(h);
	for (i = 0; i < n; i++, rcpt = rcpt_next(rcpt)) {
		if (i < h->nsent)
			continue;
		if (mail_and_rcpt(d, h, rcpt, rcpt_params(rcpt), a))
			continue;
		if (a->result == HOP_REFUSED)
			answer_trouble(a, "said again, refused: %d %s",
			    a->hop_code, a->text);
		return false;
	}
	return true;
}

static struct hop *
hop_of(struct delivery *d)
{
	struct hop *h = d->state;

	if (h == NULL) {
		if ((h = calloc(1, sizeof(*h))) == NULL)
			return NULL;
		h->fd = -1;
		d->state = h;
	}
	return h;
}

/* May it be tried once more, on a new connection? */
static bool
try_again(struct delivery *d, struct hop *h, int attempt)
{
	bool was_fresh = h->fresh;

	if (!h->failed)
		return false;
	disconnect(d, h);
	return attempt == 0 && !was_fresh && !wait_hurried();
}

static void
smtp_recipient(struct delivery *d, const struct route *route, const char *rcpt,
    const char *params, struct hop_answer *a)
{
	struct hop *h = hop_of(d);
	int attempt = 0;

	(void)route; /* the same next hop as the first recipient's */
	if (h == NULL) {
		answer_trouble(a, "out of memory");
		return;
	}
	h->fresh = false;
	h->until_ms = d->deadline_ms;
	do {
		if (catch_up(d, h, d->env->nrcpts, a) && !lacks(d, h, a))
			mail_and_rcpt(d, h, rcpt, params, a);
	} while (try_again(d, h, attempt++));
}

static void
smtp_data(struct delivery *d, struct hop_answer *a)
{
	struct hop *h = d->state;
	int64_t least = clock_ms() + MESSAGE_MS;
	int attempt = 0;

	h->fresh = false;
	/* A client that took all of its time must not cost us its message. */
	h->until_ms = d->deadline_ms > least ? d->deadline_ms : least;
	do {
		if (!catch_up(d, h, d->env->nrcpts, a))
			continue;
		if (lacks(d, h, a))
			return;
		command(d, h, "DATA");
		if (read_reply(d, h, COMMAND_MS, NULL) == -1)
			answer_lost(h, a);
		else if ((h->in_data = h->reply.code == 354))
			answer_is(a, HOP_OK, 250, "2.0.0", "");
		else if (h->reply.code / 100 != 2)
			pass_on(h, a, "DATA");
		else {
			lose(h, "DATA: %d", h->reply.code);
			answer_lost(h, a);
		}
	} while (try_again(d, h, attempt++));
}

static int
smtp_write(struct delivery *d, const char *p, size_t len)
{
	struct hop *h = d->state;

	put(d, h, p, len);
	return h->failed ? -1 : 0;
}

/*
 * The dot. When the connection is lost after it was sent, nobody knows
 * whether the message was taken (RFC 1047): the client is told to try again.
 */
static void
smtp_end(struct delivery *d, struct hop_answer *a)
{
	struct hop *h = d->state;
	bool sent;

	expect_silence(h);
	put(d, h, ".\r\n", 3);
	flush(d, h);
	sent = !h->failed;
	h->until_ms = INT64_MAX;
	if (!sent || read_reply(d, h, END_MS, NULL) == -1) {
		answer_lost(h, a);
		if (sent)
			a->result = HOP_DOUBTFUL;
		disconnect(d, h);
		return;
	}
	pass_on(h, a, "end of data");
	h->mail_sent = h->in_data = false;
	h->nsent = 0;
	if (h->failed)
		disconnect(d, h);
}

/* RSET goes out with the next MAIL, if one comes. */
static void
smtp_abort(struct delivery *d)
{
	struct hop *h = d->state;

	if (h == NULL || h->fd == -1 || !h->mail_sent)
		return;
	h->mail_sent = false;
	h->reset_due = true;
	h->nsent = 0;
}

static void
smtp_close(struct delivery *d)
{
	struct hop *h = d->state;

	if (h == NULL)
		return;
	if (h->fd != -1 && !h->failed && !h->in_data)
		send(h->fd, "QUIT\r\n", 6, MSG_NOSIGNAL);
	disconnect(d, h);
	free(h);
	d->state = NULL;
}

const struct deliver_ops deliver_smtp = {
	.name = "smtp",
	.unsure = "doubtful",
	.recipient = smtp_recipient,
	.data = smtp_data,
	.write = smtp_write,
	.end = smtp_end,
	.abort = smtp_abort,
	.close = smtp_close,
};
