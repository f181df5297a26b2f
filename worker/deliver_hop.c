/*
 * The transaction with a next hop. A message is begun only when it is
 * complete.
 */
#include <string.h>

#include "worker/deliver_hop.h"
#include "worker/hop_client.h"
#include "worker/hop_rules.h"
#include "worker/hop_share.h"
#include "worker/hops.h"
#include "worker/log.h"
#include "worker/settings.h"
#include "worker/text.h"
#include "worker/wait.h"

#define MESSAGE_MS 300000 /* at least, from DATA to the dot */
#define PLACES_MS  180000 /* for all places of a route together */

/* ------------------------------------------------------------- its answers */

/*
 * Is it about us? 421, what was wrong with a command of ours, that we are to
 * speak TLS or to log in (RFC 3207, RFC 4954), or something out of place.
 */
static bool
is_our_trouble(int code)
{
	static const int ours[] = { 421, 500, 501, 502, 503, 504, 530, 534, 535,
		538 };

	size_t i;

	for (i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (code == ours[i])
			return true;
	return code / 100 == 3;
}

void
hop_judge(const struct hop_reply *r, struct hop_answer *a, const char *what)
{
	if (r->code / 100 == 2) {
		answer_is(a, HOP_OK, 250, "2.0.0", r->text);
	} else if (is_our_trouble(r->code)) {
		answer_trouble(a, "%s: %d %s", what, r->code, r->text);
	} else {
		answer_is(a, HOP_REFUSED, r->code,
		    r->code < 500 ? "4.0.0" : "5.0.0",
		    r->text[0] != '\0' ? r->text : "refused by the next hop");
	}
	if (r->status[0] != '\0' && a->result != HOP_TROUBLE)
		strlcpy(a->status, r->status, sizeof(a->status));
	a->hop_code = r->code;
}

void
hop_count_refusal(struct hop *h)
{
	h->refusals++;
	h->reset_due |= h->chunked;
}

const char *
hop_end_name(const struct hop *h)
{
	return h->chunked ? "BDAT" : "end of data";
}

void
hop_pass_on(struct hop *h, struct hop_answer *a, const char *what)
{
	const struct hop_reply *r = &h->reply;

	hop_judge(r, a, what);
	if (r->code >= 400)
		hop_count_refusal(h);
	if (r->code == 421 || r->code / 100 == 3 ||
	    (h->chunked && a->result == HOP_TROUBLE))
		hop_lose(h, "%s: %d %s", what, r->code, r->text);
}

void
hop_answer_lost(const struct hop *h, struct hop_answer *a)
{
	answer_trouble(a, "%s", h->why);
	if (!h->tls_failed)
		return;
	answer_is(a, HOP_TROUBLE, 451, "4.7.5",
	    "the next hop is not available in TLS now, try again later");
	strlcpy(a->log, h->why, sizeof(a->log));
}

/* The next hop's word on a MAIL or RCPT that was said. True: it said yes. */
static bool
hear(struct hop *h, const char *what, struct hop_answer *a)
{
	if (hop_read(h, HOP_COMMAND_MS, NULL) == -1) {
		hop_answer_lost(h, a);
		return false;
	}
	hop_pass_on(h, a, what);
	return a->result == HOP_OK;
}

/* A hop that refuses a command of our own is of no use; the client is not told
 * what it said. */
static bool
hear_own(struct hop *h, const char *what, struct hop_answer *a)
{
	if (hear(h, what, a))
		return true;
	hop_lose(h, "%s: %d %s", what, h->reply.code, h->reply.text);
	hop_answer_lost(h, a);
	return false;
}

static bool
hear_forwarded(struct hop *h, struct hop_answer *a)
{
	for (; h->forwarded > 0; h->forwarded--)
		if (!hear_own(h, "XFORWARD", a))
			return false;
	return true;
}

/* ------------------------------------------------------- what it cannot do */

/* For good, unless another place of the route may come back and can. */
static void
refuse_here(const struct hop *h, struct hop_answer *a, int code,
    const char *status, const char *text)
{
	if (h->passed_over)
		answer_trouble(a, "%s, and another one is away", text);
	else
		answer_is(a, HOP_REFUSED, code, status, text);
}

/* Does this hop not know this kind of message? */
static bool
lacks_keyword(const struct delivery *d, const struct hop *h,
    struct hop_answer *a)
{
	if (d->env->utf8 && !(h->keywords & HOP_UTF8)) {
		refuse_here(h, a, 550, "5.6.7",
		    "the next hop does not take international mail");
		return true;
	}
	if (d->env->eight_bit && !(h->keywords & HOP_8BIT)) {
		refuse_here(h, a, 550, "5.6.3",
		    "the next hop does not take 8-bit messages");
		return true;
	}
	return false;
}

/* What this hop is known not to be able to take. */
static bool
lacks(const struct delivery *d, const struct hop *h, struct hop_answer *a)
{
	if (lacks_keyword(d, h, a))
		return true;
	if (h->size > 0 && d->env->size > h->size) {
		refuse_here(h, a, 552, "5.3.4",
		    "the message is larger than the next hop takes");
		return true;
	}
	return false;
}

/* ------------------------------------------------------------ MAIL and RCPT */

static void
say_mail(struct delivery *d, struct hop *h)
{
	char size[40] = "";

	if ((h->keywords & HOP_SIZE) && d->env->size > 0)
		text_set(size, sizeof(size), " SIZE=%lld",
		    (long long)d->env->size);
	hop_command(h, "MAIL FROM:<%s>%s%s%s%s", d->env->sender, size,
	    (h->keywords & HOP_8BIT) && d->env->eight_bit ? " BODY=8BITMIME" :
							    "",
	    d->env->utf8 ? " SMTPUTF8" : "",
	    h->keywords & HOP_DSN ? d->env->params : "");
}

/*
 * Say MAIL, behind the RSET that may be due. With PIPELINING nothing is waited
 * for; else the answers are heard at once. False: the hop said no.
 */
static bool
open_transaction(struct delivery *d, struct hop *h, struct hop_answer *a)
{
	bool pipelining = h->keywords & HOP_PIPELINING;

	if (h->reset_due)
		hop_command(h, "RSET");
	if (h->reset_due && !pipelining && !hear_own(h, "RSET", a))
		return false;
	h->forwarded = hop_say_xforward(h);
	if (!pipelining && !hear_forwarded(h, a))
		return false;
	say_mail(d, h);
	return pipelining || hear(h, "MAIL", a);
}

/* With PIPELINING: the answers to what open_transaction said. */
static bool
transaction_is_open(struct hop *h, struct hop_answer *a)
{
	if (!(h->keywords & HOP_PIPELINING))
		return true;
	if (h->reset_due && !hear_own(h, "RSET", a))
		return false;
	return hear_forwarded(h, a) && hear(h, "MAIL", a);
}

static void
say_rcpt(struct hop *h, const char *rcpt, const char *params)
{
	hop_command(h, "RCPT TO:<%s>%s", rcpt,
	    h->keywords & HOP_DSN ? params : "");
}

/*
 * Say MAIL, if it was not said yet, and RCPT for rcpt, in one write where the
 * hop takes that. A hop that refuses MAIL refuses the recipient.
 */
static bool
mail_and_rcpt(struct delivery *d, struct hop *h, const char *rcpt,
    const char *params, struct hop_answer *a)
{
	struct hop_answer ignored;

	if (h->mail_sent) {
		say_rcpt(h, rcpt, params);
	} else {
		if (!open_transaction(d, h, a))
			return false;
		say_rcpt(h, rcpt, params);
		h->mail_sent = transaction_is_open(h, a);
		h->reset_due = false;
	}
	if (!hear(h, "RCPT", h->mail_sent ? a : &ignored) || !h->mail_sent)
		return false;
	h->nsent++;
	return true;
}

/* -------------------------------------------------------------- the way there */

/* A next hop that was passed over, for the log. */
static void
log_failure(const struct delivery *d, const struct hop *h)
{
	struct logline l;

	log_start(&l, LOG_ODD, "hop");
	log_text(&l, "ref", d->ref);
	deliver_log(d, &l);
	log_text(&l, "text", h->why);
	log_send(&l);
}

static void
open_at(struct hop *h, const struct place *at)
{
	if (h->failed)
		hop_close(h);
	h->fresh = true;
	hop_open(h, at);
}

/*
 * Try the places in turn that are in this state of health. True: one has
 * answered.
 */
static bool
try_places(struct delivery *d, struct hop *h, const struct places *to,
    const enum hop_health health[PLACES_MAX], enum hop_health which)
{
	size_t i;

	for (i = 0; i < to->n; i++) {
		if (health[i] != which)
			continue;
		if (h->failed)
			log_failure(d, h);
		open_at(h, &to->item[i]);
		if (!h->failed)
			return true;
	}
	return false;
}

/*
 * How is that place, and what it has its name of? What visits have seen counts
 * as long as there are any.
 */
static enum hop_health
health_of(const struct delivery *d, const struct place *at)
{
	bool visited = hop_rules(d->set, at)->probe_secs > 0;
	const struct state *seen = visited ? d->shared : NULL;
	enum hop_health health = hop_health(d->clients, seen, at->text);
	char key[HOP_TEXT_MAX];

	where_key(key, at);
	if (health == HOP_ALIVE && hops_seen_down(seen, key))
		return HOP_AWAY;
	return health;
}

/* Is there a place that would have come before this one, but for its health? */
static bool
others_are_away(const struct places *to, const struct place *at,
    const enum hop_health health[PLACES_MAX])
{
	bool tried = true; /* those before it were, in vain */
	size_t i;

	for (i = 0; i < to->n; i++)
		if (strcmp(to->item[i].text, at->text) == 0)
			tried = false;
		else if (tried || health[i] != HOP_ALIVE)
			return true;
	return false;
}

/*
 * Open a connection: to the place that took the recipients before, or else to
 * the first of the route's that answers. One that was dead comes last; one
 * that keeps its clients waiting is not tried for a while.
 */
static void
connect_to_any(struct delivery *d, struct hop *h)
{
	enum hop_health health[PLACES_MAX];
	struct place again = h->at;
	int64_t until_ms = h->until_ms;
	struct places to;
	size_t i;

	if (d->env->nrcpts > 0) {
		open_at(h, &again);
		return;
	}
	memset(&h->at, 0, sizeof(h->at)); /* for the log: nowhere yet */
	strlcpy(h->route, d->route.text, sizeof(h->route));
	if (where_find(&to, &d->route, &d->where, h->why, sizeof(h->why)) ==
	    -1) {
		h->failed = true;
		return;
	}
	/* The client waits, and has patience for 5 minutes (RFC 5321). */
	h->until_ms = hop_patience(h, PLACES_MS);
	for (i = 0; i < to.n; i++)
		health[i] = health_of(d, &to.item[i]);
	if (!try_places(d, h, &to, health, HOP_ALIVE) &&
	    !try_places(d, h, &to, health, HOP_AWAY) && !h->failed)
		hop_lose(h, "it timed out before, and is left alone a while");
	h->until_ms = until_ms;
	h->passed_over = others_are_away(&to, &h->at, health);
	if (!h->failed)
		where_note(&to, &h->at, d->clients);
}

/* Say again what was accepted before on another connection. */
static bool
replay(struct delivery *d, struct hop *h, struct hop_answer *a)
{
	const char *rcpt = d->env->rcpts;
	int i;

	for (i = 0; i < d->env->nrcpts; i++, rcpt = rcpt_next(rcpt)) {
		if (i < h->nsent)
			continue;
		if (mail_and_rcpt(d, h, rcpt, rcpt_params(rcpt), a))
			continue;
		if (a->result == HOP_REFUSED)
			answer_trouble(a, "said again, refused: %d %s",
			    a->hop_code, a->text);
		return false;
	}
	return true;
}

/*
 * Bring the hop to where it has accepted the recipients of the envelope. One
 * that refuses now what was accepted before is trouble for all.
 */
static bool
catch_up(struct delivery *d, struct hop *h, struct hop_answer *a)
{
	if (h->open && strcmp(h->route, d->route.text) != 0)
		hop_quit(h); /* kept, and it leads elsewhere */
	if (!h->open) {
		connect_to_any(d, h);
		if (h->failed) {
			hop_answer_lost(h, a);
			return false;
		}
	}
	if (d->env->nrcpts > 0 && !h->mail_sent && lacks_keyword(d, h, a)) {
		answer_trouble(a, "back again, it lacks what it had");
		return false;
	}
	if (!h->fresh)
		hop_expect_silence(h);
	return replay(d, h, a);
}

/* May it be tried once more, on a new connection? */
static bool
try_again(struct hop *h, int attempt)
{
	bool was_fresh = h->fresh;

	if (!h->failed)
		return false;
	hop_close(h);
	return attempt == 0 && !was_fresh && !wait_hurried();
}

/* The worker's connection, in this session's service. */
static struct hop *
begin(struct delivery *d, int64_t until_ms)
{
	struct hop *h = d->hop;

	h->waiting = d->waiting;
	h->set = d->set;
	h->clients = d->clients;
	h->slot = d->slot;
	h->peer = d->peer;
	h->ref = d->ref;
	h->until_ms = until_ms;
	h->fresh = h->is_silent = false;
	h->kept_ms = INT64_MAX; /* it is in use */
	if (h->open)
		wait_set(h->waiting, WAIT_HOP, h->fd);
	return h;
}

/* -------------------------------------------------------- the ops in common */

void
hop_recipient(struct delivery *d, const struct route *route, const char *rcpt,
    const char *params, struct hop_answer *a)
{
	struct hop *h = begin(d, d->deadline_ms);
	int attempt = 0;

	(void)route; /* the same next hop as the first recipient's */
	do {
		if (catch_up(d, h, a) && !lacks(d, h, a))
			mail_and_rcpt(d, h, rcpt, params, a);
	} while (try_again(h, attempt++));
}

static void
say_data(struct hop *h, struct hop_answer *a)
{
	hop_command(h, "DATA");
	if (hop_read(h, HOP_COMMAND_MS, NULL) == -1) {
		hop_answer_lost(h, a);
	} else if ((h->in_data = h->reply.code == 354)) {
		answer_is(a, HOP_OK, 250, "2.0.0", "");
	} else if (h->reply.code / 100 != 2) {
		hop_pass_on(h, a, "DATA");
	} else {
		hop_lose(h, "DATA: %d", h->reply.code);
		hop_answer_lost(h, a);
	}
}

/* It stays with us until the message comes, and nothing is waited for. */
static void
say_chunk(struct hop *h, int64_t len, struct hop_answer *a)
{
	hop_command(h, "BDAT %lld LAST", (long long)len);
	if (h->failed) {
		hop_answer_lost(h, a);
		return;
	}
	h->in_data = h->chunked = true;
	h->chunk_left = len;
	answer_is(a, HOP_OK, 250, "2.0.0", "");
}

void
hop_data(struct delivery *d, struct hop_answer *a)
{
	int64_t least = clock_ms() + MESSAGE_MS;
	struct hop *h;
	int attempt = 0;

	/* A client that took all of its time must not cost us its message. */
	h = begin(d, d->deadline_ms > least ? d->deadline_ms : least);
	do {
		if (!catch_up(d, h, a))
			continue;
		if (lacks(d, h, a))
			return;
		if (d->chunk > 0 && (h->keywords & HOP_CHUNKING))
			say_chunk(h, d->chunk, a);
		else
			say_data(h, a);
	} while (try_again(h, attempt++));
}

/*
 * No dot holds the end of a chunk back: its last octet does, so that it stays
 * in the buffer, however long the piece is.
 */
static void
put_in_chunk(struct hop *h, const char *p, size_t len)
{
	if (len == 0)
		return;
	if ((int64_t)len > h->chunk_left) {
		hop_lose(h, "the chunk is too long"); /* by our fault */
		return;
	}
	h->chunk_left -= (int64_t)len;
	hop_put(h, p, len - 1);
	hop_put(h, p + len - 1, 1);
}

int
hop_write(struct delivery *d, const char *p, size_t len)
{
	if (d->hop->chunked)
		put_in_chunk(d->hop, p, len);
	else
		hop_put(d->hop, p, len);
	return d->hop->failed ? -1 : 0;
}

bool
hop_dot(struct hop *h)
{
	hop_expect_silence(h);
	if (!h->chunked)
		hop_put(h, ".\r\n", 3);
	else if (h->chunk_left > 0)
		hop_lose(h, "a part of the chunk is missing");
	hop_flush(h);
	h->until_ms = INT64_MAX;
	return !h->failed;
}

void
hop_done(struct hop *h)
{
	h->mail_sent = h->in_data = h->chunked = false;
	h->nsent = 0;
	if (h->failed)
		hop_close(h);
}

/* RSET goes out with the next MAIL, if one comes. */
void
hop_abort(struct delivery *d)
{
	struct hop *h = d->hop;

	if (h->open && h->in_data)
		hop_close(h); /* only that undoes half a message */
	if (!h->open || !h->mail_sent)
		return;
	h->mail_sent = false;
	h->reset_due = true;
	h->nsent = 0;
}

/* A transaction that was left open must not be the next one's. */
void
hop_leave(struct delivery *d)
{
	hop_abort(d);
	hop_keep(d->hop);
}
