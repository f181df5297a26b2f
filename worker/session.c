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

#include "worker/admit.h"
#include "worker/command.h"
#include "worker/greet.h"
#include "worker/hop.h"
#include "worker/log.h"
#include "worker/proxied.h"
#include "worker/reply.h"
#include "worker/session.h"
#include "worker/settings.h"
#include "worker/slot.h"
#include "worker/spool.h"
#include "worker/tls.h"

#define REFUSALS_MOST 1000 /* without a message, 4xx as well */
#define LINGER_MS     1000 /* for the client to read our last words */
#define HOP_LOOK_SECS 1

/* --------------------------------------------------------------- small parts */

int64_t
session_deadline(const struct session *s, int secs)
{
	int64_t at = clock_ms() + (int64_t)secs * 1000;

	return at < s->deadline_ms ? at : s->deadline_ms;
}

bool
session_is_pressed(const struct session *s)
{
	return atomic_load(&s->clients->pressed) != 0;
}

/* Until when a client may be silent that has been since then. */
static int64_t
patience(const struct session *s, int64_t since_ms, int secs)
{
	int busy = s->set->timeouts.busy_secs;
	int64_t at;

	if (session_is_pressed(s) && busy < secs)
		secs = busy;
	at = since_ms + (int64_t)secs * 1000;
	return at < s->deadline_ms ? at : s->deadline_ms;
}

/*
 * A look at what has become of our patience, and whether another client's mail
 * waits for the connection that this one holds; when the next one is due.
 */
static int64_t
look(struct session *s, int64_t since_ms, int64_t now_ms, int secs)
{
	int64_t at = patience(s, since_ms, secs), next;

	hop_yield(s->hop, now_ms); /* a client that drips is never late */
	next = now_ms +
	    (s->hop->open ? HOP_LOOK_SECS : s->set->timeouts.busy_secs) * 1000;
	return next < at ? next : at;
}

/*
 * It was silent until that look. Is it to be waited for still? Then at_ms is
 * that of the next one.
 */
static bool
is_patient(struct session *s, int64_t since_ms, int secs, int64_t *at_ms)
{
	int64_t now_ms = clock_ms();

	*at_ms = look(s, since_ms, now_ms, secs);
	return now_ms < *at_ms;
}

enum io_result
session_fill(struct session *s, int secs)
{
	int64_t since_ms = clock_ms(), at_ms;
	enum io_result r;

	at_ms = look(s, since_ms, since_ms, secs);
	do
		r = io_fill(&s->io, at_ms);
	while (r == IO_LATE && is_patient(s, since_ms, secs, &at_ms));
	return r;
}

enum io_result
session_line(struct session *s, int secs, const char **line, size_t *len)
{
	int64_t since_ms = clock_ms(), at_ms;
	enum io_result r;

	at_ms = look(s, since_ms, since_ms, secs);
	do
		r = io_line(&s->io, at_ms, line, len);
	while (r == IO_LATE && is_patient(s, since_ms, secs, &at_ms));
	return r;
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
	spool_reset(s->spool); /* its room on disk is given back */
	admit_forget(s);
	s->env.sender = "";
	s->env.eight_bit = s->env.utf8 = false;
	s->env.params[0] = '\0';
	s->env.size = 0;
	s->env.rcpts_len = 0;
	s->env.nrcpts = 0;
	strlcpy(s->ref, s->id, sizeof(s->ref));
	if (s->phase & PH_OPEN)
		s->phase = PH_HELLO;
}

void
session_learn_local(struct session *s)
{
	struct peer *peer = &s->peer;

	if (peer->local.family == 0)
		io_local(&s->io, &peer->local, &peer->local_port);
}

void
session_log(const struct session *s, struct logline *l, const char *event)
{
	log_start(l, LOG_USUAL, event);
	log_text(l, "ref", s->ref);
	log_text(l, "client", s->peer.addr_text);
}

