/*
 * Arguments of actions: the new address of moved and forward, the target of a
 * route. What is stored is canonical and checked, so that whoever looks it up
 * need not check again: smtp "10.0.0.5:25" or "[2001:db8::5]:25", always with
 * a port; maildir an absolute path without "." and ".." and without a slash
 * at its end.
 */
#include <string.h>

#include "lists/name.h"
#include "lists/source.h"

#define SMTP_PORT 25

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

/* ":port" or nothing; the port, or -1 */
static int
parse_port(const char *text, size_t len)
{
	int port = 0;
	size_t i;

	if (len == 0)
		return SMTP_PORT;
	if (text[0] != ':' || len < 2 || len > 6 || text[1] == '0')
		return -1;
	for (i = 1; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -1;
		port = port * 10 + (text[i] - '0');
	}
	return port > 65535 ? -1 : port;
}

/* address[:port] or [IPv6][:port] */
static int
parse_smtp(char *out, const char *text, size_t len, const char **why)
{
	bool brackets = len > 0 && text[0] == '[';
	const char *host = brackets ? text + 1 : text;
	const char *end = memchr(text, brackets ? ']' : ':', len);
	char buf[ADDR_TEXT_MAX];
	struct addr a;
	size_t n;
	int port;

	*why = "only addresses can be routed to in this version";
	if (brackets && end == NULL)
		return -1;
	n = end == NULL ? len : (size_t)(end - host);
	if (n == 0 || n >= sizeof(buf) || memchr(host, '\0', n) != NULL)
		return -1;
	memcpy(buf, host, n);
	buf[n] = '\0';
	if (addr_parse(&a, buf) == -1) {
		if (!brackets && end != NULL &&
		    memchr(end + 1, ':', (size_t)(text + len - end) - 1))
			*why = "an IPv6 address stands in brackets: "
			       "smtp:[2001:db8::5]:25";
		return -1;
	}
	n = (size_t)(host - text) + n + (brackets ? 1 : 0);
	port = parse_port(text + n, len - n);
	if (port == -1) {
		*why = "the port is a number from 1 to 65535";
		return -1;
	}
	addr_format(&a, buf);
	snprintf(out, SOURCE_ARG_MAX + 1, a.family == 6 ? "[%s]:%d" : "%s:%d",
	    buf, port);
	return 0;
}

/* One component of a path that means no other folder. */
static bool
is_plain(const char *part, size_t len)
{
	return len > 0 && !(len == 1 && part[0] == '.') &&
	    !(len == 2 && part[0] == '.' && part[1] == '.');
}

static int
parse_path(char *out, const char *text, size_t len, const char **why)
{
	size_t i, start = 1;

	*why = "a Maildir is an absolute path without . and .. in it";
	while (len > 1 && text[len - 1] == '/')
		len--;
	if (len < 2 || len >= ROUTE_PATH_MAX || text[0] != '/')
		return -1;
	for (i = 1; i <= len; i++) {
		if (i < len && (unsigned char)text[i] <= 0x20)
			return -1;
		if (i < len && text[i] != '/')
			continue;
		if (!is_plain(text + start, i - start))
			return -1;
		start = i + 1;
	}
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
		return parse_smtp(out, text, len, why);
	case ACT_MAILDIR:
		return parse_path(out, text, len, why);
	case ACT_MX:
	case ACT_LMTP:
		*why = action == ACT_MX ?
		    "this version does not deliver by mx yet" :
		    "this version does not deliver by lmtp yet";
		return -1;
	default:
		*why = "this action takes no argument";
		return -1;
	}
}

int
list_target_parse(char out[TARGET_TEXT_MAX], const char *text, const char **why)
{
	char stored[SOURCE_ARG_MAX + 1];

	if (parse_smtp(stored, text, strlen(text), why) == -1)
		return -1;
	strlcpy(out, stored, TARGET_TEXT_MAX);
	return 0;
}

/* The port behind text, which is read up to *end. 0, or -1. */
static int
stored_port(struct list_target *t, const char *text, size_t len)
{
	int port = len > 0 ? parse_port(text, len) : -1;

	t->port = (uint16_t)port;
	return port > 0 ? 0 : -1;
}

const char *
list_target(struct list_target *t, const char *argument)
{
	size_t n, len = strcspn(argument, ",|");
	bool brackets = argument[0] == '[';
	char host[ADDR_TEXT_MAX];

	if (len >= sizeof(t->text))
		return NULL;
	memcpy(t->text, argument, len);
	t->text[len] = '\0';
	t->joint = argument[len];
	n = strcspn(t->text + brackets, brackets ? "]" : ":");
	if (n >= sizeof(host))
		return NULL;
	memcpy(host, t->text + brackets, n);
	host[n] = '\0';
	if (brackets)
		n += t->text[n + 1] == ']' ? 2 : 1;
	if (stored_port(t, t->text + n, len - n) == -1 ||
	    addr_parse(&t->addr, host) == -1)
		return NULL;
	return argument + len + (t->joint != '\0');
}
