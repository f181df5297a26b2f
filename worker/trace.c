/*
 * The Received field: what the client is, as far as we know, and how its
 * message came. No octet of the client's stands in it that could be more than
 * a name.
 */
#include <ctype.h>
#include <string.h>
#include <time.h>

#include "worker/session.h"
#include "worker/settings.h"
#include "worker/text.h"
#include "worker/tls.h"
#include "worker/trace.h"

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

size_t
trace_field(const struct session *s, char buf[TRACE_MAX])
{
	char name[NAME_TEXT_MAX], date[64], to[MAILBOX_TEXT_MAX + 16] = "";
	char tls[96] = "";
	const char *known = rdns_confirmed(s->peer.rdns);
	struct tm tm;
	time_t now = time(NULL);
	struct text t;

	trace_name(name, s->peer.helo);
	if (known == NULL)
		known = s->named ? "unknown" : ""; /* not asked: not a word */
	gmtime_r(&now, &tm);
	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S +0000", &tm);
	if (s->env.nrcpts == 1)
		text_set(to, sizeof(to), "\r\n\tfor <%s>", s->env.rcpts);
	if (s->tls != NULL)
		text_set(tls, sizeof(tls), "\r\n\t(%s %s)", tls_version(s->tls),
		    tls_cipher(s->tls));
	text_start(&t, buf, TRACE_MAX);
	text_print(&t,
	    "Received: from %s (%s%s[%s%s])%s\r\n"
	    "\tby %s with %s id %s%s;\r\n"
	    "\t%s\r\n",
	    name, known, known[0] != '\0' ? " " : "",
	    s->peer.addr.family == 6 ? "IPv6:" : "", s->peer.addr_text, tls,
	    s->set->hostname, with(s), s->ref, to, date);
	return (size_t)(t.at - buf);
}
