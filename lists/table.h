/* What each list holds: its name, its kinds of key, its actions. */
#ifndef LICTOR_TABLE_H
#define LICTOR_TABLE_H

#include <stdbool.h>

#include "lists/list.h"

enum key_kind {
	KEY_ADDR = 1,	 /* an address or network */
	KEY_NAME = 2,	 /* host, .domain */
	KEY_SCOPED = 4,	 /* helo:host, helo:.domain */
	KEY_MAILBOX = 8, /* user@domain */
	KEY_ATNAME = 16, /* @domain, @.domain */
	KEY_NULL = 32,	 /* <> */
	KEY_ANY = 64,	 /* * */
	KEY_WORD = 128	 /* a word or phrase */
};

struct list_kind {
	const char *name;
	unsigned keys;	      /* enum key_kind */
	unsigned actions;     /* BIT(enum list_action) */
	int first;	      /* the action of an entry without one, or -1 */
	bool unused;	      /* nothing consults it yet */
	const char *expected; /* what a key should be, for messages */
};

#define BIT(n)	  (1U << (n))
#define ALL_LISTS (BIT(LIST_COUNT) - 1)
#define ROUTE_ACTS                                                             \
	(BIT(ACT_SMTP) | BIT(ACT_MX) | BIT(ACT_LMTP) | BIT(ACT_MAILDIR))

const struct list_kind *list_kind(enum list_id);
/* The action of that name, or -1. */
int list_action_by_name(const char *, size_t len);
bool list_action_has_argument(enum list_action);

#endif
