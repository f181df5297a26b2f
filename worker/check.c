/*
 * The order of tests, and what a verdict counts under the test's mode and its
 * way with the unknown. Nothing here replies or logs.
 */
#include <string.h>

#include "worker/check.h"
#include "worker/peer.h"

static const char *const test_names[TEST_COUNT] = {
	[TEST_BANNED] = "banned",
	[TEST_RDNS] = "rdns",
	[TEST_RELAY] = "relay",
	[TEST_DNSBL] = "dnsbl",
	[TEST_EARLY_TALKER] = "early_talker",
	[TEST_HELO] = "helo",
	[TEST_SENDER] = "sender",
	[TEST_RECIPIENT] = "recipient",
};

static const char *const verdict_names[] = {
	[V_NEXT] = "next",
	[V_ALLOW] = "allow",
	[V_RELAY] = "relay",
	[V_DEFER] = "defer",
	[V_REJECT] = "reject",
	[V_DROP] = "drop",
	[V_PENDING] = "pending",
	[V_LATER] = "later",
	[V_UNKNOWN] = "unknown",
	[V_MOVED] = "moved",
	[V_FORWARD] = "forward",
};

#define SEES(of) (1u << (of))

/* The tests, in the order in which they are judged, spoken and logged. */
static const struct check {
	enum test_id test;
	bool rehearsal;	   /* refuses nobody, whatever the mode */
	bool spares_relay; /* it does not touch clients that may relay */
	unsigned sees;	   /* of what comes later than the connection */
	enum verdict (*run)(const struct peer *, const struct settings *,
	    struct reason *);
} checks[CHECK_COUNT] = {
	[CHECK_BANNED] = { TEST_BANNED, false, false, 0, check_banned },
	[CHECK_RDNS] = { TEST_RDNS, false, true, 0, check_rdns },
	[CHECK_RELAY] = { TEST_RELAY, false, false, 0, check_relay },
	[CHECK_DNSBL] = { TEST_DNSBL, false, true,
	    SEES(OF_HELO) | SEES(OF_SENDER), check_dnsbl },
	[CHECK_REHEARSAL] = { TEST_DNSBL, true, true,
	    SEES(OF_HELO) | SEES(OF_SENDER), check_dnsbl_rehearsed },
	[CHECK_EARLY] = { TEST_EARLY_TALKER, false, true, 0, check_early },
	[CHECK_HELO] = { TEST_HELO, false, true, SEES(OF_HELO), check_helo },
	[CHECK_SENDER] = { TEST_SENDER, false, true, SEES(OF_SENDER),
	    check_sender },
};

const char *
check_name(enum test_id test)
{
	return test_names[test];
}

const char *
verdict_name(enum verdict v)
{
	return verdict_names[v];
}

bool
verdict_refuses(enum verdict v)
{
	return v == V_DEFER || v == V_REJECT || v == V_DROP || v == V_MOVED;
}

void
reason_entry(struct reason *why, const struct settings *set,
    const struct list_entry *entry)
{
	const char *usual = set->texts[entry->list];

	why->has_entry = true;
	why->entry = *entry;
	if (entry->text[0] != '\0')
		why->text = entry->text;
	else if (usual != NULL && usual[0] != '\0')
		why->text = usual;
}

enum verdict
reason_refusal(struct reason *why, const struct settings *set,
    const struct list_entry *entry)
{
	bool reject = entry->action == ACT_REJECT;

	why->status = reject ? "5.7.1" : "4.7.1";
	reason_entry(why, set, entry);
	return reject ? V_REJECT : V_DEFER;
}

enum verdict
reason_damaged(struct reason *why)
{
	why->code = "list-unknown";
	why->reply = 451;
	why->status = "4.3.0";
	why->text = "the lists cannot be read now, try again later";
	return V_UNKNOWN;
}

/* What was found is held against the test's settings. */
static void
apply_mode(struct finding *f, const struct test_settings *t)
{
	if (f->found == V_UNKNOWN)
		f->found = t->unknown == UNKNOWN_DEFER ? V_DEFER : V_NEXT;
	f->verdict = f->mode == MODE_ON && f->found != V_PENDING &&
		f->found != V_LATER ?
	    f->found :
	    V_NEXT;
}

/* What relay found out is a fact for the others, not a refusal. */
static void
grant_relay(struct peer *peer, const struct finding *f)
{
	bool on = f->mode == MODE_ON;

	peer->relay = on && f->found == V_RELAY;
	peer->relay_unknown = on &&
	    (f->found == V_UNKNOWN || f->found == V_PENDING);
}

