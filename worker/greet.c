/*
 * The greeting: who gets one, and who is refused in its place.
 */
#include <stdio.h>
#include <string.h>

#include "worker/admit.h"
#include "worker/clients.h"
#include "worker/greet.h"
#include "worker/log.h"
#include "worker/rate.h"
#include "worker/reply.h"
#include "worker/session.h"
#include "worker/settings.h"

/* ----------------------------------------------------------- being refused */

/* The greeting says no. */
static void
refuse(struct session *s, const struct finding *f)
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
	s->may_quit = why.reply == 554;
}

/* ------------------------------------------------------------ the greeting */

static bool
too_many_sessions(const struct session *s, unsigned held)
{
	int limit = s->set->limits.per_client;
	int share = clients_share(s->set->workers.max);

	if (limit > share)
		limit = share;
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
	char rules[LOG_VALUE_MAX], via[ADDR_TEXT_MAX];
	const struct reason *why;
	size_t n = 0;
	int i;

	rules[0] = '\0';
	for (i = 0; i < CHECK_COUNT; i++) {
		why = &s->found[i].why;
		if (why->has_entry && n < sizeof(rules))
			n += (size_t)snprintf(rules + n, sizeof(rules) - n,
			    "%s%s:%s:%u", n > 0 ? "," : "",
			    list_name(why->entry.list), why->entry.file,
			    why->entry.line);
	}
	session_log(s, &l, "connect");
	log_number(&l, "port", s->peer.port);
	if (s->via.family != 0)
		log_text(&l, "via", addr_format(&s->via, via));
	log_text(&l, "rule", rules);
	log_send(&l);
}

/*
 * Does the client speak before it is spoken to? A client that may relay is not
 * kept waiting, nor one that is refused anyway.
 */
static void
listen_first(struct session *s)
{
	int64_t until;

	if (s->set->tests[TEST_EARLY_TALKER].mode == MODE_OFF ||
	    s->peer.relay || s->peer.banned)
		return;
	until = clock_ms() +
	    (session_is_pressed(s) ? 0 : s->set->greet_pause_ms);
	if (until > s->deadline_ms)
		until = s->deadline_ms;
	/* What came with the header of a proxy is in hand already. */
	s->peer.early = s->io.start < s->io.end ||
	    io_fill(&s->io, until) == IO_OK;
	s->peer.listened = true;
}

/* May the client be greeted? Else it was refused. */
static bool
is_welcome(struct session *s, unsigned held)
{
	const struct finding *refusal;

	admit_begin(s);
	if (!too_many_sessions(s, held))
		listen_first(s);
	if ((refusal = admit_greeting(s)) != NULL) {
		admit_log_would(s);
		refuse(s, refusal);
		return false;
	}
	if (too_many_sessions(s, held)) {
		reply_refuse_as(s, "limits", "per-client", 421, "4.7.0",
		    "too many sessions from your address", NULL);
		return false;
	}
	return !rate_refuses(s, RATE_CONNECTIONS);
}

bool
greet_client(struct session *s, unsigned held)
{
	/* A proxy that looks whether we are there is no client. */
	if (!s->quiet) {
		if (!is_welcome(s, held))
			return false;
		log_connect(s);
	}
	reply(s, 220, NULL, "%s ESMTP", s->set->hostname);
	return true;
}
