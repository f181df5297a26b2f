/*
 * rcpt = "RCPT TO:" ( "<Postmaster>" / Forward-path ) [SP parameters] CRLF
 *
 * Parameters: NOTIFY and ORCPT (RFC 3461).
 *
 * The decision, in this order: syntax, destination, look-up, held refusal
 * unless the recipient is open, unknown or moved, route, next hop.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "worker/admit.h"
#include "worker/args.h"
#include "worker/command.h"
#include "worker/hop_client.h"
#include "worker/hops.h"
#include "worker/log.h"
#include "worker/path.h"
#include "worker/rate.h"
#include "worker/reply.h"
#include "worker/session.h"
#include "worker/settings.h"

/* One recipient under decision. */
struct rcpt {
	struct mailbox to;     /* as the client said it */
	struct mailbox target; /* where it goes: itself, or forwarded */
	struct finding found;
	struct route route;
	bool ours;		 /* at one of our domains */
	bool open;		 /* held refusals do not apply */
	char params[PARAMS_MAX]; /* for a hop that has DSN */
};

/* What goes wrong on our side: 451 and a word for the administrator. */
static void
no_route(struct session *s, const struct mailbox *to, const char *why)
{
	struct logline l;

	session_log(s, &l, "hop");
	l.level = LOG_BAD;
	log_format(&l, "to", "<%s>", to->text);
	log_text(&l, "text", why);
	log_send(&l);
	reply_refuse_as(s, "route", "no-route", 451, "4.3.5",
	    "no route for this recipient now, try again later", to->text);
}

/* Bare <postmaster>: the setting's address, or that at the first domain. */
static bool
postmaster(struct session *s, struct mailbox *to)
{
	char text[MAILBOX_TEXT_MAX];
	struct list_info info = { .first = "" };

	strlcpy(text, s->set->postmaster, sizeof(text));
	if (text[0] == '\0' && s->peer.lists != NULL) {
		generation_info(s->peer.lists, LIST_DOMAINS, &info);
		snprintf(text, sizeof(text), "postmaster@%s", info.first);
	}
	if (mailbox_from_text(text, to) == -1) {
		strlcpy(to->text, "postmaster", sizeof(to->text));
		return false;
	}
	to->postmaster = true;
	return true;
}

static int
take_notify(struct session *s, void *arg, const struct param *par)
{
	struct rcpt *r = arg;

	if (dsn_notify(par->value, par->value_len) &&
	    param_add(r->params, sizeof(r->params), par))
		return 0;
	reply(s, 501, "5.5.4",
	    "NOTIFY is NEVER, or some of SUCCESS, FAILURE and DELAY");
	return -1;
}

static int
take_orcpt(struct session *s, void *arg, const struct param *par)
{
	struct rcpt *r = arg;

	if (dsn_orcpt(par->value, par->value_len) &&
	    (s->env.utf8 || utf8_is_ascii(par->value, par->value_len)) &&
	    param_add(r->params, sizeof(r->params), par))
		return 0;
	reply(s, 501, "5.5.4",
	    "ORCPT takes a type, a semicolon and an address in xtext");
	return -1;
}

static const struct param_row params[] = {
	{ "NOTIFY", HOP_DSN, take_notify },
	{ "ORCPT", HOP_DSN, take_orcpt },
};

/* Syntax. False: it was refused. */
static bool
parse(struct session *s, const char *arg, const char *end, struct rcpt *r)
{
	const char *wrong, *status;

	if (end - arg < 3 || strncasecmp(arg, "TO:", 3) != 0) {
		reply(s, 501, "5.5.4", "say RCPT TO:<address>");
		return false;
	}
	arg += 3;
	wrong = path_parse(&arg, end, PATH_RECIPIENT, &r->to, &status);
	if (wrong != NULL) {
		reply(s, 501, status, "%s", wrong);
		return false;
	}
	if (params_take(s, r, arg, end, params,
		sizeof(params) / sizeof(params[0])) == -1 ||
	    !address_is_allowed(s, &r->to))
		return false;
	if (r->to.postmaster && !postmaster(s, &r->to)) {
		no_route(s, &r->to, "no address for <postmaster>");
		return false;
	}
	return true;
}

/* Where it may go at all. The bare <postmaster> is ours by definition. */
static bool
destination(struct session *s, struct rcpt *r)
{
	struct reason why;
	enum verdict v;

	memset(&why, 0, sizeof(why));
	v = check_destination(&s->peer, s->set, &r->to, &why);
	if (v != V_NEXT && s->found[CHECK_RELAY].found == V_PENDING) {
		admit_settle(s, true);
		v = check_destination(&s->peer, s->set, &r->to, &why);
	}
	switch (v) {
	case V_NEXT:
		r->ours = true;
		return true;
	case V_RELAY:
		return true;
	default:
		if (r->to.postmaster && s->peer.lists != NULL) {
			r->ours = true;
			return true;
		}
		reply_refuse(s, "destination", &why, r->to.text);
		return false;
	}
}

