/*
 * starttls = "STARTTLS" CRLF
 *
 * RFC 3207. What came before the handshake may have been said by anybody on
 * the way, so nothing of it is used behind it: neither octets that are here
 * already nor what they told us. What the connection tests found is of the
 * address, and stays.
 */
#include <string.h>

#include "worker/admit.h"
#include "worker/command.h"
#include "worker/log.h"
#include "worker/reply.h"
#include "worker/session.h"
#include "worker/settings.h"
#include "worker/tls.h"

#define HANDSHAKE_SECS 60 /* or command_secs, whichever is less */

static void
log_failure(const struct session *s, const char *text, int64_t begun_ms)
{
	struct logline l;

	session_log(s, &l, "tls");
	session_log_name(s, &l);
	log_text(&l, "helo", s->peer.helo);
	log_text(&l, "text", text);
	log_number(&l, "ms", clock_ms() - begun_ms);
	log_send(&l);
}

static void
forget(struct session *s)
{
	session_reset(s);
	s->peer.helo[0] = '\0';
	s->peer.esmtp = false;
	s->phase = s->set->require_helo ? PH_START : PH_HELLO;
	admit_learn(s, OF_HELO, "");
	admit_learn(s, OF_SENDER, "");
}

/* There is no way back into the clear: the session goes on in TLS or ends. */
static void
shake_hands(struct session *s)
{
	int secs = s->set->timeouts.command_secs;
	int64_t begun_ms = clock_ms(), deadline_ms;
	char why[128] = "timed out";

	deadline_ms = session_deadline(s,
	    secs < HANDSHAKE_SECS ? secs : HANDSHAKE_SECS);
	switch (tls_handshake(s->tls, &s->waiting, s->keys, deadline_ms, why,
	    sizeof(why))) {
	case TLS_DONE:
		io_use(&s->io, &tls_io, s->tls);
		forget(s);
		return;
	case TLS_HURRIED:
		session_end(s, "shutdown");
		break;
	case TLS_FAILED:
	case TLS_LATE:
		log_failure(s, why, begun_ms);
		session_end(s, "tls");
		break;
	}
	tls_free(s->tls);
	s->tls = NULL;
}

void
cmd_starttls(struct session *s, const char *arg, const char *end)
{
	(void)arg;
	(void)end;
	if (s->tls != NULL) {
		reply(s, 503, "5.5.1", "TLS is active already");
		return;
	}
	if (s->io.start < s->io.end) {
		log_failure(s, "octets behind STARTTLS, in the clear",
		    clock_ms());
		reply(s, 501, "5.5.1", "nothing may come behind STARTTLS");
		session_end(s, "tls");
		return;
	}
	if ((s->tls = tls_new(s->tls_context, s->io.fd)) == NULL) {
		reply(s, 454, "4.7.0", "no TLS now, try again later");
		return;
	}
	reply(s, 220, "2.0.0", "ready to start TLS");
	if (io_flush(&s->io,
		session_deadline(s, s->set->timeouts.command_secs)) == IO_OK) {
		shake_hands(s);
		return;
	}
	tls_free(s->tls);
	s->tls = NULL;
	session_end(s, "lost");
}
