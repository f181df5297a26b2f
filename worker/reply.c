/*
 * Speaking to the client. A reply is formatted once, into the output that the
 * session flushes before it waits; a refusal is logged where it is spoken.
 */
#include <stdarg.h>
#include <string.h>

#include "worker/check.h"
#include "worker/log.h"
#include "worker/reply.h"
#include "worker/session.h"
#include "worker/settings.h"
#include "worker/slot.h"
#include "worker/text.h"

#define REPLY_OCTETS 512 /* RFC 5321, section 4.5.3.1.5, with its CRLF */

/* What a permanent code becomes for the first week in service. */
static const struct {
	int hard, soft;
} soft_codes[] = {
	{ 550, 450 },
	{ 551, 450 },
	{ 552, 452 },
	{ 553, 450 },
	{ 555, 455 },
};

void
reply_soften(const struct session *s, int *code, char status[12])
{
	size_t i;

	if (!s->set->soft || *code < 500)
		return;
	for (i = 0; i < sizeof(soft_codes) / sizeof(soft_codes[0]); i++)
		if (soft_codes[i].hard == *code)
			break;
	*code = i < sizeof(soft_codes) / sizeof(soft_codes[0]) ?
	    soft_codes[i].soft :
	    451;
	if (status[0] == '5')
		status[0] = '4';
}

static void
put_line(struct session *s, char line[REPLY_OCTETS], size_t len)
{
	if (len > REPLY_OCTETS - 2)
		len = REPLY_OCTETS - 2;
	memcpy(line + len, "\r\n", 2);
	io_put(&s->io, line, len + 2,
	    session_deadline(s, s->set->timeouts.command_secs));
}

/* Begin a reply: the code and the status, as setting soft has them. */
static void
begin_line(struct session *s, struct text *t, char line[REPLY_OCTETS], int code,
    const char *status)
{
	char soft_status[12];

	if (code >= 500)
		s->errors++;
	strlcpy(soft_status, status != NULL ? status : "", sizeof(soft_status));
	reply_soften(s, &code, soft_status);
	text_start(t, line, REPLY_OCTETS);
	text_add_number(t, code);
	text_add(t, " ");
	text_add(t, soft_status);
	text_add(t, soft_status[0] != '\0' ? " " : "");
}

void
reply(struct session *s, int code, const char *status, const char *fmt, ...)
{
	char line[REPLY_OCTETS];
	struct text t;
	va_list ap;

	begin_line(s, &t, line, code, status);
	va_start(ap, fmt);
	text_args(&t, fmt, ap);
	va_end(ap);
	put_line(s, line, (size_t)(t.at - line));
}

/* A refusal's words, and what its log line can be found by. */
static void
reply_why(struct session *s, const struct reason *why)
{
	reply(s, why->reply, why->status, "%.400s; ref %s", why->text, s->ref);
}

void
reply_part(struct session *s, int code, int more, const char *fmt, ...)
{
	char line[REPLY_OCTETS];
	struct text t;
	va_list ap;

	text_start(&t, line, sizeof(line));
	text_add_number(&t, code);
	text_add(&t, more ? "-" : " ");
	va_start(ap, fmt);
	text_args(&t, fmt, ap);
	va_end(ap);
	put_line(s, line, (size_t)(t.at - line));
}

/* Which line of which list it was. */
static void
log_entry(struct logline *l, const struct list_entry *e)
{
	log_format(l, "rule", "%s:%s:%d", list_name(e->list), e->file, e->line);
}

static void
log_reply(struct logline *l, int code, const char *status)
{
	log_format(l, "reply", "%d %s", code, status);
}

/* The common part of a line about a refusal. */
static void
log_refusal(struct session *s, struct logline *l, const char *test,
    const struct reason *why, const char *to)
{
	char rules[LOG_VALUE_MAX + 1];

	session_log(s, l, "refuse");
	session_log_name(s, l);
	log_text(l, "helo", s->peer.helo);
	session_log_tls(s, l);
	if (s->phase & PH_OPEN)
		log_format(l, "from", "<%s>", s->peer.sender.text);
	if (to != NULL)
		log_format(l, "to", "<%s>", to);
	log_text(l, "test", test);
	log_text(l, "reason", why->code);
	if (why->has_entry)
		log_entry(l, &why->entry);
	if (why->listing != NULL) {
		log_text(l, "rule",
		    dnsbl_listed(&s->dnsbl, why->least, "dnsbl:", rules,
			sizeof(rules)));
		log_number(l, "score", why->score);
	}
}

void
reply_refuse(struct session *s, const char *test, const struct reason *why,
    const char *to)
{
	char status[12];
	struct logline l;
	int code = why->reply;

	reply_why(s, why);
	s->refusals++;
	s->refused++;
	s->slot->refusals++;
	strlcpy(status, why->status, sizeof(status));
	reply_soften(s, &code, status);
	log_refusal(s, &l, test, why, to);
	log_reply(&l, code, status);
	log_send(&l);
}

void
reply_refuse_as(struct session *s, const char *test, const char *word, int code,
    const char *status, const char *text, const char *to)
{
	struct reason why;

	memset(&why, 0, sizeof(why));
	why.code = word;
	why.reply = code;
	why.status = status;
	why.text = text;
	reply_refuse(s, test, &why, to);
}

void
reply_hop(struct session *s, const struct hop_answer *a, const char *to)
{
	char status[12];
	struct reason why;
	struct logline l;
	int code = a->code;

	strlcpy(status, a->status, sizeof(status));
	if (a->hop_code == 0)
		reply_soften(s, &code, status);
	memset(&why, 0, sizeof(why));
	why.code = a->result == HOP_REFUSED ? "hop-refused" :
	    a->result == HOP_MIXED	    ? "hop-mixed" :
	    a->result == HOP_DOUBTFUL	    ? s->delivery.ops->unsure :
					      "hop-trouble";
	if (a->hop_code == 0) {
		reply(s, a->code, a->status, "%.400s; ref %s", a->text, s->ref);
	} else {
		/* The next hop's own words: setting soft is not for them. */
		s->errors += a->code >= 500;
		reply_part(s, a->code, 0, "%s %.400s; ref %s", a->status,
		    a->text, s->ref);
	}
	s->refusals++;
	s->refused++;
	s->slot->refusals++;
	log_refusal(s, &l, "hop", &why, to);
	log_reply(&l, code, status);
	deliver_log(&s->delivery, &l);
	if (a->result == HOP_REFUSED && a->hop_code != 0)
		log_format(&l, "hop_reply", "%d %s", a->hop_code, a->text);
	else if (a->hop_code != 0) /* the words are ours */
		log_number(&l, "hop_reply", a->hop_code);
	log_text(&l, "text", a->log);
	if (a->result != HOP_REFUSED)
		l.level = LOG_ODD;
	log_send(&l);
}

void
reply_unspoken(struct session *s, const char *test, const char *key,
    const char *value, const struct reason *why, const char *to)
{
	struct logline l;

	log_refusal(s, &l, test, why, to);
	log_text(&l, key, value);
	log_send(&l);
}
