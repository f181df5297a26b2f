/*
 * Handing over by LMTP (RFC 2033). Recipients go together, and each has an
 * answer of its own behind the dot, while the client hears one for all: 250
 * only when every one of them has the message. Where some have it and others
 * do not, the client is told to try again, and who has it is remembered for
 * that time (worker/delivered.c).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/deliver_hop.h"
#include "worker/log.h"
#include "worker/wait.h"

#define LEAVE_MS 1000 /* for more replies of a hop that has said 421 */

/* What became of a recipient. */
enum got {
	GOT_NOTHING, /* no word of it: it may have the message */
	GOT_TAKEN,
	GOT_REFUSED
};

/* A message on its way; the delivery's state. */
struct lmtp {
	struct hop_answer worst; /* of those who do not have it */
	bool leaving;		 /* the hop has said so */
	int ntaken, nrefused;
	int n;
	unsigned char got[]; /* enum got, of each recipient */
};

static void
forget(struct delivery *d)
{
	free(d->state);
	d->state = NULL;
}

static bool
lmtp_look(struct delivery *d, struct spool *spool, int64_t len,
    struct hop_answer *a)
{
	struct lmtp *m;
	size_t n = (size_t)d->env->nrcpts;

	(void)spool;
	(void)len;
	forget(d);
	if ((m = calloc(1, sizeof(*m) + n)) == NULL) {
		answer_trouble(a, "out of memory");
		return false;
	}
	m->n = d->env->nrcpts;
	d->state = m;
	return true;
}

/* ------------------------------------------------------------- the replies */

/* Who has it and who has not, once that is not the same for all. */
static void
log_recipient(const struct delivery *d, const char *rcpt, const char *took,
    const struct hop_reply *r)
{
	struct logline l;

	log_start(&l, LOG_ODD, "hop");
	log_text(&l, "ref", d->ref);
	log_format(&l, "to", "<%s>", rcpt);
	deliver_log(d, &l);
	log_text(&l, "took", took);
	if (r != NULL)
		log_format(&l, "hop_reply", "%d %s%s%s", r->code, r->status,
		    r->status[0] != '\0' ? " " : "", r->text);
	log_send(&l);
}

/* Is this answer worse than another? What is for now is worse. */
static bool
is_worse(const struct hop_answer *a, const struct hop_answer *than)
{
	return than->code == 0 || (a->code < 500 && than->code >= 500);
}

/* One recipient's reply. */
static void
take_reply(struct delivery *d, struct lmtp *m, int i, const char *rcpt)
{
	const struct hop_reply *r = &d->hop->reply;
	struct hop_answer a;

	hop_judge(r, &a, "end of data");
	if (r->code == 421 || r->code / 100 == 3)
		m->leaving = true;
	if (a.result == HOP_OK) {
		m->got[i] = GOT_TAKEN;
		m->ntaken++;
		return;
	}
	m->got[i] = GOT_REFUSED;
	m->nrefused++;
	d->hop->refusals++;
	if (is_worse(&a, &m->worst))
		m->worst = a;
	if (m->n > 1)
		log_recipient(d, rcpt, "no", r);
}

/* All of them together have the time that one has elsewhere. */
static void
hear_all(struct delivery *d, struct lmtp *m)
{
	int64_t patience, until = clock_ms() + HOP_END_MS;
	const char *rcpt = d->env->rcpts;
	int i;

	for (i = 0; i < m->n; i++, rcpt = rcpt_next(rcpt)) {
		patience = m->leaving ? LEAVE_MS : until - clock_ms();
		if (hop_read(d->hop, patience, NULL) == -1)
			return;
		take_reply(d, m, i, rcpt);
	}
	if (m->leaving)
		hop_lose(d->hop, "it leaves");
}

/* ------------------------------------------------------------- the outcome */

static void
log_others(const struct delivery *d, const struct lmtp *m)
{
	const char *rcpt = d->env->rcpts;
	int i;

	if (m->n < 2)
		return;
	for (i = 0; i < m->n; i++, rcpt = rcpt_next(rcpt)) {
		if (m->got[i] == GOT_TAKEN)
			log_recipient(d, rcpt, "yes", NULL);
		else if (m->got[i] == GOT_NOTHING)
			log_recipient(d, rcpt, "unknown", NULL);
	}
}

/* What the client is told. */
static void
sum_up(struct delivery *d, const struct lmtp *m, struct hop_answer *a)
{
	if (m->ntaken == m->n) {
		hop_judge(&d->hop->reply, a, "end of data");
	} else if (m->ntaken + m->nrefused < m->n) {
		hop_answer_lost(d->hop, a);
		a->result = HOP_DOUBTFUL;
		log_others(d, m);
	} else if (m->ntaken > 0) {
		answer_is(a, HOP_MIXED, 451, "4.2.0",
		    "not all recipients have the message, try again later");
		log_others(d, m);
	} else {
		*a = m->worst;
	}
}

static void
lmtp_end(struct delivery *d, struct hop_answer *a)
{
	struct lmtp *m = d->state;

	if (hop_dot(d->hop)) {
		hear_all(d, m);
		sum_up(d, m, a);
	} else {
		hop_answer_lost(d->hop, a);
	}
	hop_done(d->hop);
}

static void
lmtp_abort(struct delivery *d)
{
	forget(d);
	hop_abort(d);
}

static void
lmtp_close(struct delivery *d)
{
	forget(d);
	hop_leave(d);
}

const struct deliver_ops deliver_lmtp = {
	.name = "lmtp",
	.unsure = "doubtful",
	.recipient = hop_recipient,
	.look = lmtp_look,
	.data = hop_data,
	.write = hop_write,
	.end = lmtp_end,
	.abort = lmtp_abort,
	.close = lmtp_close,
};
