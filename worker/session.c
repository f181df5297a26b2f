/*
 * The life of a session: the connection tests, the greeting, command after
 * command, the end and its line in the log. Everything here is straight-line
 * code against one deadline.
 */
#include <sys/socket.h>

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "worker/command.h"
#include "worker/log.h"
#include "worker/reply.h"
#include "worker/session.h"
#include "worker/settings.h"
#include "worker/slot.h"

#define REFUSED_SECS	 10 /* a refused client may hang on so long */
#define REFUSED_COMMANDS 5
#define REFUSALS_MOST	 1000 /* without a message, 4xx as well */
#define LINGER_MS	 1000 /* for the client to read our last words */

/* --------------------------------------------------------------- small parts */

int64_t
session_deadline(const struct session *s, int secs)
{
	int64_t at = clock_ms() + (int64_t)secs * 1000;

	return at < s->deadline_ms ? at : s->deadline_ms;
}

void
session_end(struct session *s, const char *why)
{
	s->over = true;
	if (s->end == NULL)
		s->end = why;
}

void
session_cut_off(struct session *s, enum io_result r, const char *late,
    const char *lost)
{
	const char *us = s->set->hostname;

	switch (r) {
	case IO_LATE:
		reply(s, 421, "4.4.2", "%s timed out", us);
		session_end(s, late);
		break;
	case IO_HURRIED:
		reply(s, 421, "4.3.2", "%s shutting down", us);
		session_end(s, "shutdown");
		break;
	default:
		session_end(s, lost);
	}
}

void
session_reset(struct session *s)
{
	deliver_abort(&s->delivery);
	memset(&s->peer.sender, 0, sizeof(s->peer.sender));
	s->env.sender = "";
	s->env.eight_bit = false;
	s->env.size = 0;
	s->env.rcpts_len = 0;
	s->env.nrcpts = 0;
	strlcpy(s->ref, s->id, sizeof(s->ref));
	if (s->phase & (PH_MAIL | PH_RCPT))
		s->phase = PH_HELLO;
}

void
session_log(const struct session *s, struct logline *l, const char *event)
{
	log_start(l, LOG_USUAL, event);
	log_text(l, "ref", s->ref);
	log_text(l, "client", s->peer.addr_text);
}

void
session_log_name(const struct session *s, struct logline *l)
{
	const char *name;

	if (!s->named)
		return;
	if ((name = rdns_confirmed(s->peer.rdns)) != NULL)
		log_text(l, "name", name);
	else
		log_text(l, "name_state", rdns_state_name(s->peer.rdns));
}

/*
 * The reference of a session: microseconds since 1970 and the worker's slot
 * page make it unique on this host for centuries. Base 32 without letters
 * that are mistaken for digits.
 */
