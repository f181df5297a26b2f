/*
 * Targets of routes. What is stored is canonical and is read strictly again:
 *
 *	targets = target *7(("," / "|") target)
 *	target  = host ":" port
 *	host    = IPv4 / "[" IPv6 "]" / name
 *
 * of smtp and lmtp; one target with a name of mx; of lmtp also the path of a
 * socket. Written, a port may be left out where it has a default, and a name
 * may have labels in UTF-8.
 */
#include <sys/un.h>

#include <string.h>

#include "lists/name.h"
#include "lists/target.h"

#define SMTP_PORT  25
#define SOCKET_MAX (sizeof(((struct sockaddr_un *)NULL)->sun_path))
#define JOINTS	   ",|"

/* ":port", or nothing where there is a default; the port, or -1 */
static int
parse_port(const char *text, size_t len, int unsaid)
{
	int port = 0;
	size_t i;

	if (len == 0)
		return unsaid;
	if (text[0] != ':' || len < 2 || len > 6 || text[1] == '0')
		return -1;
	for (i = 1; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -1;
		port = port * 10 + (text[i] - '0');
	}
	return port > 65535 ? -1 : port;
}

/* The address that stands there, and nothing else. */
static int
parse_addr(struct addr *a, const char *text, size_t len)
{
	char buf[ADDR_TEXT_MAX];

	if (len >= sizeof(buf) || memchr(text, '\0', len) != NULL)
		return -1;
	memcpy(buf, text, len);
	buf[len] = '\0';
	return addr_parse(a, buf);
}

/* An address, or else a name that cannot be taken for one. */
static int
parse_host(struct list_target *t, const char *text, size_t len,
    const char **why)
{
	if (parse_addr(&t->addr, text, len) == 0)
		return 0;
	memset(&t->addr, 0, sizeof(t->addr));
	*why = "a next hop is an address or a host name, perhaps with :PORT";
	if (name_from_text(t->host, text, len) == -1)
		return -1;
	*why = "the last part of a host name is not all digits";
	return name_is_domain(t->host) ? 0 : -1;
}

/* In brackets stands an address. */
static int
parse_brackets(struct list_target *t, const char *text, size_t len,
    const char **why)
{
	*why = "in brackets stands an IPv6 address: [2001:db8::5]";
	return parse_addr(&t->addr, text, len);
}

static void
format_target(struct list_target *t)
{
	char addr[ADDR_TEXT_MAX];
	const char *host = t->host;

	if (t->addr.family != 0)
		host = addr_format(&t->addr, addr);
	snprintf(t->text, sizeof(t->text),
	    t->addr.family == 6 ? "[%s]:%u" : "%s:%u", host, t->port);
}

/* host[:port]; unsaid is the port where there is none, or -1: it must be. */
static int
parse_target(struct list_target *t, const char *text, size_t len, int unsaid,
    const char **why)
{
	bool brackets = len > 0 && text[0] == '[';
	const char *host = text + brackets;
	const char *end = memchr(text, brackets ? ']' : ':', len);
	size_t n = (size_t)((end == NULL ? text + len : end) - host);
	int port;

	memset(t, 0, sizeof(*t));
	*why = "an IPv6 address stands in brackets: [2001:db8::5]:25";
	if (!brackets && parse_addr(&t->addr, text, len) == 0 &&
	    memchr(text, ':', len) != NULL)
		return -1;
	*why = "a bracket is missing: [2001:db8::5]";
	if (brackets && end == NULL)
		return -1;
	if ((brackets ? parse_brackets : parse_host)(t, host, n, why) == -1)
		return -1;
	n = (size_t)(host - text) + n + brackets;
	*why = n == len ? "a port must stand behind the host: HOST:PORT" :
			  "the port is a number from 1 to 65535";
	if ((port = parse_port(text + n, len - n, unsaid)) == -1)
		return -1;
	t->port = (uint16_t)port;
	format_target(t);
	return 0;
}

static size_t
to_joint(const char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len && text[i] != ',' && text[i] != '|'; i++)
		;
	return i;
}

/* One domain, whose mail hosts are asked for. */
static int
parse_mx(struct list_target *t, const char *text, size_t len, const char **why)
{
	*why = "mx has one domain";
	if (to_joint(text, len) < len ||
	    parse_target(t, text, len, SMTP_PORT, why) == -1)
		return -1;
	*why = "an address has no MX: write smtp:";
	return t->host[0] == '\0' ? -1 : 0;
}

