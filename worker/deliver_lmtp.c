/*
 * Handing over by LMTP (RFC 2033). Recipients go together, and each has an
 * answer of its own behind the dot, while the client hears one for all: 250
 * only when every one of them has the message. Where some have it and others
 * do not, the client is told to try again, and who has it is remembered for
 * that time (worker/delivered.c): when it comes again, it goes to the others.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "worker/deliver_hop.h"
#include "worker/delivered.h"
#include "worker/log.h"
#include "worker/spool.h"
#include "worker/wait.h"

#define LEAVE_MS 1000 /* for more replies of a hop that has said 421 */

/* What became of a recipient. */
enum got {
	GOT_NOTHING, /* no word of it: it may have the message */
	GOT_BEFORE,  /* it has had it all the time */
	GOT_NOW,
	GOT_REFUSED,
	GOT_COUNT
};

/* A message on its way: the delivery's state. */
struct lmtp {
	struct envelope *whole;	    /* as the client said it */
	struct envelope rest;	    /* what goes to the next hop now */
	struct delivered_key *keys; /* of each recipient; NULL: no need */
	struct hop_answer worst;    /* of those who do not have it */
	bool leaving;		    /* the hop has said so */
	pid_t pid;		    /* ours */
	int n, of[GOT_COUNT];
	unsigned char got[]; /* enum got, of each recipient */
};

/* ------------------------------------------------------- its life and memory */

static void
release_all(struct delivery *d, struct lmtp *m)
{
	int i;

	for (i = 0; i < m->n && m->keys != NULL; i++)
		delivered_release(d->clients, &m->keys[i], m->pid);
}

static void
forget(struct delivery *d)
{
	struct lmtp *m = d->state;

	if (m == NULL)
		return;
	release_all(d, m);
	d->env = m->whole;
	d->state = NULL;
	free(m->rest.rcpts);
	free(m->keys);
	free(m);
}

static struct lmtp *
begin(struct delivery *d)
{
	struct lmtp *m;

	forget(d);
	m = calloc(1, sizeof(*m) + (size_t)d->env->nrcpts);
	if (m == NULL)
		return NULL;
	m->whole = d->env;
	m->pid = getpid();
	m->n = m->of[GOT_NOTHING] = d->env->nrcpts;
	d->state = m;
	return m;
}

static void
set_got(struct lmtp *m, int i, enum got got)
{
	m->of[m->got[i]]--;
	m->got[i] = (unsigned char)got;
	m->of[got]++;
}

static bool
has_it(const struct lmtp *m, int i)
{
	return m->got[i] == GOT_BEFORE || m->got[i] == GOT_NOW;
}

static bool
all_have_it(const struct lmtp *m)
{
	return m->of[GOT_BEFORE] + m->of[GOT_NOW] == m->n;
}

/* Remember what is needed when the client comes again, and no more. */
static void
settle(struct delivery *d, struct lmtp *m)
{
	int i;

	for (i = 0; i < m->n && m->keys != NULL; i++)
		if (has_it(m, i) && !all_have_it(m))
			delivered_note(d->clients, &m->keys[i], m->pid,
			    clock_ms());
	for (i = 0; i < m->n && m->keys != NULL && all_have_it(m); i++)
		delivered_forget(d->clients, &m->keys[i]);
	release_all(d, m);
}

/* ------------------------------------------------------------------- the log */

/* Who has it and who has not, where that is not the same for all. */
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

/* Those of whom it was not told when they were refused. */
static void
log_others(const struct delivery *d, const struct lmtp *m)
{
	static const char *const took[GOT_COUNT] = {
		[GOT_NOTHING] = "unknown",
		[GOT_BEFORE] = "before",
		[GOT_NOW] = "yes",
	};
	const char *rcpt = m->whole->rcpts;
	int i;

	for (i = 0; i < m->n; i++, rcpt = rcpt_next(rcpt))
		if (took[m->got[i]] != NULL)
			log_recipient(d, rcpt, took[m->got[i]], NULL);
}

/* -------------------------------------------------- what is known before it */

static int
take_piece(void *arg, const char *p, size_t len)
{
	digest_take(arg, p, len);
	return 0;
}

/* False: the spool cannot be read, or there is no memory. */
static bool
make_keys(struct delivery *d, struct lmtp *m, struct spool *spool, int64_t len)
{
	uint8_t digest[DIGEST_OCTETS];
	const char *rcpt = m->whole->rcpts;
	struct digest g;
	int i;

	digest_start(&g);
	if (spool_each(spool, len, take_piece, &g) == -1)
		return false;
	digest_end(&g, digest);
	if ((m->keys = calloc((size_t)m->n, sizeof(*m->keys))) == NULL)
		return false;
	for (i = 0; i < m->n; i++, rcpt = rcpt_next(rcpt))
		delivered_key(&m->keys[i], d->clients, digest, m->whole->sender,
		    rcpt);
	return true;
}

