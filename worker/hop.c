/*
 * The octets of a connection to a next hop: gathered output, replies read with
 * every length and time bounded, and the one way in which it fails.
 */
#include <sys/socket.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "worker/deliver.h"
#include "worker/hop.h"
#include "worker/hop_share.h"
#include "worker/settings.h"
#include "worker/text.h"
#include "worker/tls.h"
#include "worker/wait.h"

#define AGE_MS	      300000 /* a connection is given up then */
#define REFUSALS_MOST 5	     /* replies 4xx and 5xx in one that is kept */
#define LOOK_MS	      250    /* after one that is kept */
#define STALE_MS      10000  /* what is gathered of a message goes out */
#define YIELD_MS      1000   /* a slow client must not keep others waiting */

void
hop_lose(struct hop *h, const char *fmt, ...)
{
	va_list ap;

	if (h->failed)
		return;
	h->failed = true;
	va_start(ap, fmt);
	vsnprintf(h->why, sizeof(h->why), fmt, ap);
	va_end(ap);
}

/* One try, as send(2); events is what to wait for before the next one. */
static ssize_t
send_some(struct hop *h, const char *p, size_t len, int flags, short *events)
{
	if (h->tls != NULL)
		return tls_io.write(h->tls, p, len, events);
	*events = POLLOUT;
	return send(h->fd, p, len, MSG_NOSIGNAL | MSG_DONTWAIT | flags);
}

/* The same into the empty buffer, as recv(2). */
static ssize_t
receive_some(struct hop *h, short *events)
{
	if (h->tls != NULL)
		return tls_io.read(h->tls, h->in, sizeof(h->in), events);
	*events = POLLIN;
	return recv(h->fd, h->in, sizeof(h->in), MSG_DONTWAIT);
}

void
hop_hang_up(struct hop *h)
{
	if (h->tls != NULL && !h->failed)
		tls_io.finish(h->tls);
	tls_free(h->tls);
	h->tls = NULL;
	if (h->open) {
		wait_set(h->waiting, WAIT_HOP, -1);
		close(h->fd);
	}
	h->open = h->failed = h->tls_failed = h->late = h->watched = false;
	h->in_start = h->in_end = h->out_len = 0;
}

void
hop_close(struct hop *h)
{
	hop_hang_up(h);
	hop_give_back(h);
	h->fresh = h->personal = h->warned = false;
	h->refusals = 0;
	h->mail_sent = h->reset_due = h->in_data = h->chunked = false;
	h->nsent = 0;
}

void
hop_quit(struct hop *h)
{
	short events;

	if (h->open && !h->failed && !h->in_data)
		send_some(h, "QUIT\r\n", 6, 0, &events);
	hop_close(h);
}

/* ------------------------------------------------------- between two uses */

/* May it go on? A hop may be tired of our clients' errors, and of us. */
static bool
is_worn(const struct hop *h)
{
	return h->failed || h->personal || h->in_data ||
	    h->refusals > REFUSALS_MOST || clock_ms() - h->opened_ms > AGE_MS;
}

void
hop_keep(struct hop *h)
{
	int secs;

	if (!h->open)
		return;
	secs = h->rules->keep_secs;
	h->kept_ms = clock_ms() + (int64_t)secs * 1000;
	if (secs == 0 || is_worn(h) || hop_is_wanted(h))
		hop_quit(h);
}

int
hop_idle_ms(const struct hop *h)
{
	return h->open ? LOOK_MS : -1;
}

void
hop_idle(struct hop *h, bool spoke)
{
	if (h->open && (spoke || hop_is_wanted(h) || clock_ms() >= h->kept_ms))
		hop_quit(h);
}

void
hop_yield(struct hop *h, int64_t now_ms)
{
	if (!h->open || h->in_data)
		return;
	if (now_ms >= h->kept_ms ||
	    (hop_is_wanted(h) && now_ms - h->used_ms >= YIELD_MS))
		hop_quit(h);
}

/* ------------------------------------------------------------------ octets */

/* A time-out is the next hop's fault, a hurry is nobody's. */
static int
waited(struct hop *h, enum wait_result r)
{
	switch (r) {
	case WAIT_READY:
		return 0;
	case WAIT_LATE:
		h->late = !h->failed;
		hop_lose(h, "timed out");
		return -1;
	case WAIT_HURRIED:
		hop_lose(h, "shutting down");
		return -1;
	}
	return -1;
}

int
hop_wait(struct hop *h, short events, int64_t deadline)
{
	return waited(h, wait_for(h->waiting, WAIT_HOP, events, deadline));
}

