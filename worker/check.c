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

/* The connection tests, in the order in which they are judged and logged. */
static const struct check {
	enum test_id test;
	bool rehearsal; /* refuses nobody, whatever the mode */
	enum verdict (*run)(const struct peer *, const struct settings *,
	    struct reason *);
} connect_checks[CONNECT_CHECKS] = {
	[CHECK_BANNED] = { TEST_BANNED, false, check_banned },
	[CHECK_RDNS] = { TEST_RDNS, false, check_rdns },
	[CHECK_RELAY] = { TEST_RELAY, false, check_relay },
	[CHECK_DNSBL] = { TEST_DNSBL, false, check_dnsbl },
	[CHECK_REHEARSAL] = { TEST_DNSBL, true, check_dnsbl_rehearsed },
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
	const struct check *c = &connect_checks[row];

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

/*
 * A client that may be one of our own must not hear a 5xx for want of its
 * name: relay would clear this refusal.
 */
static void
soften_unknown(const struct peer *peer, const struct settings *set,
    struct finding *f)
{
	if (!peer->relay_unknown || f->found != V_REJECT ||
	    set->tests[TEST_RELAY].unknown != UNKNOWN_DEFER)
		return;
	f->found = V_DEFER;
	if (f->verdict == V_REJECT)
		f->verdict = V_DEFER;
	f->why.status = "4.4.3";
}

void
check_connect(struct peer *peer, const struct settings *set,
    struct finding found[CONNECT_CHECKS])
{
	int i;

	/* Who may relay is spared the DNS tests, so that is found out first. */
	run_row(CHECK_RELAY, peer, set, &found[CHECK_RELAY]);
	for (i = 0; i < CONNECT_CHECKS; i++)
		if (i != CHECK_RELAY)
			run_row(i, peer, set, &found[i]);
	/* A rehearsal that comes to the same says nothing new. */
	if (found[CHECK_REHEARSAL].found == found[CHECK_DNSBL].found)
		found[CHECK_REHEARSAL].found = V_NEXT;
	soften_unknown(peer, set, &found[CHECK_RDNS]);
	soften_unknown(peer, set, &found[CHECK_DNSBL]);
	soften_unknown(peer, set, &found[CHECK_REHEARSAL]);
}

const struct finding *
check_refusal(const struct settings *set, const struct finding *found,
    bool greeting)
{
	int i;

	for (i = 0; i < CONNECT_CHECKS; i++)
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