/* Who has it already, and that nobody else is at the others. False: one is. */
static bool
look_up(struct delivery *d, struct lmtp *m)
{
	int64_t now = clock_ms();
	int i;

	for (i = 0; i < m->n; i++)
		if (delivered_find(d->clients, &m->keys[i], now) ==
		    DELIVERED_YES)
			set_got(m, i, GOT_BEFORE);
	for (i = 0; i < m->n; i++)
		if (m->got[i] != GOT_BEFORE &&
		    !delivered_claim(d->clients, &m->keys[i], m->pid, now))
			return false;
	return true;
}

/* Leave out who has it: the next hop hears MAIL and RCPT again. */
static bool
leave_out(struct delivery *d, struct lmtp *m)
{
	struct envelope *rest = &m->rest;
	const char *rcpt = m->whole->rcpts, *next;
	int i;

	*rest = *m->whole;
	rest->rcpts_len = 0;
	rest->nrcpts = 0;
	if ((rest->rcpts = malloc(m->whole->rcpts_len)) == NULL)
		return false;
	for (i = 0; i < m->n; i++, rcpt = next) {
		next = rcpt_next(rcpt);
		if (m->got[i] == GOT_BEFORE)
			continue;
		memcpy(rest->rcpts + rest->rcpts_len, rcpt,
		    (size_t)(next - rcpt));
		rest->rcpts_len += (size_t)(next - rcpt);
		rest->nrcpts++;
	}
	d->env = rest;
	hop_abort(d);
	return true;
}

static bool
out_of_memory(struct hop_answer *a)
{
	answer_trouble(a, "out of memory");
	return false;
}

/* A digest costs a look at all of the message: only where it is of use. */
static bool
lmtp_look(struct delivery *d, struct spool *spool, int64_t len,
    struct hop_answer *a)
{
	struct lmtp *m = begin(d);

	if (m == NULL)
		return out_of_memory(a);
	if (d->clients == NULL || (m->n == 1 && !delivered_any(d->clients)))
		return true;
	if (!make_keys(d, m, spool, len))
		return out_of_memory(a);
	if (!look_up(d, m)) {
		answer_trouble(a, "the same message is on its way already");
		return false;
	}
	if (all_have_it(m)) {
		settle(d, m);
		log_others(d, m);
		answer_is(a, HOP_OK, 250, "2.0.0", "");
		return false;
	}
	return m->of[GOT_BEFORE] == 0 || leave_out(d, m) || out_of_memory(a);
}

static void
answer_mixed(struct hop_answer *a)
{
	answer_is(a, HOP_MIXED, 451, "4.2.0",
	    "not all recipients have the message, try again later");
}

/* A refusal of the others is none of those who have it. */
static void
lmtp_data(struct delivery *d, struct hop_answer *a)
{
	const struct lmtp *m = d->state;
	struct hop_answer said;

	hop_data(d, a);
	if (a->result != HOP_REFUSED || m->of[GOT_BEFORE] == 0)
		return;
	said = *a;
	answer_mixed(a);
	snprintf(a->log, sizeof(a->log), "%d %s %.100s", said.code, said.status,
	    said.text);
}

/* ------------------------------------------------------------- the replies */

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

	hop_judge(r, &a, hop_end_name(d->hop));
	if (d->hop->chunked && a.result == HOP_TROUBLE && r->code != 421)
		hop_lose(d->hop, "BDAT: %d %s", r->code, r->text);
	else if (r->code == 421 || r->code / 100 == 3)
		m->leaving = true;
	if (a.result == HOP_OK) {
		set_got(m, i, GOT_NOW);
		return;
	}
	set_got(m, i, GOT_REFUSED);
	hop_count_refusal(d->hop);
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
	const char *rcpt = m->whole->rcpts;
	int i;

	for (i = 0; i < m->n; i++, rcpt = rcpt_next(rcpt)) {
		if (m->got[i] == GOT_BEFORE)
			continue;
		patience = m->leaving ? LEAVE_MS : until - clock_ms();
		if (hop_read(d->hop, patience, NULL) == -1)
			return;
		take_reply(d, m, i, rcpt);
	}
	if (m->leaving)
		hop_lose(d->hop, "it leaves");
}

/* What the client is told. */
static void
sum_up(struct delivery *d, const struct lmtp *m, struct hop_answer *a)
{
	if (all_have_it(m)) {
		hop_judge(&d->hop->reply, a, hop_end_name(d->hop));
	} else if (m->of[GOT_NOTHING] > 0) {
		hop_answer_lost(d->hop, a);
		a->result = HOP_DOUBTFUL;
	} else if (m->of[GOT_REFUSED] < m->n) {
		answer_mixed(a);
	} else {
		*a = m->worst;
		return;
	}
	if (m->of[GOT_NOW] < m->n && m->n > 1)
		log_others(d, m);
}

static void
lmtp_end(struct delivery *d, struct hop_answer *a)
{
	struct lmtp *m = d->state;

	if (hop_dot(d->hop)) {
		hear_all(d, m);
		settle(d, m);
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
	.data = lmtp_data,
	.write = hop_write,
	.end = lmtp_end,
	.abort = lmtp_abort,
	.close = lmtp_close,
};
