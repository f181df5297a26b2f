/*
 * Arguments of actions: the new address of moved and forward, the target of a
 * route. What is stored is canonical and checked: next hops as lists/target.c
 * has them; maildir an absolute path without "." and ".." and without a slash
 * at its end, perhaps with placeholders.
 */
#include <string.h>

#include "lists/name.h"
#include "lists/source.h"
#include "lists/target.h"

/* user@domain, the local part as it was written */
static int
parse_mailbox(char *out, const char *text, size_t len, const char **why)
{
	char canonical[MAILBOX_TEXT_MAX];
	struct mailbox m;

	if (mailbox_parse(&m, text, len, why) == -1)
		return -1;
	*why = "clients are told this address: only ASCII before its @";
	if (!utf8_is_ascii(m.local, strlen(m.local)))
		return -1;
	mailbox_format(canonical, m.local, m.domain);
	strlcpy(out, canonical, SOURCE_ARG_MAX + 1);
	return 0;
}

/* "%{local}" or "%{domain}": how long it is; 0: another % */
static size_t
placeholder(const char *text, size_t len)
{
	static const char *const known[] = { LIST_LOCAL, LIST_DOMAIN };

	size_t i, n;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		n = strlen(known[i]);
		if (len >= n && memcmp(text, known[i], n) == 0)
			return n;
	}
	return 0;
}

static int
parse_path(char *out, const char *text, size_t len, const char **why)
{
	const char *p, *end;

	*why = "a Maildir is an absolute path without . and .. in it";
	while (len > 1 && text[len - 1] == '/')
		len--;
	if (len >= ROUTE_PATH_MAX || !target_is_path(text, len))
		return -1;
	*why = "a % begins " LIST_LOCAL " or " LIST_DOMAIN;
	end = text + len;
	for (p = text; (p = memchr(p, '%', (size_t)(end - p))) != NULL; p++)
		if (placeholder(p, (size_t)(end - p)) == 0)
			return -1;
	memcpy(out, text, len);
	out[len] = '\0';
	return 0;
}

int
argument_parse(char out[SOURCE_ARG_MAX + 1], enum list_action action,
    const char *text, size_t len, const char **why)
{
	switch (action) {
	case ACT_MOVED:
	case ACT_FORWARD:
		return parse_mailbox(out, text, len, why);
	case ACT_SMTP:
	case ACT_LMTP:
	case ACT_MX:
		return targets_parse(out, action, text, len, why);
	case ACT_MAILDIR:
		return parse_path(out, text, len, why);
	default:
		*why = "this action takes no argument";
		return -1;
	}
}
