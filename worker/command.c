/*
 * The verbs (RFC 5321, section 4.1.1) as one table: when each may come is
 * data, so that no handler asks again.
 */
#include <string.h>
#include <strings.h>

#include "worker/command.h"
#include "worker/foreign.h"
#include "worker/hops.h"
#include "worker/reply.h"
#include "worker/session.h"

static const struct command {
	const char *verb;
	unsigned phases; /* in which it may come */
	bool counts;	 /* has no effect by itself: limits.idle_commands */
	bool has_arg;
	bool is_clear; /* may come before TLS where that is required */
	void (*run)(struct session *, const char *, const char *);
} commands[] = {
	{ "MAIL", PH_HELLO, false, true, false, cmd_mail },
	{ "RCPT", PH_MAIL | PH_RCPT, false, true, false, cmd_rcpt },
	{ "DATA", PH_RCPT, false, false, false, cmd_data },
	{ "BDAT", PH_RCPT | PH_BDAT, false, true, false, cmd_bdat },
	{ "EHLO", PH_ANY, true, true, true, cmd_ehlo },
	{ "HELO", PH_ANY, true, true, true, cmd_helo },
	{ "STARTTLS", PH_ANY, true, false, true, cmd_starttls },
	{ "RSET", PH_ANY, true, false, false, cmd_rset },
	{ "NOOP", PH_ANY, true, true, true, cmd_noop },
	{ "QUIT", PH_ANY, false, false, true, cmd_quit },
	{ "VRFY", PH_ANY, true, true, false, cmd_vrfy },
	{ "EXPN", PH_ANY, true, true, false, cmd_expn },
	{ "HELP", PH_ANY, true, true, false, cmd_help },
};

/* RFC 3207, section 4: a listener may want TLS before anything else. */
static bool
wants_tls(const struct session *s, const struct command *c)
{
	return s->tls_level == TLS_REQUIRED && s->tls == NULL && !c->is_clear;
}

/* A command that may not come now: what should have come first. */
static void
out_of_turn(struct session *s, const struct command *c)
{
	if (wants_tls(s, c))
		reply(s, 530, "5.7.0", "say STARTTLS first");
	else if (s->phase == PH_START)
		reply(s, 503, "5.5.1", "say HELO or EHLO first");
	else if (s->phase == PH_BDAT)
		reply(s, 503, "5.5.1", "a message is coming in chunks");
	else if (c->phases == PH_HELLO)
		reply(s, 503, "5.5.1", "a transaction is open already");
	else if (s->phase == PH_MAIL)
		reply(s, 554, "5.5.1", "no valid recipients");
	else
		reply(s, 503, "5.5.1", "say MAIL first");
}

/* The row of the verb that ends at p, or NULL. */
static const struct command *
find(const char *line, size_t len)
{
	size_t i;

	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (len == strlen(commands[i].verb) &&
		    strncasecmp(line, commands[i].verb, len) == 0)
			return &commands[i];
	return NULL;
}

/* What EHLO does not offer is not there. */
static bool
is_there(const struct session *s, const struct command *c)
{
	return c->run != cmd_starttls || s->tls_level != TLS_OFF;
}

static bool
is_printable(const char *p, size_t len)
{
	for (; len > 0; p++, len--)
		if (*p < 0x20 || *p > 0x7e)
			return false;
	return true;
}

/*
 * A request of another protocol may carry lines for us further down, put there
 * by somebody whom its sender should not have trusted: no more is read.
 */
static bool
cut_off_foreign(struct session *s, const char *line, size_t len)
{
	const char *protocol = foreign_line(line, len);

	if (protocol == NULL)
		return false;
	reply_refuse_as(s, "protocol", protocol, 554, "5.5.1",
	    "this host speaks SMTP and nothing else", NULL);
	session_end(s, "other-protocol");
	return true;
}

bool
command_may_begin(struct session *s, char first)
{
	struct reason why = { .code = foreign_octet(first) };

	if (why.code == NULL)
		return true;
	reply_unspoken(s, "protocol", "reply", "drop", &why, NULL);
	session_end(s, "other-protocol");
	return false;
}

/* Where SMTPUTF8 was offered, MAIL and RCPT may hold UTF-8 (RFC 6531). */
static bool
is_readable(const struct session *s, const char *line, size_t len)
{
	if (is_printable(line, len))
		return true;
	return (s->offered & HOP_UTF8) != 0 && len > 5 &&
	    (strncasecmp(line, "MAIL ", 5) == 0 ||
		strncasecmp(line, "RCPT ", 5) == 0) &&
	    utf8_is_text(line, len);
}

void
command_run(struct session *s, const char *line, size_t len)
{
	const char *arg, *end = line + len, *verb_end;
	const struct command *c;

	if (cut_off_foreign(s, line, len))
		return;
	if (!is_readable(s, line, len)) {
		reply(s, 500, "5.5.2",
		    "the line holds control or 8-bit characters");
		if (len >= 4 && strncasecmp(line, "BDAT", 4) == 0)
			session_end(s, "chunk"); /* what follows is no line */
		return;
	}
	while (end > line && end[-1] == ' ')
		end--;
	verb_end = memchr(line, ' ', (size_t)(end - line));
	if (verb_end == NULL)
		verb_end = end;
	c = find(line, (size_t)(verb_end - line));
	if (c == NULL || !is_there(s, c)) {
		reply(s, 500, "5.5.2", "unknown command");
		return;
	}
	for (arg = verb_end; arg < end && *arg == ' ';)
		arg++;
	if (wants_tls(s, c) || (c->phases & s->phase) == 0) {
		if (c->run != cmd_bdat || bdat_skip(s, arg, end))
			out_of_turn(s, c);
		return;
	}
	if (!c->has_arg && arg < end) {
		reply(s, 501, "5.5.4", "%s takes no argument", c->verb);
		return;
	}
	if (c->counts)
		s->idle_commands++;
	c->run(s, arg, end);
}

void
command_too_long(struct session *s)
{
	if (cut_off_foreign(s, s->io.head, sizeof(s->io.head)))
		return;
	reply(s, 500, "5.5.2", "the line is too long");
}
