/*
 * Admission. All DNS questions go out at the connection, and answers come in
 * while the client talks; a session stands still for one only where it can
 * change what the client hears next.
 */
#include <sys/socket.h>

#include <stdio.h>
#include <string.h>

#include "worker/admit.h"
#include "worker/command.h"
#include "worker/log.h"
#include "worker/reply.h"
#include "worker/session.h"
#include "worker/settings.h"

#define REFUSED_SECS	 10 /* a refused client may hang on so long */
#define REFUSED_COMMANDS 5
#define FAREWELL_MS	 1000 /* for the last replies, before a rehearsal */

/* What a session is about to say, and so what matters. */
enum stage {
	STAGE_GREETING,
	STAGE_RCPT,
	STAGE_FOREIGN /* RCPT to a domain that is not ours */
};

/* -------------------------------------------------------------- the verdict */

static bool
is_open(const struct finding *f)
{
	return f->found == V_PENDING || f->found == V_LATER;
}

/* What mode warn would have done, when nothing more is to come. */
static void
log_would(struct session *s)
{
	const struct finding *f;
	int i;

	for (i = 0; i < CONNECT_CHECKS; i++) {
		f = &s->found[i];
		if (f->mode == MODE_WARN && f->found != V_NEXT &&
		    f->found != V_UNKNOWN && !is_open(f))
			reply_unspoken(s, check_name(f->test), "would",
			    verdict_name(f->found), &f->why, NULL);
	}
}

/* Make the tests on what is known by now. */
static void
judge(struct session *s)
{
	int i;

	check_connect(&s->peer, s->set, s->found);
	s->undecided = false;
	for (i = 0; i < CONNECT_CHECKS; i++)
		s->undecided |= is_open(&s->found[i]);
}

static const struct finding *
refusal_at(const struct session *s, enum stage stage)
{
	return check_refusal(s->set, s->found, stage == STAGE_GREETING);
}

/*
 * Can the answer that this test waits for change what is said now? One that
 * speaks after a refusal cannot; relay, and rdns where it may allow, can clear
 * the refusals of rdns and dnsbl.
 */
static bool
matters(const struct session *s, int i, const struct finding *refusal,
    enum stage stage)
{
	const struct finding *f = &s->found[i];
	bool by_dnsbl = refusal == &s->found[CHECK_DNSBL];

	if (f->found != V_PENDING || f->mode != MODE_ON)
		return false;
	if (i == CHECK_RELAY)
		return stage == STAGE_FOREIGN || by_dnsbl ||
		    refusal == &s->found[CHECK_RDNS];
	if (by_dnsbl && f->why.may_allow)
		return true;
	if (stage == STAGE_GREETING && s->set->tests[f->test].at != AT_GREETING)
		return false;
	return refusal == NULL || f < refusal;
}

static bool
must_wait(const struct session *s, enum stage stage)
{
	const struct finding *refusal = refusal_at(s, stage);
	int i;

	for (i = 0; i < CONNECT_CHECKS; i++)
		if (matters(s, i, refusal, stage))
			return true;
	return false;
}

/* One more answer, or the deadline of one. False: none is to come. */
static bool
wait_answer(struct session *s)
{
	return s->dns != NULL && dns_is_open(s->dns) &&
	    wait_for(&s->waiting, WAIT_DNS, POLLIN, s->deadline_ms) ==
	    WAIT_READY;
}

/* Nothing more is waited for: what is open is unknown. */
static void
give_up(struct session *s)
{
	if (s->named)
		rdns_settle(&s->rdns);
	if (s->peer.dnsbl != NULL)
		dnsbl_settle(&s->dnsbl);
	judge(s);
}

static void
settle(struct session *s, enum stage stage)
{
	judge(s);
	while (must_wait(s, stage) && wait_answer(s))
		judge(s);
	if (must_wait(s, stage))
		give_up(s);
}

