/*
 * The commands that change little: RSET, NOOP, VRFY, EXPN, HELP, QUIT.
 */
#include "worker/command.h"
#include "worker/reply.h"
#include "worker/session.h"
#include "worker/settings.h"

void
cmd_rset(struct session *s, const char *arg, const char *end)
{
	(void)arg;
	(void)end;
	session_reset(s);
	reply(s, 250, "2.0.0", "ok");
}

void
cmd_noop(struct session *s, const char *arg, const char *end)
{
	(void)arg;
	(void)end;
	reply(s, 250, "2.0.0", "ok");
}

/* RFC 5321, section 7.3: nobody is told here who exists; RCPT decides. */
void
cmd_vrfy(struct session *s, const char *arg, const char *end)
{
	if (arg == end)
		reply(s, 501, "5.5.4", "VRFY takes an address");
	else
		reply(s, 252, "2.1.5", "send some mail, RCPT will tell");
}

void
cmd_expn(struct session *s, const char *arg, const char *end)
{
	if (arg == end)
		reply(s, 501, "5.5.4", "EXPN takes the name of a list");
	else
		reply(s, 502, "5.7.2", "lists are not expanded here");
}

void
cmd_help(struct session *s, const char *arg, const char *end)
{
	(void)arg;
	(void)end;
	if (s->tls_level != TLS_OFF)
		reply(s, 214, "2.0.0",
		    "EHLO HELO STARTTLS MAIL RCPT DATA BDAT RSET NOOP VRFY "
		    "EXPN HELP QUIT");
	else
		reply(s, 214, "2.0.0",
		    "EHLO HELO MAIL RCPT DATA BDAT RSET NOOP VRFY EXPN HELP "
		    "QUIT");
}

void
cmd_quit(struct session *s, const char *arg, const char *end)
{
	(void)arg;
	(void)end;
	reply(s, 221, "2.0.0", "%s closing connection", s->set->hostname);
	session_end(s, "quit");
}
