/*
 * What all ways of handing over have in common: choosing the next hop and
 * walking a complete message through it.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "worker/deliver.h"
#include "worker/hop.h"
#include "worker/log.h"
#include "worker/spool.h"
#include "worker/text.h"
#include "worker/wait.h"

void
answer_is(struct hop_answer *a, enum hop_result result, int code,
    const char *status, const char *text)
{
	memset(a, 0, sizeof(*a));
	a->result = result;
	a->code = code;
	strlcpy(a->status, status, sizeof(a->status));
	strlcpy(a->text, text, sizeof(a->text));
}

void
answer_trouble(struct hop_answer *a, const char *fmt, ...)
{
	va_list ap;

	answer_is(a, HOP_TROUBLE, 451, "4.3.0",
	    "the next hop is not available now, try again later");
	va_start(ap, fmt);
	vsnprintf(a->log, sizeof(a->log), fmt, ap);
	va_end(ap);
}

void
deliver_begin(struct delivery *d, const struct route *route)
{
	if (d->ops != NULL && !deliver_same(d, route))
		deliver_close(d);
	d->ops = route->scheme == ACT_MAILDIR ? &deliver_maildir :
	    route->scheme == ACT_LMTP	      ? &deliver_lmtp :
						&deliver_smtp;
	d->route = *route;
}

bool
deliver_same(const struct delivery *d, const struct route *route)
{
	return route_same(&d->route, route);
}

void
deliver_abort(struct delivery *d)
{
	if (d->ops != NULL)
		d->ops->abort(d);
}

void
deliver_close(struct delivery *d)
{
	if (d->ops != NULL)
		d->ops->close(d);
	d->ops = NULL;
}

void
deliver_log(const struct delivery *d, struct logline *l)
{
	const struct hop *h = d->hop;
	char text[TARGET_TEXT_MAX + 8];

	text_set(text, sizeof(text), "%s:%s", h->at.lmtp ? "lmtp" : "smtp",
	    h->at.text);
	if (d->route.scheme == ACT_MAILDIR || h->at.text[0] == '\0' ||
	    strcmp(h->route, d->route.text) != 0 ||
	    strcmp(text, d->route.text) == 0) {
		log_text(l, "next_hop", d->route.text);
		return;
	}
	log_text(l, "next_hop", text);
	log_text(l, "route", d->route.text);
}

static int
write_piece(void *arg, const char *p, size_t len)
{
	struct delivery *d = arg;

	return d->ops->write(d, p, len);
}

static void
answer_spool(const struct spool *spool, struct hop_answer *answer)
{
	answer_is(answer, HOP_TROUBLE, 452, "4.3.1",
	    "no room for the message, try again later");
	snprintf(answer->log, sizeof(answer->log), "spool: %s",
	    strerror(spool->error));
}

void
deliver_end(struct delivery *d, struct hop_answer *answer)
{
	d->waiting->deaf = true;
	d->ops->end(d, answer);
	d->waiting->deaf = false;
}

void
deliver_message(struct delivery *d, const char *trace, size_t trace_len,
    struct spool *spool, int64_t len, struct hop_answer *answer)
{
	if (d->ops->look != NULL && !d->ops->look(d, spool, len, answer)) {
		if (spool->error != 0)
			answer_spool(spool, answer);
		return;
	}
	d->ops->data(d, answer);
	if (answer->result != HOP_OK)
		return;
	if (d->ops->write(d, trace, trace_len) == 0)
		spool_each(spool, len, write_piece, d);
	if (spool->error != 0) {
		/* Half a message: only losing the connection undoes it. */
		d->ops->close(d);
		answer_spool(spool, answer);
		return;
	}
	deliver_end(d, answer);
}
