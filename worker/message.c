/*
 * A message that has come in by DATA or by BDAT. 250 is said only when the
 * next hop has it; after that, whatever the answer, the transaction is over.
 */
#include <string.h>

#include "worker/hop_tls.h"
#include "worker/log.h"
#include "worker/message.h"
#include "worker/reply.h"
#include "worker/session.h"
#include "worker/settings.h"
#include "worker/slot.h"
#include "worker/spool.h"
#include "worker/stream.h"
#include "worker/text.h"
#include "worker/trace.h"

#define HOPS_MAX 100 /* RFC 5321, section 6.3 */

bool
message_fault(const struct session *s, struct message_fault *fault)
{
	const struct data_scan *d = &s->scan;

	const struct {
		bool wrong;
		struct message_fault fault;
	} rows[] = {
		{ data_certain(d) > s->set->limits.message_bytes,
		    { 552, "5.3.4", "size",
			"the message is larger than this host takes" } },
		{ d->bare_lf,
		    { 550, "5.6.11", "bare-lf",
			"the message holds a bare LF" } },
		{ d->bare_cr,
		    { 550, "5.6.11", "bare-cr",
			"the message holds a bare CR" } },
		{ d->nul, { 550, "5.6.0", "nul", "the message holds a NUL" } },
		{ d->longest > s->set->limits.line_bytes,
		    { 554, "5.6.0", "line",
			"a line of the message is longer than this host takes" } },
		{ d->received > HOPS_MAX,
		    { 554, "5.4.6", "hops",
			"too many hops: the message goes round in a loop" } },
		{ s->spool->error != 0,
		    { 452, "4.3.1", "spool",
			"no room for the message, try again later" } },
	};

	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (!rows[i].wrong)
			continue;
		*fault = rows[i].fault;
		return true;
	}
	return false;
}

bool
message_acceptable(struct session *s)
{
	struct message_fault f;

	if (!message_fault(s, &f))
		return true;
	reply_refuse_as(s, "content", f.word, f.code, f.status, f.text, NULL);
	return false;
}

/* The recipients for the log, as many as a value holds. */
static void
log_recipients(struct logline *l, const struct envelope *env)
{
	char list[LOG_VALUE_MAX + 1];
	const char *rcpt = env->rcpts;
	struct text t;
	int i;

	text_start(&t, list, sizeof(list));
	for (i = 0; i < env->nrcpts; i++, rcpt = rcpt_next(rcpt)) {
		if (strlen(rcpt) + 3 > (size_t)(t.end - t.at))
			break;
		text_print(&t, "%s<%s>", i > 0 ? "," : "", rcpt);
	}
	log_octets(l, "to", list, (size_t)(t.at - list));
	if (env->nrcpts > 1)
		log_number(l, "recipients", env->nrcpts);
}

static void
log_message(struct session *s, const struct hop_answer *a)
{
	struct logline l;

	session_log(s, &l, "message");
	session_log_name(s, &l);
	log_text(&l, "helo", s->peer.helo);
	session_log_tls(s, &l);
	log_format(&l, "from", "<%s>", s->env.sender);
	log_recipients(&l, &s->env);
	log_text(&l, "message_id", s->scan.message_id);
	log_number(&l, "size", s->scan.size);
	log_text(&l, "mended", intake_mended(&s->intake));
	if (s->intake.authres.removed > 0)
		log_number(&l, "removed", s->intake.authres.removed);
	deliver_log(&s->delivery, &l);
	log_text(&l, "reply", "250 2.0.0");
	if (a->hop_code != 0) {
		log_format(&l, "hop_reply", "%d %s", a->hop_code, a->text);
		hop_log_tls(s->delivery.hop, &l);
	}
	log_number(&l, "ms", clock_ms() - s->intake.begun_ms);
	log_send(&l);
}

/* As it waits in the spool, or what is left of it in the stream. */
static void
deliver(struct session *s, struct hop_answer *answer)
{
	char buf[TRACE_MAX];
	size_t len;

	if (stream_is_on(s)) {
		stream_end(s, answer);
		return;
	}
	if (s->scan.size > s->env.size)
		s->env.size = s->scan.size;
	len = trace_field(s, buf);
	if (s->scan.wire == s->scan.size) /* no stuffed dot is in it */
		s->delivery.chunk = (int64_t)len + intake_len(s);
	deliver_message(&s->delivery, buf, len, s->spool, intake_len(s),
	    answer);
	s->delivery.chunk = 0;
}

static void
hand_over(struct session *s)
{
	struct hop_answer answer;

	atomic_store(&s->slot->phase, SLOT_DELIVERY);
	deliver(s, &answer);
	if (answer.result != HOP_OK) {
		reply_hop(s, &answer, NULL);
		return;
	}
	s->messages++;
	s->idle_commands = s->refused = 0;
	log_message(s, &answer);
	reply(s, 250, "2.0.0", "delivered; ref %s", s->ref);
}

void
message_end(struct session *s)
{
	intake_end(s);
	if (message_acceptable(s))
		hand_over(s);
	session_reset(s);
}
