/*
 * The last octets that have come may be the end of data, which is no part of
 * the message: as many as that is long are held back until it is known.
 */
#include <string.h>

#include "worker/message.h"
#include "worker/session.h"
#include "worker/spool.h"
#include "worker/stream.h"
#include "worker/trace.h"

void
stream_start(struct session *s)
{
	struct stream *st = &s->stream;

	st->on = st->refused = st->cut = false;
	st->passed = 0;
	st->ntail = 0;
}

bool
stream_is_on(const struct session *s)
{
	return s->stream.on;
}

static void
pass(struct session *s, const char *p, size_t len)
{
	struct stream *st = &s->stream;

	if (len == 0)
		return;
	st->passed += (int64_t)len;
	/* That the next hop is lost is told at the end. */
	s->delivery.ops->write(&s->delivery, p, len);
}

/* All but the last octets goes on. */
static void
pass_most(struct session *s, const char *p, size_t len)
{
	struct stream *st = &s->stream;
	size_t over = st->ntail + len, n;

	if (over <= sizeof(st->tail)) {
		memcpy(st->tail + st->ntail, p, len);
		st->ntail = over;
		return;
	}
	over -= sizeof(st->tail);
	n = over < st->ntail ? over : st->ntail;
	pass(s, st->tail, n);
	memmove(st->tail, st->tail + n, st->ntail - n);
	st->ntail -= n;
	n = len - (sizeof(st->tail) - st->ntail);
	pass(s, p, n);
	memcpy(st->tail + st->ntail, p + n, len - n);
	st->ntail = sizeof(st->tail);
}

static int
pass_piece(void *arg, const char *p, size_t len)
{
	pass_most(arg, p, len);
	return 0;
}

/* Does the next hop get it from here on? All of it is in the memory still. */
static bool
begin(struct session *s)
{
	const struct deliver_ops *ops = s->delivery.ops;
	struct stream *st = &s->stream;
	char buf[TRACE_MAX];
	size_t len;

	if (ops->may_stream == NULL || !ops->may_stream(&s->delivery))
		return false;
	st->on = true;
	if (s->scan.size > s->env.size)
		s->env.size = s->scan.size;
	ops->data(&s->delivery, &st->answer);
	st->refused = st->answer.result != HOP_OK;
	if (st->refused)
		return true;
	len = trace_field(s, buf);
	ops->write(&s->delivery, buf, len);
	spool_each(s->spool, (int64_t)s->spool->memory_len, pass_piece, s);
	spool_reset(s->spool);
	return true;
}

void
stream_put(void *arg, const char *p, size_t len)
{
	struct message_fault fault;
	struct session *s = arg;
	struct stream *st = &s->stream;
	bool bad;

	if (!st->on && !spool_overflows(s->spool, len)) {
		spool_add(s->spool, p, len);
		return;
	}
	bad = message_fault(s, &fault);
	if (!st->on && (bad || !begin(s))) {
		spool_add(s->spool, p, len);
		return;
	}
	if (bad && !st->cut && !st->refused)
		s->delivery.ops->abort(&s->delivery);
	st->cut |= bad;
	if (!st->cut && !st->refused)
		pass_most(s, p, len);
}

void
stream_end(struct session *s, struct hop_answer *answer)
{
	struct stream *st = &s->stream;
	int64_t left = intake_len(s) - st->passed;

	if (st->refused) {
		*answer = st->answer;
		return;
	}
	if (st->cut || left < 0 || left > (int64_t)st->ntail) {
		s->delivery.ops->abort(&s->delivery);
		answer_trouble(answer, "a part is missing"); /* by our fault */
		return;
	}
	pass(s, st->tail, (size_t)left);
	deliver_end(&s->delivery, answer);
}
