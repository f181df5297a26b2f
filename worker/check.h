/*
 * The tests. A test answers with one verdict and, where it has one, a reason;
 * it neither replies nor logs. The tables in check.c are the order of tests.
 */
#ifndef LICTOR_CHECK_H
#define LICTOR_CHECK_H

#include <stdbool.h>

#include "lists/list.h"
#include "worker/settings.h"

struct listing;
struct mailbox;
struct peer;

enum verdict {
	V_NEXT,	   /* no opinion */
	V_ALLOW,   /* clears what the test's page says it clears */
	V_RELAY,   /* may send anywhere */
	V_DEFER,   /* refuse with 4xx */
	V_REJECT,  /* refuse with 5xx */
	V_DROP,	   /* close without a word */
	V_PENDING, /* an answer that is still to come decides */
	V_LATER,   /* more of the session must be known; nothing to wait for */
	V_UNKNOWN, /* not found out: the test's setting decides */
	V_MOVED,   /* recipient: refuse and name the new address */
	V_FORWARD  /* recipient: goes to another address */
};

/*
 * Why. code is a stable word of lictor-replies(7). The entry's strings, and so
 * text, live as long as the session's generation does.
 */
struct reason {
	const char *code;
	int reply;	    /* 550, 451, ...; 0: as the place has it */
	const char *status; /* RFC 3463: "5.7.1" */
	const char *text;   /* what the client is told */
	bool has_entry;	    /* the list's line that did it is entry */
	struct list_entry entry;
	const struct listing *listing; /* the DNS answer that did it, or NULL */
	enum test_mode least;	       /* the zones counted: of this mode */
	int score;		       /* the sum of their weights */
	bool may_allow;	 /* V_PENDING: what is to come may be V_ALLOW */
	bool relays_too; /* it holds for clients that may relay as well */
};

/* What a test found, before and after its mode was applied. */
struct finding {
	enum test_id test;
	enum verdict found;   /* what the test said */
	enum verdict verdict; /* what it counts: warn makes it V_NEXT */
	enum test_mode mode;  /* of the test, or warn: it is rehearsed */
	struct reason why;
};

/*
 * The rows of the tests of a client and its envelope, in their order. Each can
 * be made from the connection on, and is V_LATER until what it is about has
 * been said.
 */
enum {
	CHECK_BANNED,
	CHECK_RDNS,
	CHECK_RELAY,
	CHECK_DNSBL,
	CHECK_REHEARSAL, /* dnsbl with the zones that are in mode warn */
	CHECK_EARLY,
	CHECK_HELO,
	CHECK_SENDER,
	CHECK_COUNT
};

/* Sets of rows. */
#define ROW(check) (1u << (check))
#define ROWS_ALL   (ROW(CHECK_COUNT) - 1)

/* "banned", "relay", ...: the name in the settings and in the log. */
const char *check_name(enum test_id);
/* "reject", "defer", ... for the log. */
const char *verdict_name(enum verdict);
bool verdict_refuses(enum verdict);

/*
 * Make these rows on what is known by now, in their order, and those that
 * depend on them; to be made again when answers have come in or the client has
 * said more. Fills what each grants or spares the others into the peer.
 */
void check_session(struct peer *, const struct settings *,
    struct finding found[CHECK_COUNT], unsigned rows);
/* The rows that look at that thing, to be made when it is known, or anew. */
unsigned check_rows_of(enum zone_of);
/* Would it have been another if the client might relay? */
bool check_spares_relay(const struct finding *);
/*
 * The refusal that is spoken: the first in the order of tests; for the
 * greeting, of those that have their place there. Or NULL.
 */
const struct finding *
check_refusal(const struct settings *, const struct finding *, bool greeting);

/*
 * May this client send to this domain? Lists only. V_NEXT: yes, the domain is
 * ours; V_RELAY: yes, because this client may send anywhere. A list that
 * cannot be read is V_DEFER, never yes. It has no mode.
 */
enum verdict check_destination(const struct peer *, const struct settings *,
    const struct mailbox *, struct reason *);

/*
 * What list recipients says of a recipient at our domains. V_ALLOW: open (held
 * refusals do not apply to it); V_MOVED, V_FORWARD: why.entry.argument is the
 * new address; V_NEXT: accepted.
 */
void check_rcpt(const struct peer *, const struct settings *,
    const struct mailbox *, struct finding *);

/*
 * Is it a name that is open at all our domains: setting open, and the bare
 * <postmaster> (RFC 5321, section 4.5.1)? Whatever the recipient test's mode.
 */
bool recipient_always_open(const struct settings *, const struct mailbox *);

/* The tests themselves, for the tables. */
enum verdict
check_banned(const struct peer *, const struct settings *, struct reason *);
enum verdict
check_rdns(const struct peer *, const struct settings *, struct reason *);
enum verdict
check_relay(const struct peer *, const struct settings *, struct reason *);
enum verdict
check_dnsbl(const struct peer *, const struct settings *, struct reason *);
enum verdict check_dnsbl_rehearsed(const struct peer *, const struct settings *,
    struct reason *);
enum verdict
check_early(const struct peer *, const struct settings *, struct reason *);
enum verdict
check_helo(const struct peer *, const struct settings *, struct reason *);
enum verdict
check_sender(const struct peer *, const struct settings *, struct reason *);
enum verdict check_recipient(const struct peer *, const struct settings *,
    const struct mailbox *, struct reason *);

/*
 * For the tests: fill the reason from an entry of a list. Its text, or that of
 * the list, takes the place of the text that is there.
 */
void reason_entry(struct reason *, const struct settings *,
    const struct list_entry *);
/* The same for an entry that rejects or defers. Returns which of them. */
enum verdict reason_refusal(struct reason *, const struct settings *,
    const struct list_entry *);
/* For the tests: a list cannot be read. Returns V_UNKNOWN. */
enum verdict reason_damaged(struct reason *);

#endif