void
session_log_tls(const struct session *s, struct logline *l)
{
	if (s->tls != NULL)
		log_format(l, "tls", "%s:%s", tls_version(s->tls),
		    tls_cipher(s->tls));
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

void
session_set_client(struct session *s, const struct addr *addr, uint16_t port)
{
	s->peer.addr = *addr;
	s->peer.port = port;
	addr_format(addr, s->peer.addr_text);
	strlcpy(s->slot->client, s->peer.addr_text, sizeof(s->slot->client));
}

static void
begin(struct session *s, int fd, const struct addr *addr, uint16_t port)
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

	session_set_client(s, addr, port);
	s->peer.rdns = &rdns_nothing;
	s->peer.now = (int64_t)time(NULL);

	s->env.sender = "";
	s->delivery.set = set;
	s->delivery.clients = s->clients;
	s->delivery.hop = s->hop;
	s->delivery.shared = s->state;
	s->delivery.slot = slot;
	s->delivery.peer = &s->peer;
	s->delivery.waiting = &s->waiting;
	s->delivery.env = &s->env;
	s->delivery.ref = s->ref;
	s->delivery.deadline_ms = s->deadline_ms;
	s->delivery.where.set = set;
	s->delivery.where.waiting = &s->waiting;
	s->delivery.where.servers = s->servers;
	s->delivery.where.dns = &s->dns;
	s->delivery.where.cache = s->where_cache;
	s->delivery.where.deadline_ms = s->deadline_ms;

	slot->since_ms = s->start_ms;
	strlcpy(slot->ref, s->id, sizeof(slot->ref));
	wait_init(&s->waiting);
	s->waiting.left = s->left;
	s->waiting.arg = s->left_arg;
	s->waiting.beside = s->beside;
	io_init(&s->io, &s->waiting, fd);
}

bool
session_begin(struct session *s, int fd, const struct addr *addr, uint16_t port)
{
	begin(s, fd, addr, port);
	if (s->proxy_from == NULL || proxied_client(s))
		return true;
	s->slot->sessions++;
	return false;
}

/* ---------------------------------------------------------- the conversation */

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

/* The first octet, with what else is there. False: nobody to talk to. */
static bool
hear_first(struct session *s)
{
	enum io_result r = IO_OK;

	if (s->io.start == s->io.end)
		r = session_fill(s, s->set->timeouts.command_secs);
	if (r != IO_OK) {
		session_cut_off(s, r, "timeout", "lost");
		return false;
	}
	return command_may_begin(s, s->io.in[s->io.start]);
}

/*
 * A client that keeps erring waits for its answers: each pause is bounded by
 * a setting, and their number by the limit of errors.
 */
static void
slow_down(struct session *s)
{
	int64_t until = clock_ms() + s->set->limits.slow_ms;

	if (s->errors <= s->set->limits.slow_after || s->peer.relay ||
	    session_is_pressed(s))
		return;
	wait_for(&s->waiting, WAIT_CLIENT, 0,
	    until < s->deadline_ms ? until : s->deadline_ms);
}

static void
converse(struct session *s)
{
	enum io_result r;
	const char *line;
	size_t len;
	int errors;

	if (!hear_first(s))
		return;
	while (!s->over) {
		errors = s->errors;
		r = session_line(s, s->set->timeouts.command_secs, &line, &len);
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
		if (!s->over && s->errors > errors)
			slow_down(s);
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
		io_use_plain(&s->io); /* to be thrown away, TLS or not */
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
	char listed[LOG_VALUE_MAX + 1];
	struct logline l;

	session_log(s, &l, "session");
	session_log_name(s, &l);
	log_text(&l, "helo", s->peer.helo);
	session_log_tls(s, &l);
	if (s->peer.dnsbl != NULL)
		log_text(&l, "listed",
		    dnsbl_listed(s->peer.dnsbl, MODE_WARN, "", listed,
			sizeof(listed)));
	log_number(&l, "messages", s->messages);
	log_number(&l, "refusals", s->refusals);
	log_number(&l, "errors", s->errors);
	log_text(&l, "end", s->end);
	log_number(&l, "ms", clock_ms() - s->start_ms);
	log_send(&l);
}

/* What is to be told of a client that was greeted and has gone. */
static void
tell(struct session *s)
{
	if (s->quiet)
		return;
	admit_rehearse(s);
	log_session(s);
}

/* It was greeted: hear it to its end. */
static void
serve(struct session *s)
{
	atomic_store(&s->slot->phase, SLOT_COMMAND);
	converse(s);
	session_reset(s);
	tell(s);
	if (io_finish(&s->io, clock_ms() + LINGER_MS) == IO_OK && s->over &&
	    ended_by_us(s))
		linger(s);
}

/* It was not. False: it was told why, and that has gone out. */
static bool
turn_away(struct session *s)
{
	return s->io.out_len == 0 ||
	    io_flush(&s->io, clock_ms() + LINGER_MS) != IO_OK;
}

bool
session_run(struct session *s, struct generation *lists)
{
	bool is_over = true;

	s->peer.lists = lists;
	if (greet_client(s, s->slot->held_count))
		serve(s);
	else
		is_over = turn_away(s);
	tls_free(s->tls);
	s->tls = NULL;
	deliver_close(&s->delivery);
	dns_end(s->dns);
	s->dns = NULL;
	free(s->env.rcpts);
	s->env.rcpts = NULL;
	s->slot->sessions++;
	s->slot->messages += s->messages;
	return is_over;
}
