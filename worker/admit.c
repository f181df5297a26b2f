/*
 * Admission. All DNS questions go out at the connection, and answers come in
 * while the client talks; a session stands still for one only where it can
 * change what the client hears next.
 */
#include <sys/socket.h>

#include <string.h>

#include "worker/admit.h"
#include "worker/reply.h"
#include "worker/session.h"
#include "worker/settings.h"
#include "worker/text.h"

#define FAREWELL_MS 1000 /* for the last replies, before a rehearsal */

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

static void
log_would(struct session *s, const struct finding *f)
{
	if (f->mode == MODE_WARN && f->found != V_NEXT &&
	    f->found != V_UNKNOWN && !is_open(f))
		reply_unspoken(s, check_name(f->test), "would",
		    verdict_name(f->found), &f->why, NULL);
}

/* Once, as in its transaction, which may be over. */
static void
log_sender(struct session *s)
{
	char ref[REF_TEXT_MAX];
	enum phase phase = s->phase;

	if (s->peer.maildom == NULL || is_open(&s->found[CHECK_SENDER]))
		return;
	strlcpy(ref, s->ref, sizeof(ref));
	text_set(s->ref, sizeof(s->ref), "%s.%u", s->id, s->transactions);
	s->phase = PH_MAIL;
	log_would(s, &s->found[CHECK_SENDER]);
	s->phase = phase;
	strlcpy(s->ref, ref, sizeof(s->ref));
	s->peer.maildom = NULL;
	s->undecided |= ROW(CHECK_SENDER);
}

void
admit_log_would(struct session *s)
{
	int i;

	for (i = 0; i < CHECK_COUNT; i++)
		if (i == CHECK_SENDER)
			log_sender(s);
		else
			log_would(s, &s->found[i]);
}

/* Make the tests that are not decided on what is known by now. */
static void
judge(struct session *s)
{
	int i;

	check_session(&s->peer, s->set, s->found, s->undecided);
	s->undecided = 0;
	for (i = 0; i < CHECK_COUNT; i++)
		if (is_open(&s->found[i]))
			s->undecided |= ROW(i);
}

static const struct finding *
refusal_at(const struct session *s, enum stage stage)
{
	return check_refusal(s->set, s->found, stage == STAGE_GREETING);
}

/*
 * Can the answer that this test waits for change what is said now? One that
 * speaks after a refusal cannot; relay can clear the refusals of tests that
 * spare relays, and rdns where it may allow that of dnsbl.
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
		return stage == STAGE_FOREIGN ||
		    (refusal != NULL && check_spares_relay(refusal));
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

	for (i = 0; i < CHECK_COUNT; i++)
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
	maildom_settle(&s->maildom);
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
	if (s->peer.helo[0] == '\0' && !s->settled)
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

/*
 * The sender is known. Its domain is asked about only where the list has no
 * word on it, and where an answer could matter.
 */
static void
ask_sender(struct session *s, const char *domain)
{
	bool named = domain[0] != '\0' && domain[0] != '[';

	s->peer.maildom = named ? &maildom_asked : &maildom_nothing;
	check_session(&s->peer, s->set, s->found, ROW(CHECK_SENDER));
	if (s->found[CHECK_SENDER].found != V_PENDING) {
		s->peer.maildom = &maildom_nothing;
		return;
	}
	if (s->dns == NULL)
		s->dns = dns_begin(s->servers, s->set, &s->waiting);
	maildom_ask(&s->maildom, s->dns, domain);
	s->peer.maildom = &s->maildom;
}

void
admit_learn(struct session *s, enum zone_of of, const char *name)
{
	if (s->quiet)
		return; /* no test is made of a proxy */
	s->undecided |= check_rows_of(of);
	if (s->dns != NULL)
		dns_step(s->dns);
	if (s->peer.dnsbl != NULL)
		dnsbl_ask(&s->dnsbl, of, name);
	if (of == OF_SENDER)
		ask_sender(s, name);
	if (s->dns != NULL)
		dns_send(s->dns);
}

void
admit_forget(struct session *s)
{
	if (s->peer.maildom == NULL || s->found[CHECK_SENDER].mode != MODE_WARN)
		return;
	if (s->undecided & ROW(CHECK_SENDER))
		judge(s);
	log_sender(s);
}

void
admit_begin(struct session *s)
{
	/*
	 * DNS is not asked before it is known that it matters. What is decided
	 * without it is not judged again.
	 */
	s->peer.rdns = &rdns_asked;
	s->peer.dnsbl = &dnsbl_asked;
	s->undecided = ROWS_ALL;
	judge(s);
	if (s->peer.banned) {
		s->peer.rdns = &rdns_unasked;
		s->peer.dnsbl = NULL;
	} else {
		ask_dns(s);
	}
}

const struct finding *
admit_greeting(struct session *s)
{
	settle(s, STAGE_GREETING);
	s->held = refusal_at(s, STAGE_RCPT);
	return refusal_at(s, STAGE_GREETING);
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

	for (i = 0; i < CHECK_COUNT; i++) {
		f = &s->found[i];
		speaks |= f->mode == MODE_WARN && f->found != V_NEXT &&
		    (s->settled || s->set->tests[f->test].at == AT_GREETING);
	}
	for (i = 0; speaks && i < CHECK_COUNT; i++)
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
	admit_log_would(s);
}
