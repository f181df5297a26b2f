/*
 * The nine lists as a table: the one place that knows which keys and actions
 * a list takes. The manual page lictor-lists(5) follows its order.
 */
#include <string.h>

#include "lists/table.h"

#define REFUSALS (BIT(ACT_REJECT) | BIT(ACT_DEFER))

static const struct list_kind kinds[LIST_COUNT] = {
	[LIST_BANNED] = { "banned", KEY_ADDR,
	    REFUSALS | BIT(ACT_DROP) | BIT(ACT_ALLOW), ACT_REJECT, false,
	    "an IP address or network" },
	[LIST_BANS] = { "bans", KEY_ADDR,
	    REFUSALS | BIT(ACT_DROP) | BIT(ACT_ALLOW), ACT_REJECT, false,
	    "an IP address or network" },
	[LIST_NAMES] = { "names", KEY_NAME | KEY_SCOPED,
	    REFUSALS | BIT(ACT_ALLOW), ACT_REJECT, false,
	    "host, .domain, helo:host or helo:.domain" },
	[LIST_RELAY] = { "relay", KEY_ADDR | KEY_NAME,
	    BIT(ACT_RELAY) | BIT(ACT_DENY), ACT_RELAY, false,
	    "an IP address or network, host or .domain" },
	[LIST_DOMAINS] = { "domains", KEY_NAME,
	    BIT(ACT_ACCEPT) | BIT(ACT_REJECT), ACT_ACCEPT, false,
	    "domain or .domain" },
	[LIST_SENDERS] = { "senders", KEY_MAILBOX | KEY_ATNAME | KEY_NULL,
	    REFUSALS | BIT(ACT_ALLOW), ACT_REJECT, false,
	    "user@domain, @domain, @.domain or <>" },
	[LIST_RECIPIENTS] = { "recipients", KEY_MAILBOX | KEY_ATNAME,
	    REFUSALS | BIT(ACT_ACCEPT) | BIT(ACT_OPEN) | BIT(ACT_MOVED) |
		BIT(ACT_FORWARD),
	    ACT_ACCEPT, false, "user@domain, @domain or @.domain" },
	[LIST_ROUTES] = { "routes", KEY_MAILBOX | KEY_NAME | KEY_ANY,
	    ROUTE_ACTS, -1, false, "user@domain, domain, .domain or *" },
	[LIST_WORDS] = { "words", KEY_WORD, REFUSALS | BIT(ACT_TAG), ACT_REJECT,
	    true, "a word or a phrase" },
};

static const char *const actions[ACT_COUNT] = {
	[ACT_REJECT] = "reject",
	[ACT_DEFER] = "defer",
	[ACT_DROP] = "drop",
	[ACT_ALLOW] = "allow",
	[ACT_RELAY] = "relay",
	[ACT_DENY] = "deny",
	[ACT_ACCEPT] = "accept",
	[ACT_OPEN] = "open",
	[ACT_MOVED] = "moved",
	[ACT_FORWARD] = "forward",
	[ACT_TAG] = "tag",
	[ACT_SMTP] = "smtp",
	[ACT_MX] = "mx",
	[ACT_LMTP] = "lmtp",
	[ACT_MAILDIR] = "maildir",
};

const struct list_kind *
list_kind(enum list_id id)
{
	return &kinds[id];
}

const char *
list_name(enum list_id id)
{
	return kinds[id].name;
}

int
list_by_name(const char *name)
{
	int i;

	for (i = 0; i < LIST_COUNT; i++)
		if (strcmp(kinds[i].name, name) == 0)
			return i;
	return -1;
}

const char *
list_action_name(enum list_action action)
{
	return actions[action];
}

int
list_action_by_name(const char *name, size_t len)
{
	int i;

	for (i = 0; i < ACT_COUNT; i++)
		if (strncmp(actions[i], name, len) == 0 &&
		    actions[i][len] == '\0')
			return i;
	return -1;
}

bool
list_action_has_argument(enum list_action action)
{
	return action == ACT_MOVED || action == ACT_FORWARD ||
	    (BIT(action) & ROUTE_ACTS) != 0;
}