/* The refusal of the connection tests that waited for a recipient. */
static void
refuse_held(struct session *s, const struct rcpt *r)
{
	struct reason why = s->held->why;

	if (s->held->verdict == V_DROP) {
		reply_unspoken(s, check_name(s->held->test), "reply", "drop",
		    &why, r->to.text);
		session_end(s, "dropped");
		return;
	}
	admit_word(s, &why);
	why.reply = s->held->verdict == V_REJECT ? 550 : 450;
	reply_refuse(s, check_name(s->held->test), &why, r->to.text);
}

static void
refuse_moved(struct session *s, const struct rcpt *r)
{
	char text[MAILBOX_TEXT_MAX + 64];
	struct reason why = r->found.why;

	why.reply = s->set->moved_code;
	snprintf(text, sizeof(text), "%.100s now <%s>",
	    why.text != NULL ? why.text : "the recipient has moved,",
	    why.entry.argument);
	why.text = text;
	reply_refuse(s, check_name(TEST_RECIPIENT), &why, r->to.text);
}

/* Look-up and held refusal. False: it was refused. */
static bool
look_up(struct session *s, struct rcpt *r)
{
	struct finding *f = &r->found;

	if (r->ours)
		check_rcpt(&s->peer, s->set, &r->to, f);
	r->open = f->verdict == V_ALLOW ||
	    (r->ours && recipient_always_open(s->set, &r->to));
	if (f->found != f->verdict && f->found != V_ALLOW)
		reply_unspoken(s, check_name(f->test), "would",
		    verdict_name(f->found), &f->why, r->to.text);
	if (s->held != NULL && !r->open) {
		refuse_held(s, r);
		return false;
	}
	if (f->verdict == V_MOVED)
		refuse_moved(s, r);
	else if (verdict_refuses(f->verdict))
		reply_refuse(s, check_name(f->test), &f->why, r->to.text);
	if (verdict_refuses(f->verdict))
		return false;
	r->target = r->to;
	if (f->verdict == V_FORWARD &&
	    mailbox_from_text(f->why.entry.argument, &r->target) == -1) {
		no_route(s, &r->to, "the address to forward to is malformed");
		return false;
	}
	return true;
}

/* Its next hop must be the one of the transaction. False: refused. */
static bool
route(struct session *s, struct rcpt *r)
{
	if (route_find(s->peer.lists, &r->target, s->peer.now, &r->route) !=
	    LIST_FOUND) {
		no_route(s, &r->target, r->route.trouble);
		return false;
	}
	if (s->env.nrcpts == 0) {
		if (hop_wants_local(s->set))
			session_learn_local(s);
		deliver_begin(&s->delivery, &r->route);
	} else if (!deliver_same(&s->delivery, &r->route)) {
		reply_refuse_as(s, "route", "split", 452, "4.5.3",
		    "another next hop: send this recipient separately",
		    r->to.text);
		return false;
	}
	return true;
}

/* 0, or -1 when there is no memory. */
static int
remember(struct envelope *env, const char *text, const char *more)
{
	size_t len = strlen(text) + 1, rest = strlen(more) + 1;
	size_t room = env->rcpts_room;
	char *p;

	while (env->rcpts_len + len + rest > room)
		room = room == 0 ? 1024 : room * 2;
	if (room != env->rcpts_room) {
		if ((p = realloc(env->rcpts, room)) == NULL)
			return -1;
		env->rcpts = p;
		env->rcpts_room = room;
	}
	memcpy(env->rcpts + env->rcpts_len, text, len);
	memcpy(env->rcpts + env->rcpts_len + len, more, rest);
	env->rcpts_len += len + rest;
	env->nrcpts++;
	return 0;
}

/* The next hop's word, and ours. */
static void
ask_next_hop(struct session *s, struct rcpt *r)
{
	struct hop_answer answer;

	s->delivery.ops->recipient(&s->delivery, &r->route, r->target.text,
	    r->params, &answer);
	if (answer.result != HOP_OK) {
		reply_hop(s, &answer, r->to.text);
		return;
	}
	if (remember(&s->env, r->target.text, r->params) == -1) {
		/* The next hop has it; its transaction must not go on. */
		session_reset(s);
		reply(s, 451, "4.3.0", "out of memory, try again later");
		return;
	}
	s->phase = PH_RCPT;
	if (r->found.verdict == V_FORWARD)
		reply(s, s->set->forward_code, "2.1.5",
		    "not here; it will be forwarded to <%s>", r->target.text);
	else
		reply(s, 250, "2.1.5", "recipient ok");
}

void
cmd_rcpt(struct session *s, const char *arg, const char *end)
{
	struct rcpt r;
	int errors = s->errors;

	memset(&r, 0, sizeof(r));
	admit_settle(s, false);
	if (s->env.nrcpts >= s->set->limits.recipients) {
		reply_refuse_as(s, "limits", "recipients", 452, "4.5.3",
		    "too many recipients in this transaction", NULL);
		return;
	}
	if (parse(s, arg, end, &r) && !rate_refuses_rcpt(s, r.to.text) &&
	    destination(s, &r) && look_up(s, &r) && route(s, &r))
		ask_next_hop(s, &r);
	if (s->errors > errors)
		rate_count(s, RATE_REFUSED);
}