int64_t
hop_patience(const struct hop *h, int64_t ms)
{
	int64_t at = clock_ms() + ms;

	return at < h->until_ms ? at : h->until_ms;
}

/* flags MSG_MORE: more follows at once, and may go in the same segment. */
static void
send_all(struct hop *h, const char *p, size_t len, int flags)
{
	int64_t deadline = hop_patience(h, HOP_COMMAND_MS);
	short events;
	ssize_t n;

	h->is_silent = false;
	h->sent_ms = clock_ms();
	while (len > 0 && !h->failed) {
		n = send_some(h, p, len, flags, &events);
		if (n > 0) {
			p += n;
			len -= (size_t)n;
		} else if (n == -1 && errno == EAGAIN) {
			hop_wait(h, events, deadline);
		} else if (n == -1 && errno != EINTR) {
			hop_lose(h, "sending: %s", strerror(errno));
		}
	}
}

void
hop_flush(struct hop *h)
{
	if (h->out_len > 0)
		send_all(h, h->out, h->out_len, 0);
	h->out_len = 0;
}

void
hop_put(struct hop *h, const char *p, size_t len)
{
	if (h->out_len + len > sizeof(h->out)) {
		send_all(h, h->out, h->out_len, MSG_MORE);
		h->out_len = 0;
	}
	if (len > sizeof(h->out)) {
		send_all(h, p, len, MSG_MORE);
		return;
	}
	memcpy(h->out + h->out_len, p, len);
	h->out_len += len;
	/*
	 * A slow client's message must not look like a dead connection. All of
	 * a chunk is here, and its end waits for hop_dot().
	 */
	if (h->in_data && !h->chunked && clock_ms() - h->sent_ms > STALE_MS)
		hop_flush(h);
}

void
hop_command(struct hop *h, const char *fmt, ...)
{
	char line[MAILBOX_TEXT_MAX + PARAMS_MAX + 128];
	struct text t;
	va_list ap;

	if (h->out_len == 0 && h->in_start < h->in_end)
		hop_lose(h, "out of step: it spoke unasked");
	text_start(&t, line, sizeof(line));
	va_start(ap, fmt);
	text_args(&t, fmt, ap);
	va_end(ap);
	text_add(&t, "\r\n");
	if (t.at == t.end)
		abort(); /* addresses are bounded */
	hop_put(h, line, (size_t)(t.at - line));
}

void
hop_expect_silence(struct hop *h)
{
	short events;
	ssize_t n;

	if (h->failed || h->is_silent)
		return;
	if (h->in_start == h->in_end) {
		n = receive_some(h, &events);
		h->is_silent = n == -1 && (errno == EAGAIN || errno == EINTR);
		if (h->is_silent)
			return;
		if (n == 0)
			hop_lose(h, "closed the connection");
		else if (n == -1)
			hop_lose(h, "reading: %s", strerror(errno));
	}
	hop_lose(h, "out of step: it spoke unasked");
}

/* Octets in the clear, into the empty buffer. */
static int
await_octets(struct hop *h, int64_t deadline, ssize_t *n)
{
	return waited(h,
	    wait_octets(h->waiting, WAIT_HOP, h->in, sizeof(h->in), deadline,
		n));
}

/* Read what there is into the empty buffer. */
static void
fill(struct hop *h, int64_t deadline)
{
	short events;
	ssize_t n;

	h->in_start = h->in_end = 0;
	/* In TLS, octets may be in hand where poll(2) does not see them. */
	if (h->tls != NULL)
		n = receive_some(h, &events);
	else if (await_octets(h, deadline, &n) == -1)
		return;
	if (n > 0)
		h->in_end = (size_t)n;
	else if (n == 0)
		hop_lose(h, "closed the connection");
	else if (errno == EAGAIN)
		hop_wait(h, events, deadline);
	else if (errno != EINTR)
		hop_lose(h, "reading: %s", strerror(errno));
}

int
hop_read(struct hop *h, int64_t patience_ms,
    void (*each_line)(void *, const char *))
{
	enum hop_reply_state state;
	int64_t deadline;
	size_t used;

	hop_flush(h);
	deadline = hop_patience(h, patience_ms);
	hop_reply_start(&h->reply);
	while (!h->failed) {
		state = hop_reply_take(&h->reply, h->in + h->in_start,
		    h->in_end - h->in_start, &used, each_line, h);
		h->in_start += used;
		if (state == REPLY_DONE) {
			h->used_ms = clock_ms();
			return 0;
		}
		if (state == REPLY_BROKEN)
			hop_lose(h, "its reply is not SMTP");
		else
			fill(h, deadline);
	}
	return -1;
}