static void
run_row(int row, struct peer *peer, const struct settings *set,
    struct finding *f)
{
	const struct check *c = &checks[row];

	memset(f, 0, sizeof(*f));
	f->test = c->test;
	f->mode = set->tests[c->test].mode;
	if (c->rehearsal && f->mode == MODE_ON)
		f->mode = MODE_WARN;
	if (f->mode != MODE_OFF)
		f->found = c->run(peer, set, &f->why);
	if (row == CHECK_RELAY)
		grant_relay(peer, f);
	else
		apply_mode(f, &set->tests[c->test]);
	if (row == CHECK_BANNED)
		peer->banned = verdict_refuses(f->verdict);
	else if (row == CHECK_RDNS)
		peer->allowed = f->verdict == V_ALLOW;
}

unsigned
check_rows_of(enum zone_of thing)
{
	unsigned rows = 0;
	int i;

	for (i = 0; i < CHECK_COUNT; i++)
		if (checks[i].sees & SEES(thing))
			rows |= ROW(i);
	return rows;
}

/* Of the two rows of a test the first will do. */
static const struct check *
row_of(const struct finding *f)
{
	int i;

	for (i = 0; checks[i].test != f->test; i++)
		;
	return &checks[i];
}

bool
check_spares_relay(const struct finding *f)
{
	return row_of(f)->spares_relay && !f->why.relays_too;
}

/*
 * A client that may be one of our own must not hear a 5xx for want of its
 * name: relay would clear this refusal.
 */
static void
soften_unknown(const struct peer *peer, const struct settings *set,
    struct finding *f)
{
	if (!peer->relay_unknown || f->found != V_REJECT ||
	    !check_spares_relay(f) ||
	    set->tests[TEST_RELAY].unknown != UNKNOWN_DEFER)
		return;
	f->found = V_DEFER;
	if (f->verdict == V_REJECT)
		f->verdict = V_DEFER;
	f->why.status = "4.4.3";
}

/* What the connection comes to changes everything that follows from it. */
static unsigned
with_dependants(unsigned rows)
{
	if (rows & (ROW(CHECK_BANNED) | ROW(CHECK_RDNS) | ROW(CHECK_RELAY)))
		return ROWS_ALL;
	if (rows & (ROW(CHECK_DNSBL) | ROW(CHECK_REHEARSAL)))
		rows |= ROW(CHECK_DNSBL) | ROW(CHECK_REHEARSAL);
	return rows;
}

void
check_session(struct peer *peer, const struct settings *set,
    struct finding found[CHECK_COUNT], unsigned rows)
{
	int i;

	rows = with_dependants(rows);
	/* Who may relay is spared the DNS tests, so that is found out first. */
	if (rows & ROW(CHECK_RELAY))
		run_row(CHECK_RELAY, peer, set, &found[CHECK_RELAY]);
	for (i = 0; i < CHECK_COUNT; i++)
		if (i != CHECK_RELAY && (rows & ROW(i)) != 0)
			run_row(i, peer, set, &found[i]);
	/* A rehearsal that comes to the same says nothing new. */
	if ((rows & ROW(CHECK_REHEARSAL)) != 0 &&
	    found[CHECK_REHEARSAL].found == found[CHECK_DNSBL].found)
		found[CHECK_REHEARSAL].found = V_NEXT;
	for (i = 0; i < CHECK_COUNT; i++)
		if ((rows & ROW(i)) != 0)
			soften_unknown(peer, set, &found[i]);
}

const struct finding *
check_refusal(const struct settings *set, const struct finding *found,
    bool greeting)
{
	int i;

	for (i = 0; i < CHECK_COUNT; i++)
		if (verdict_refuses(found[i].verdict) &&
		    (!greeting || set->tests[found[i].test].at == AT_GREETING))
			return &found[i];
	return NULL;
}

void
check_rcpt(const struct peer *peer, const struct settings *set,
    const struct mailbox *to, struct finding *f)
{
	memset(f, 0, sizeof(*f));
	f->test = TEST_RECIPIENT;
	f->mode = set->tests[TEST_RECIPIENT].mode;
	if (set->tests[TEST_RECIPIENT].mode == MODE_OFF)
		return;
	f->found = check_recipient(peer, set, to, &f->why);
	apply_mode(f, &set->tests[TEST_RECIPIENT]);
}