void
admit_settle(struct session *s, bool foreign)
{
	if (!s->undecided)
		return; /* all was decided before */
	if (s->peer.helo[0] == '\0')
		admit_learn(s, OF_HELO, ""); /* and will not be */
	settle(s, foreign ? STAGE_FOREIGN : STAGE_RCPT);
	s->held = refusal_at(s, STAGE_RCPT);
	s->settled = true;
}

/* ---------------------------------------------------------------- asking */

/* Does any zone in service want one of these things of this client? */
static bool
wants_lists(const struct session *s, unsigned of)
{
	return s->set->tests[TEST_DNSBL].mode != MODE_OFF && !s->peer.relay &&
	    dnsbl_is_wanted(s->set, s->state, &s->peer.addr, of);
}

/* Does any test, or the log, want the client's name? */
static bool
wants_name(const struct session *s)
{
	struct list_info relay = { .has_names = false };

	if (s->peer.relay)
		return false;
	if (s->peer.lists != NULL)
		generation_info(s->peer.lists, LIST_RELAY, &relay);
	return s->set->tests[TEST_RDNS].mode != MODE_OFF ||
	    (relay.has_names && s->set->tests[TEST_RELAY].mode != MODE_OFF) ||
	    wants_lists(s, 1u << OF_NAME);
}

static void
name_known(void *arg, const char *name)
{
	struct session *s = arg;

	if (s->peer.dnsbl != NULL)
		dnsbl_ask(&s->dnsbl, OF_NAME, name);
}

/* All questions go out together; the answers come in while we talk. */
static void
ask_dns(struct session *s)
{
	bool name = wants_name(s), lists = wants_lists(s, ~0u);

	s->peer.rdns = &rdns_nothing;
	s->peer.dnsbl = NULL;
	if (!name && !lists)
		return;
	s->dns = dns_begin(s->servers, s->set, &s->waiting);
	if (lists && dnsbl_begin(&s->dnsbl, s->dns, &s->peer.addr) == 0)
		s->peer.dnsbl = &s->dnsbl;
	if (name) {
		s->named = true;
		s->peer.rdns = &s->rdns;
		s->rdns.known = name_known;
		s->rdns.known_arg = s;
		rdns_ask(&s->rdns, s->dns, &s->peer.addr);
	}
	if (s->dns != NULL)
		dns_send(s->dns);
}

void
admit_learn(struct session *s, enum zone_of of, const char *name)
{
	if (s->peer.dnsbl == NULL)
		return;
	if (s->dns != NULL)
		dns_step(s->dns);
	dnsbl_ask(&s->dnsbl, of, name);
	if (s->dns != NULL)
		dns_send(s->dns);
	s->undecided = true;
}

void
admit_word(struct session *s, struct reason *why)
{
	if (why->listing == NULL)
		return;
	if (s->dns != NULL)
		dns_step(s->dns);
	if (dnsbl_ask_text(&s->dnsbl, why->listing)) {
		dns_send(s->dns);
		while (s->dnsbl.text_open && wait_answer(s))
			;
	}
	why->text = dnsbl_words(&s->dnsbl, why->listing);
}

/*
 * Would a test in mode warn have spoken by now, or may it still, and is
 * anything open that it depends on?
 */
static bool
is_rehearsing(const struct session *s)
{
	const struct finding *f;
	bool speaks = false;
	int i;

	for (i = 0; i < CONNECT_CHECKS; i++) {
		f = &s->found[i];
		speaks |= f->mode == MODE_WARN && f->found != V_NEXT &&
		    (s->settled || s->set->tests[f->test].at == AT_GREETING);
	}
	for (i = 0; speaks && i < CONNECT_CHECKS; i++)
		if (s->found[i].found == V_PENDING)
			return true;
	return false;
}