static void
make_id(char id[16], const struct slot *slot)
{
	static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
	struct timespec ts;
	uint64_t n;
	int i;

	clock_gettime(CLOCK_REALTIME, &ts);
	n = (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
	n = n << 13 | ((uintptr_t)slot / SLOT_BYTES & 0x1fff);
	for (i = 12; i >= 0; i--, n >>= 5)
		id[i] = digits[n & 31];
	id[13] = '\0';
}

/* ------------------------------------------------------------- the beginning */

static void
begin(struct session *s, int fd, const struct addr *addr, uint16_t port,
    struct generation *lists)
{
	const struct settings *set = s->set;
	struct slot *slot = s->slot;

	memset(&s->peer, 0,
	    offsetof(struct session, io) - offsetof(struct session, peer));
	s->start_ms = clock_ms();
	s->deadline_ms = s->start_ms +
	    (int64_t)set->timeouts.session_secs * 1000;
	s->phase = set->require_helo ? PH_START : PH_HELLO;
	make_id(s->id, slot);
	strlcpy(s->ref, s->id, sizeof(s->ref));

	s->peer.addr = *addr;
	s->peer.port = port;
	addr_format(addr, s->peer.addr_text);
	s->peer.lists = lists;
	s->peer.rdns = &rdns_nothing;
	s->peer.now = (int64_t)time(NULL);

	s->env.sender = "";
	s->delivery.set = set;
	s->delivery.waiting = &s->waiting;
	s->delivery.env = &s->env;
	s->delivery.ref = s->ref;
	s->delivery.deadline_ms = s->deadline_ms;

	slot->since_ms = s->start_ms;
	strlcpy(slot->client, s->peer.addr_text, sizeof(slot->client));
	strlcpy(slot->ref, s->id, sizeof(slot->ref));
	wait_init(&s->waiting);
	s->waiting.left = s->left;
	s->waiting.arg = s->left_arg;
	io_init(&s->io, &s->waiting, fd);
}

static bool
too_many_sessions(const struct session *s, unsigned held)
{
	int limit = s->set->limits.per_client;

	return limit > 0 && held > (unsigned)limit && !s->peer.relay;
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
	why.reply = f->verdict == V_REJECT && !s->set->soft ? 554 : 421;
	if (why.reply == 421 && why.status[0] == '5')
		why.status = "4.7.1";
	reply_refuse(s, check_name(f->test), &why, NULL);
	if (why.reply == 554 && hold)
		serve_refused(s);
}

/* What mode warn would have done, once for each test. */
static void
log_would(struct session *s)
{
	const struct finding *f;
	int i;

	for (i = 0; i < CONNECT_CHECKS; i++) {
		f = &s->found[i];
		if (s->set->tests[f->test].mode != MODE_WARN ||
		    f->found == V_NEXT || f->found == V_PENDING ||
		    f->found == V_UNKNOWN || (s->logged & 1u << i))
			continue;
		s->logged |= 1u << i;
		reply_unspoken(s, check_name(f->test), "would",
		    verdict_name(f->found), &f->why, NULL);
	}
}

/* Make the tests on what is known by now. */
static const struct finding *
judge(struct session *s)
{
	const struct finding *refusal;

	refusal = check_connect(&s->peer, s->set, s->found);
	log_would(s);
	return refusal;
}

/* Is any test waiting for an answer? */
static bool
is_pending(const struct session *s)
{
	int i;

	for (i = 0; i < CONNECT_CHECKS; i++)
		if (s->found[i].found == V_PENDING)
			return true;
	return false;
}

/*
 * Can an answer that is still to come change what this recipient hears? One
 * of ours need not know whether the client may relay, unless that would clear
 * a refusal.
 */
static bool
must_wait(const struct session *s, const struct finding *refusal, bool foreign)
{
	int i;

	for (i = 0; i < CONNECT_CHECKS; i++)
		if (s->found[i].found == V_PENDING &&
		    (i != CHECK_RELAY || foreign || refusal != NULL))
			return true;
	return false;
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
	    (relay.has_names && s->set->tests[TEST_RELAY].mode != MODE_OFF);
}

/* All questions go out together; the answers come in while we talk. */
static void
ask_dns(struct session *s)
{
	s->named = true;
	s->peer.rdns = &s->rdns;
	s->dns = dns_begin(s->servers, s->set, &s->waiting,
	    clock_ms() + s->set->dns_deadline_ms);
	rdns_ask(&s->rdns, s->dns, &s->peer.addr);
	if (s->dns != NULL)
		dns_send(s->dns);
}

void
session_settle(struct session *s, bool foreign)
{
	const struct finding *refusal;

	if (!is_pending(s))
		return; /* all was decided before */
	refusal = judge(s);
	while (must_wait(s, refusal, foreign) && s->dns != NULL &&
	    dns_is_open(s->dns) &&
	    wait_for(&s->waiting, WAIT_DNS, POLLIN, s->deadline_ms) ==
		WAIT_READY)
		refusal = judge(s);
	if (must_wait(s, refusal, foreign)) {
		rdns_settle(&s->rdns);
		refusal = judge(s);
	}
	s->held = refusal;
}

static bool
speaks_at_greeting(const struct session *s, const struct finding *refusal)
{
	return refusal != NULL &&
	    s->set->tests[refusal->test].at == AT_GREETING;
}

/*
 * The connection tests. True: the client is greeted; a refusal that waits for
 * RCPT, or is not known yet, comes with session_settle.
 */
static bool
admit(struct session *s, unsigned held)
{
	const struct test_settings *rdns = &s->set->tests[TEST_RDNS];
	const struct finding *refusal;

	/* DNS is not asked before it is known that it matters. */
	s->peer.rdns = &rdns_asked;
	refusal = judge(s);
	s->peer.rdns = &rdns_nothing;
	if (!speaks_at_greeting(s, refusal) && wants_name(s)) {
		ask_dns(s);
		if (rdns->mode == MODE_ON && rdns->at == AT_GREETING) {
			session_settle(s, false);
			refusal = s->held;
		}
	}
	s->held = refusal;
	if (speaks_at_greeting(s, refusal)) {
		/* One that holds too many workers already is not kept. */
		refuse_at_greeting(s, refusal, !too_many_sessions(s, held));
		return false;
	}
	if (too_many_sessions(s, held)) {
		reply_refuse_as(s, "limits", "per-client", 421, "4.7.0",
		    "too many sessions from your address", NULL);
		return false;
	}
	return true;
}

/* ---------------------------------------------------------- the conversation */

/* Who is served, and the entries that speak for it. */
static void
log_connect(const struct session *s)
{
	char rules[LOG_VALUE_MAX];
	const struct reason *why;
	struct logline l;
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

static bool
too_many_errors(struct session *s)
{
	if (s->errors > s->set->limits.errors) {
		reply_refuse_as(s, "limits", "errors", 421, "4.7.0",
		    "too many errors", NULL);
		return true;
	}
	if (s->refused > REFUSALS_MOST &&
	    s->refused > s->set->limits.recipients) {
		reply_refuse_as(s, "limits", "refusals", 421, "4.7.0",
		    "too many refusals without a message", NULL);
		return true;
	}
	if (s->idle_commands > s->set->limits.idle_commands) {
		reply_refuse_as(s, "limits", "idle-commands", 421, "4.7.0",
		    "too many commands without a message", NULL);
		return true;
	}
	return false;
}

static void
converse(struct session *s)
{
	enum io_result r;
	const char *line;
	size_t len;

	while (!s->over) {
		r = io_line(&s->io,
		    session_deadline(s, s->set->timeouts.command_secs), &line,
		    &len);
		switch (r) {
		case IO_OK:
			command_run(s, line, len);
			break;
		case IO_LONG:
			command_too_long(s);
			break;
		default:
			session_cut_off(s, r, "timeout", "lost");
		}
		if (!s->over && too_many_errors(s))
			session_end(s, "errors");
	}
}

/*
 * The last words were ours, and the client may not have read them: closing
 * now, with input of its unread, would make the kernel throw them away.
 */
static void
linger(struct session *s)
{
	int64_t limit = clock_ms() + LINGER_MS;

	shutdown(s->io.fd, SHUT_WR);
	do {
		s->io.start = s->io.end = s->io.searched = 0;
	} while (io_fill(&s->io, limit) == IO_OK);
}

/* Did the gateway end the conversation, with a word to the client? */
static bool
ended_by_us(const struct session *s)
{
	static const char *const theirs[] = { "quit", "lost", "lost-data",
		"dropped" };
	size_t i;

	for (i = 0; i < sizeof(theirs) / sizeof(theirs[0]); i++)
		if (strcmp(s->end, theirs[i]) == 0)
			return false;
	return true;
}

/*
 * The one line that sums a session up. Where the refusal at the greeting has
 * said it all, there is no second one.
 */
static void
log_session(struct session *s)
{
	struct logline l;

	session_log(s, &l, "session");
	session_log_name(s, &l);
	log_text(&l, "helo", s->peer.helo);
	log_number(&l, "messages", s->messages);
	log_number(&l, "refusals", s->refusals);
	log_number(&l, "errors", s->errors);
	log_text(&l, "end", s->end);
	log_number(&l, "ms", clock_ms() - s->start_ms);
	log_send(&l);
}

void
session_run(struct session *s, int fd, const struct addr *addr, uint16_t port,
    struct generation *lists)
{
	unsigned held = s->slot->held_count;

	begin(s, fd, addr, port, lists);
	if (admit(s, held)) {
		atomic_store(&s->slot->phase, SLOT_COMMAND);
		log_connect(s);
		reply(s, 220, NULL, "%s ESMTP", s->set->hostname);
		converse(s);
		session_reset(s);
		log_session(s);
	}
	if (io_flush(&s->io, clock_ms() + LINGER_MS) == IO_OK && s->over &&
	    ended_by_us(s))
		linger(s);
	deliver_close(&s->delivery);
	dns_end(s->dns);
	s->dns = NULL;
	free(s->env.rcpts);
	s->env.rcpts = NULL;
	s->slot->sessions++;
	s->slot->messages += s->messages;
}
