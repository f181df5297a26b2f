/*
 * data = "DATA" CRLF
 *
 * The message is read to its real end whatever is wrong with it, then refused
 * or handed over, and answered once. After that, whatever the answer, the
 * transaction is over. So it is with a message that came by BDAT.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "worker/command.h"
#include "worker/hop_tls.h"
#include "worker/log.h"
#include "worker/rate.h"
#include "worker/reply.h"
#include "worker/session.h"
#include "worker/settings.h"
#include "worker/slot.h"
#include "worker/spool.h"
#include "worker/tls.h"

#define HOPS_MAX 100 /* RFC 5321, section 6.3 */

/*
 * Read up to the end of data into the spool. False: there was no end.
 */
static bool
receive(struct session *s)
{
	struct lineio *io = &s->io;
	enum io_result r;

	intake_start(s, false);
	for (;;) {
		io->start += intake_take(s, io->in + io->start,
		    io->end - io->start);
		io->searched = io->start;
		if (s->scan.done)
			return true;
		r = session_fill(s, s->set->timeouts.data_secs);
		if (r != IO_OK) {
			session_cut_off(s, r, "timeout-data", "lost-data");
			return false;
		}
	}
}

/* What speaks against the message itself, the first row that holds. */
bool
message_acceptable(struct session *s)
{
	const struct data_scan *d = &s->scan;

	const struct {
		bool wrong;
		int code;
		const char *status, *word, *text;
	} rows[] = {
		{ d->size > s->set->limits.message_bytes, 552, "5.3.4", "size",
		    "the message is larger than this host takes" },
		{ d->bare_lf, 550, "5.6.11", "bare-lf",
		    "the message holds a bare LF" },
		{ d->bare_cr, 550, "5.6.11", "bare-cr",
		    "the message holds a bare CR" },
		{ d->nul, 550, "5.6.0", "nul", "the message holds a NUL" },
		{ d->longest > s->set->limits.line_bytes, 554, "5.6.0", "line",
		    "a line of the message is longer than this host takes" },
		{ d->received > HOPS_MAX, 554, "5.4.6", "hops",
		    "too many hops: the message goes round in a loop" },
		{ s->spool->error != 0, 452, "4.3.1", "spool",
		    "no room for the message, try again later" },
	};

	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (!rows[i].wrong)
			continue;
		reply_refuse_as(s, "content", rows[i].word, rows[i].code,
		    rows[i].status, rows[i].text, NULL);
		return false;
	}
	return true;
}

/* The client's name as RFC 5321 lets it stand behind "from". */
static void
trace_name(char out[NAME_TEXT_MAX], const char *helo)
{
	size_t i;

	for (i = 0; helo[i] != '\0' && i + 1 < NAME_TEXT_MAX; i++)
		out[i] = isalnum((unsigned char)helo[i]) ||
			strchr("-._:[]", helo[i]) != NULL ?
		    helo[i] :
		    '?';
	out[i] = '\0';
	if (i == 0)
		strlcpy(out, "unknown", NAME_TEXT_MAX);
}

/*
 * The way it came (RFC 3848, RFC 6531 section 4.3); HELO has no word of its
 * own for TLS.
 */
static const char *
with(const struct session *s)
{
	if (!s->peer.esmtp)
		return "SMTP";
	if (s->env.utf8)
		return s->tls != NULL ? "UTF8SMTPS" : "UTF8SMTP";
	return s->tls != NULL ? "ESMTPS" : "ESMTP";
}

/* The Received field (RFC 5321, section 4.4); its length. */
static size_t
trace(const struct session *s, char *buf, size_t size)
{
	char name[NAME_TEXT_MAX], date[64], to[MAILBOX_TEXT_MAX + 16] = "";
	char tls[96] = "";
	const char *known = rdns_confirmed(s->peer.rdns);
	struct tm tm;
	time_t now = time(NULL);
	int n;

	trace_name(name, s->peer.helo);
	if (known == NULL)
		known = s->named ? "unknown" : ""; /* not asked: not a word */
	gmtime_r(&now, &tm);
	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S +0000", &tm);
	if (s->env.nrcpts == 1)
		snprintf(to, sizeof(to), "\r\n\tfor <%s>", s->env.rcpts);
	if (s->tls != NULL)
		snprintf(tls, sizeof(tls), "\r\n\t(%s %s)", tls_version(s->tls),
		    tls_cipher(s->tls));
	n = snprintf(buf, size,
	    "Received: from %s (%s%s[%s%s])%s\r\n"
	    "\tby %s with %s id %s%s;\r\n"
	    "\t%s\r\n",
	    name, known, known[0] != '\0' ? " " : "",
	    s->peer.addr.family == 6 ? "IPv6:" : "", s->peer.addr_text, tls,
	    s->set->hostname, with(s), s->ref, to, date);
	return (size_t)n;
}

/* The recipients for the log, as many as a value holds. */
static void
log_recipients(struct logline *l, const struct envelope *env)
{
	char list[LOG_VALUE_MAX + 1];
	const char *rcpt = env->rcpts;
	size_t n = 0, len;
	int i;

	for (i = 0; i < env->nrcpts; i++, rcpt = rcpt_next(rcpt)) {
		len = strlen(rcpt);
		if (n + len + 4 > sizeof(list))
			break;
		n += (size_t)snprintf(list + n, sizeof(list) - n, "%s<%s>",
		    i > 0 ? "," : "", rcpt);
	}
	log_octets(l, "to", list, n);
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

/* The message is complete and good: 250 only when the next hop has it. */
static void
hand_over(struct session *s)
{
	char buf[MAILBOX_TEXT_MAX + 4 * NAME_TEXT_MAX + 256];
	struct hop_answer answer;
	size_t len;

	atomic_store(&s->slot->phase, SLOT_DELIVERY);
	if (s->scan.size > s->env.size)
		s->env.size = s->scan.size;
	len = trace(s, buf, sizeof(buf));
	deliver_message(&s->delivery, buf, len, s->spool, intake_len(s),
	    &answer);
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

void
cmd_data(struct session *s, const char *arg, const char *end)
{
	(void)arg;
	(void)end;
	if (rate_refuses(s, RATE_MESSAGES)) {
		session_reset(s);
		return;
	}
	reply(s, 354, NULL, "end the message with CRLF.CRLF");
	atomic_store(&s->slot->phase, SLOT_DATA);
	if (receive(s))
		message_end(s);
	else
		session_reset(s);
	atomic_store(&s->slot->phase, SLOT_COMMAND);
}