/* One component of a path that means no other folder. */
static bool
is_plain(const char *part, size_t len)
{
	return len > 0 && !(len == 1 && part[0] == '.') &&
	    !(len == 2 && part[0] == '.' && part[1] == '.');
}

bool
target_is_path(const char *text, size_t len)
{
	size_t i, start = 1;

	if (len < 2 || text[0] != '/')
		return false;
	for (i = 1; i <= len; i++) {
		if (i < len && (unsigned char)text[i] <= 0x20)
			return false;
		if (i < len && text[i] != '/')
			continue;
		if (!is_plain(text + start, i - start))
			return false;
		start = i + 1;
	}
	return true;
}

/* A joint in a path would be taken for one between two targets. */
static int
parse_socket(struct list_target *t, const char *text, size_t len,
    const char **why)
{
	memset(t, 0, sizeof(*t));
	*why = "a socket is an absolute path of at most 107 octets, without "
	       ". and .. and none of ,|";
	if (len >= SOCKET_MAX || !target_is_path(text, len) ||
	    to_joint(text, len) < len)
		return -1;
	memcpy(t->text, text, len);
	t->text[len] = '\0';
	return 0;
}

static bool
is_among(char seen[][TARGET_TEXT_MAX], size_t n, const char *text)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (strcmp(seen[i], text) == 0)
			return true;
	return false;
}

/* Hosts with joints between them. */
static int
parse_hosts(char out[TARGETS_MAX + 1], const char *text, size_t len, int unsaid,
    const char **why)
{
	char seen[TARGETS_MOST][TARGET_TEXT_MAX];
	struct list_target t;
	size_t part, used = 0, n = 0;

	for (;; text += part + 1, len -= part + 1) {
		part = to_joint(text, len);
		if (parse_target(&t, text, part, unsaid, why) == -1)
			return -1;
		*why = "more than 8 hosts in one route";
		if (n == TARGETS_MOST)
			return -1;
		*why = "the same host twice in one route";
		if (is_among(seen, n, t.text))
			return -1;
		strlcpy(seen[n++], t.text, sizeof(seen[0]));
		*why = "the hosts of a route take at most 255 octets";
		if (used + strlen(t.text) + (part < len) > TARGETS_MAX)
			return -1;
		used += strlcpy(out + used, t.text, TARGETS_MAX + 1 - used);
		if (part == len)
			return 0;
		out[used++] = text[part];
	}
}

int
targets_parse(char out[TARGETS_MAX + 1], enum list_action action,
    const char *text, size_t len, const char **why)
{
	struct list_target t;
	int r;

	if (action == ACT_SMTP)
		return parse_hosts(out, text, len, SMTP_PORT, why);
	if (action == ACT_LMTP && (len == 0 || text[0] != '/'))
		return parse_hosts(out, text, len, -1, why);
	r = action == ACT_MX ? parse_mx(&t, text, len, why) :
			       parse_socket(&t, text, len, why);
	if (r == -1)
		return -1;
	*why = "the hosts of a route take at most 255 octets";
	return strlcpy(out, t.text, TARGETS_MAX + 1) > TARGETS_MAX ? -1 : 0;
}

int
list_target_parse(char out[TARGET_TEXT_MAX], const char *text, const char **why)
{
	bool mx = strncmp(text, LIST_MX, strlen(LIST_MX)) == 0;
	struct list_target t;
	int r;

	if (mx)
		r = parse_mx(&t, text + strlen(LIST_MX),
		    strlen(text) - strlen(LIST_MX), why);
	else if (text[0] == '/')
		r = parse_socket(&t, text, strlen(text), why);
	else
		r = parse_target(&t, text, strlen(text), SMTP_PORT, why);
	if (r == -1)
		return -1;
	*why = "the name is too long";
	return snprintf(out, TARGET_TEXT_MAX, "%s%s", mx ? LIST_MX : "",
		   t.text) < TARGET_TEXT_MAX ?
	    0 :
	    -1;
}

const char *
list_target(struct list_target *t, const char *argument)
{
	size_t len = strcspn(argument, JOINTS);
	const char *why;
	int r;

	if (argument[0] == '/')
		r = parse_socket(t, argument, strlen(argument), &why);
	else if (utf8_is_ascii(argument, len))
		r = parse_target(t, argument, len, -1, &why);
	else
		return NULL;
	if (r == -1 || strlen(t->text) != len ||
	    memcmp(t->text, argument, len) != 0)
		return NULL;
	t->joint = argument[len];
	if (t->joint != '\0' && argument[len + 1] == '\0')
		return NULL; /* nothing is joined */
	return argument + len + (t->joint != '\0');
}
