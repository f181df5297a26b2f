/*
 * ehlo = "EHLO" SP ( Domain / address-literal ) CRLF
 * helo = "HELO" SP Domain CRLF
 *
 * The name is taken as it comes (whether it is true is the helo test's
 * business); only what could not stand in a header or a log is refused.
 */
#include <ctype.h>
#include <string.h>

#include "worker/admit.h"
#include "worker/command.h"
#include "worker/hops.h"
#include "worker/reply.h"
#include "worker/session.h"
#include "worker/settings.h"

/* Take the name; false: it was refused. */
static bool
take_name(struct session *s, const char *arg, const char *end)
{
	size_t len = (size_t)(end - arg);

	if (len == 0 || len >= sizeof(s->peer.helo) ||
	    memchr(arg, ' ', len) != NULL) {
		reply(s, 501, "5.5.4", "one name or address literal is needed");
		return false;
	}
	session_reset(s);
	memcpy(s->peer.helo, arg, len);
	s->peer.helo[len] = '\0';
	if (arg[0] == '[' || isdigit((unsigned char)arg[0]))
		session_learn_local(s);
	s->phase = PH_HELLO;
	admit_learn(s, OF_HELO, s->peer.helo);
	return true;
}

/* The extensions that all next hops have. */
static unsigned
offers(const struct session *s)
{
	struct list_info info;

	if (s->peer.lists == NULL)
		return 0;
	generation_info(s->peer.lists, LIST_ROUTES, &info);
	return hops_common(s->clients, s->state, info.hops);
}

void
cmd_helo(struct session *s, const char *arg, const char *end)
{
	if (!take_name(s, arg, end))
		return;
	s->peer.esmtp = false;
	s->offered = 0;
	reply(s, 250, NULL, "%s", s->set->hostname);
}

void
cmd_ehlo(struct session *s, const char *arg, const char *end)
{
	if (!take_name(s, arg, end))
		return;
	s->peer.esmtp = true;
	s->offered = offers(s);
	reply_part(s, 250, 1, "%s", s->set->hostname);
	reply_part(s, 250, 1, "PIPELINING");
	reply_part(s, 250, 1, "SIZE %lld",
	    (long long)s->set->limits.message_bytes);
	reply_part(s, 250, 1, "8BITMIME");
	reply_part(s, 250, 1, "CHUNKING");
	if (s->offered & HOP_UTF8)
		reply_part(s, 250, 1, "SMTPUTF8");
	if (s->offered & HOP_DSN)
		reply_part(s, 250, 1, "DSN");
	reply_part(s, 250, 1, "LIMITS RCPTMAX=%d", s->set->limits.recipients);
	if (s->tls_level != TLS_OFF && s->tls == NULL)
		reply_part(s, 250, 1, "STARTTLS");
	reply_part(s, 250, 0, "ENHANCEDSTATUSCODES");
}
