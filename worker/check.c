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
	[V_UNKNOWN] = "unknown",
	[V_MOVED] = "moved",
	[V_FORWARD] = "forward",
};

/* The connection tests, in the order in which they are made and logged. */
static const struct check {
	enum test_id test;
	enum verdict (*run)(const struct peer *, const struct settings *,
	    struct reason *);
} connect_checks[CONNECT_CHECKS] = {
	{ TEST_BANNED, check_banned },
	{ TEST_RELAY, check_relay },
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
reason_entry(struct reason *why, const struct list_entry *entry)
{
	why->has_entry = true;
	why->entry = *entry;
	if (entry->text[0] != '\0')
		why->text = entry->text;
}

/* What was found is held against the test's settings. */
static void
apply_mode(struct finding *f, const struct test_settings *t)
{
	if (f->found == V_UNKNOWN)
		f->found = t->unknown == UNKNOWN_DEFER ? V_DEFER : V_NEXT;
	f->verdict = t->mode == MODE_ON ? f->found : V_NEXT;
}

const struct finding *
check_connect(struct peer *peer, const struct settings *set,
    struct finding found[CONNECT_CHECKS])
{
	const struct finding *refusal = NULL;
	struct finding *f;
	int i;

	for (i = 0; i < CONNECT_CHECKS; i++) {
		f = &found[i];
		memset(f, 0, sizeof(*f));
		f->test = connect_checks[i].test;
		if (set->tests[f->test].mode == MODE_OFF)
			continue;
		f->found = connect_checks[i].run(peer, set, &f->why);
		if (f->test == TEST_RELAY) {
			/* Unknown is no refusal here: RCPT decides (451). */
			peer->relay_unknown = f->found == V_UNKNOWN &&
			    set->tests[TEST_RELAY].mode == MODE_ON;
			if (f->found == V_UNKNOWN)
				continue;
		}
		apply_mode(f, &set->tests[f->test]);
		if (f->verdict == V_RELAY)
			peer->relay = true;
		if (refusal == NULL && verdict_refuses(f->verdict))
			refusal = f;
	}
	return refusal;
}

void
check_rcpt(const struct peer *peer, const struct settings *set,
    const struct mailbox *to, struct finding *f)
{
	memset(f, 0, sizeof(*f));
	f->test = TEST_RECIPIENT;
	if (set->tests[TEST_RECIPIENT].mode == MODE_OFF)
		return;
	f->found = check_recipient(peer, set, to, &f->why);
	apply_mode(f, &set->tests[TEST_RECIPIENT]);
}