void
admit_rehearse(struct session *s)
{
	if (s->undecided)
		judge(s);
	if (is_rehearsing(s)) {
		/* The client need not wait with us. */
		io_finish(&s->io, clock_ms() + FAREWELL_MS);
		shutdown(s->io.fd, SHUT_WR);
		while (is_rehearsing(s) && wait_answer(s))
			judge(s);
		if (is_rehearsing(s))
			give_up(s);
	}
	log_would(s);
}

/* ----------------------------------------------------------- being refused */

/*
 * A client that was refused at the greeting may say QUIT (RFC 5321, section
 * 3.1); all else is 503, for a short while.
 */
static void
serve_refused(struct session *s)
{
	int64_t limit = clock_ms() + REFUSED_SECS * 1000;
	const char *line;
	size_t len;
	int i;

	s->phase = PH_REFUSED;
	if (limit < s->deadline_ms)
		s->deadline_ms = limit;
	for (i = 0; i < REFUSED_COMMANDS && !s->over; i++) {
		switch (io_line(&s->io, s->deadline_ms, &line, &len)) {
		case IO_OK:
			command_run(s, line, len);
			break;
		case IO_LONG:
			command_too_long(s);
			break;
		default:
			return;
		}
	}
}

/* The greeting says no. */
static void
refuse_at_greeting(struct session *s, const struct finding *f, bool hold)
{
	struct reason why = f->why;

	if (f->verdict == V_DROP) {
		reply_unspoken(s, check_name(f->test), "reply", "drop", &why,
		    NULL);
		return;
	}
	admit_word(s, &why);
	why.reply = f->verdict == V_REJECT && !s->set->soft ? 554 : 421;
	if (why.reply == 421 && why.status[0] == '5')
		why.status = "4.7.1";
	reply_refuse(s, check_name(f->test), &why, NULL);
	if (why.reply == 554 && hold)
		serve_refused(s);
}

/* ------------------------------------------------------------ the greeting */

static bool
too_many_sessions(const struct session *s, unsigned held)
{
	int limit = s->set->limits.per_client;

	return limit > 0 && held > (unsigned)limit && !s->peer.relay;
}

/*
 * Who is served, and the entries that speak for it. The line is not on the
 * stack, where it would cost every idle session a page.
 */
static void
log_connect(const struct session *s)
{
	static struct logline l;
	char rules[LOG_VALUE_MAX];
	const struct reason *why;
	size_t n = 0;
	int i;

	rules[0] = '\0';
	for (i = 0; i < CONNECT_CHECKS; i++) {
		why = &s->found[i].why;
		if (why->has_entry && n < sizeof(rules))
			n += (size_t)snprintf(rules + n, sizeof(rules) - n,
			    "%s%s:%s:%u", n > 0 ? "," : "",
			    list_name(why->entry.list), why->entry.file,
			    why->entry.line);
	}
	session_log(s, &l, "connect");
	log_number(&l, "port", s->peer.port);
	log_text(&l, "rule", rules);
	log_send(&l);
}

bool
admit_client(struct session *s, unsigned held)
{
	const struct finding *refusal;

	/* DNS is not asked before it is known that it matters. */
	s->peer.rdns = &rdns_asked;
	s->peer.dnsbl = &dnsbl_asked;
	judge(s);
	if (s->peer.banned) {
		s->peer.rdns = &rdns_unasked;
		s->peer.dnsbl = NULL;
		judge(s);
	} else {
		ask_dns(s);
		settle(s, STAGE_GREETING);
	}
	s->held = refusal_at(s, STAGE_RCPT);
	if ((refusal = refusal_at(s, STAGE_GREETING)) != NULL) {
		log_would(s);
		/* One that holds too many workers already is not kept. */
		refuse_at_greeting(s, refusal, !too_many_sessions(s, held));
		return false;
	}
	if (too_many_sessions(s, held)) {
		reply_refuse_as(s, "limits", "per-client", 421, "4.7.0",
		    "too many sessions from your address", NULL);
		return false;
	}
	log_connect(s);
	return true;
}
