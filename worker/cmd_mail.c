/*
 * mail = "MAIL FROM:" Reverse-path [SP Mail-parameters] CRLF
 *
 * Parameters: SIZE=n (RFC 1870), BODY=7BIT or 8BITMIME (RFC 6152), RET and
 * ENVID (RFC 3461), SMTPUTF8 (RFC 6531).
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "worker/admit.h"
#include "worker/args.h"
#include "worker/command.h"
#include "worker/hops.h"
#include "worker/path.h"
#include "worker/reply.h"
#include "worker/session.h"
#include "worker/settings.h"
#include "worker/text.h"

/* 0, or -1 after it has replied. */
static int
take_size(struct session *s, void *arg, const struct param *par)
{
	char digits[24];
	const char *errstr;
	size_t i;

	(void)arg;
	if (par->value_len == 0 || par->value_len > 20)
		goto bad;
	for (i = 0; i < par->value_len; i++)
		if (par->value[i] < '0' || par->value[i] > '9')
			goto bad;
	memcpy(digits, par->value, par->value_len);
	digits[par->value_len] = '\0';
	s->env.size = strtonum(digits, 0, s->set->limits.message_bytes,
	    &errstr);
	if (errstr == NULL)
		return 0;
	reply_refuse_as(s, "limits", "size", 552, "5.3.4",
	    "the message is larger than this host takes", NULL);
	return -1;
bad:
	reply(s, 501, "5.5.4", "SIZE takes a number of up to 20 digits");
	return -1;
}

static int
take_body(struct session *s, void *arg, const struct param *par)
{
	static const struct {
		const char *name;
		bool eight_bit;
	} bodies[] = { { "7BIT", false }, { "8BITMIME", true } };

	size_t i;

	(void)arg;
	for (i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		if (par->value_len == strlen(bodies[i].name) &&
		    strncasecmp(par->value, bodies[i].name, par->value_len) ==
			0) {
			s->env.eight_bit = bodies[i].eight_bit;
			return 0;
		}
	}
	reply(s, 501, "5.5.4", "BODY is 7BIT or 8BITMIME");
	return -1;
}

/* RET and ENVID are checked, kept as they are said, and passed on so. */
static int
take_ret(struct session *s, void *arg, const struct param *par)
{
	(void)arg;
	if (dsn_ret(par->value, par->value_len) &&
	    param_add(s->env.params, sizeof(s->env.params), par))
		return 0;
	reply(s, 501, "5.5.4", "RET is FULL or HDRS");
	return -1;
}

static int
take_envid(struct session *s, void *arg, const struct param *par)
{
	(void)arg;
	if (dsn_envid(par->value, par->value_len) &&
	    param_add(s->env.params, sizeof(s->env.params), par))
		return 0;
	reply(s, 501, "5.5.4", "ENVID takes xtext of up to 100 characters");
	return -1;
}

static int
take_utf8(struct session *s, void *arg, const struct param *par)
{
	(void)arg;
	if (par->value == NULL) {
		s->env.utf8 = true;
		return 0;
	}
	reply(s, 501, "5.5.4", "SMTPUTF8 takes no value");
	return -1;
}

static const struct param_row params[] = {
	{ "SIZE", 0, take_size },
	{ "BODY", 0, take_body },
	{ "RET", HOP_DSN, take_ret },
	{ "ENVID", HOP_DSN, take_envid },
	{ "SMTPUTF8", HOP_UTF8, take_utf8 },
};

void
cmd_mail(struct session *s, const char *arg, const char *end)
{
	struct mailbox sender;
	const char *wrong, *status;

	if (end - arg < 5 || strncasecmp(arg, "FROM:", 5) != 0) {
		reply(s, 501, "5.5.4", "say MAIL FROM:<address>");
		return;
	}
	arg += 5;
	session_reset(s);
	if (s->quiet) {
		reply_refuse_as(s, "proxy", "proxy-local", 550, "5.7.1",
		    "the proxy names no client, and mail needs one", NULL);
		return;
	}
	wrong = path_parse(&arg, end, PATH_SENDER, &sender, &status);
	if (wrong != NULL) {
		reply(s, 501, status, "%s", wrong);
		return;
	}
	if (params_take(s, NULL, arg, end, params,
		sizeof(params) / sizeof(params[0])) == -1 ||
	    !address_is_allowed(s, &sender)) {
		session_reset(s);
		return;
	}
	s->peer.sender = sender;
	s->env.sender = s->peer.sender.text;
	s->phase = PH_MAIL;
	admit_learn(s, OF_SENDER, s->peer.sender.domain);
	text_set(s->ref, sizeof(s->ref), "%s.%u", s->id, ++s->transactions);
	reply(s, 250, "2.1.0", "sender ok");
}
