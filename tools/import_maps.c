/*
 * Postfix tables of recipients and routes: relay_recipient_maps, virtual(5),
 * relocated(5) and transport(5).
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "tools/import.h"

#define CHAIN_MOST 100 /* forwards from one to the next */
#define LMTP_PORT  ":24"

/* ------------------------------------------------------------ recipients */

void
relay_recipients_line(struct import *im, char *text)
{
	char *value = logical_value(text);

	if (*value == '\0')
		import_error(im,
		    "there is nothing behind the key: Postfix "
		    "skips the line");
	else if (strchr(text, '@') == NULL)
		import_error(im, "`%.60s` is no address of a relay domain",
		    text);
	else
		import_add(im, LIST_RECIPIENTS, text, ACT_ACCEPT, NULL, NULL);
}

/* -------------------------------------------------------------- forwards */

int
mailbox_key(char out[MAILBOX_TEXT_MAX], const char *text)
{
	char local[MAILBOX_TEXT_MAX - NAME_TEXT_MAX], *p;
	size_t n = local_parse(local, sizeof(local), text, strlen(text)), k;

	if (n == 0 || text[n] != '@')
		return -1;
	k = local_format(out, MAILBOX_TEXT_MAX - NAME_TEXT_MAX, local);
	if (k == 0)
		return -1;
	out[k++] = '@';
	for (p = out; p < out + k; p++)
		*p = (char)tolower((unsigned char)*p);
	return name_canonical(out + k, text + n + 1, strlen(text + n + 1));
}

/* One address, with nothing but blanks and commas behind it. */
static char *
forward_target(char *value)
{
	char local[MAILBOX_TEXT_MAX - NAME_TEXT_MAX];
	size_t n = local_parse(local, sizeof(local), value, strlen(value));
	char *end;

	if (n == 0 || value[n] != '@')
		return NULL;
	end = value + n + strcspn(value + n, " \t,");
	if (end[strspn(end, " \t,")] != '\0')
		return NULL;
	*end = '\0';
	return value;
}

void
forward_add(struct import *im, char *key, char *value)
{
	char canonical[MAILBOX_TEXT_MAX], *target;
	struct import_name *n;
	size_t i;

	if (*value == '@') {
		import_error(im,
		    "`%.60s`: a forward to the same name of "
		    "another domain is nothing a list can say",
		    value);
		return;
	}
	if ((target = forward_target(value)) == NULL) {
		import_error(im,
		    "`%.60s`: a forward takes one address: "
		    "user@domain",
		    value);
		return;
	}
	if (key[0] != '@' && mailbox_key(canonical, key) == 0 &&
	    strlen(canonical) <= strlen(key))
		memcpy(key, canonical, strlen(canonical) + 1);
	for (i = 0; key[i] != '\0'; i++)
		key[i] = (char)tolower((unsigned char)key[i]);
	n = name_new(im, key);
	n->argument = target;
}

/* What the table says of an address: itself, or all of its domain. */
static const struct import_name *
forward_find(struct import *im, const char *address)
{
	const struct import_name *n;
	const char *at = strrchr(address, '@');

	n = name_find(im, address);
	return n != NULL || at == NULL ? n : name_find(im, at);
}

/* The end of the chain that begins there; NULL: it has none. */
static const char *
forward_end(struct import *im, const struct import_name *from)
{
	char at[MAILBOX_TEXT_MAX], next[MAILBOX_TEXT_MAX];
	const char *target = from->argument;
	const struct import_name *n;
	int i;

	for (i = 0; i < CHAIN_MOST; i++) {
		if (mailbox_key(at, target) == -1 ||
		    (n = forward_find(im, at)) == NULL)
			return target;
		if (mailbox_key(next, n->argument) == 0 &&
		    strcmp(next, at) == 0)
			return target;
		target = n->argument;
	}
	return NULL;
}

void
forwards_write(struct import *im)
{
	char key[MAILBOX_TEXT_MAX], at[MAILBOX_TEXT_MAX];
	const struct import_name *n;
	const char *end;

	names_sort(im);
	for (n = im->names; n < im->names + im->nnames; n++) {
		im->line = n->line;
		end = forward_end(im, n);
		if (end == NULL)
			import_error(im, "`%.60s` goes round in a circle",
			    n->key);
		else if (mailbox_key(at, end) == 0 &&
		    mailbox_key(key, n->key) == 0 && strcmp(at, key) == 0)
			import_add(im, LIST_RECIPIENTS, n->key, ACT_ACCEPT,
			    NULL, NULL);
		else
			import_add(im, LIST_RECIPIENTS, n->key, ACT_FORWARD,
			    end, NULL);
	}
}

/* --------------------------------------------------------------- virtual */

/* A domain that stands alone is one for which aliases are kept. */
static void
virtual_domain(struct import *im, const char *key, const char *value)
{
	if (strchr(key, '.') == NULL)
		import_error(im,
		    "`%.60s`: a user of this host is no key of "
		    "list recipients",
		    key);
	else if (strchr(value, '@') != NULL)
		import_error(im, "`%.60s`: a domain, or a user of this host?",
		    key);
	else if (import_wants(im, LIST_DOMAINS))
		import_add(im, LIST_DOMAINS, key, ACT_ACCEPT, NULL, NULL);
}

void
virtual_line(struct import *im, char *text)
{
	char *value = logical_value(text);

	if (*value == '\0')
		import_error(im,
		    "there is nothing behind the key: Postfix "
		    "skips the line");
	else if (strchr(text, '@') == NULL)
		virtual_domain(im, text, value);
	else if (import_wants(im, LIST_RECIPIENTS))
		forward_add(im, text, value);
}

void
virtual_end(struct import *im)
{
	forwards_write(im);
}

/* ------------------------------------------------------------- relocated */

void
relocated_line(struct import *im, char *text)
{
	char *value = logical_value(text), *past = import_past_status(value);

	if (strchr(text, '@') == NULL)
		import_error(im,
		    "`%.60s`: a user of this host is no key of "
		    "list recipients",
		    text);
	else if (past != value && value[0] == '5')
		import_add(im, LIST_RECIPIENTS, text, ACT_REJECT, NULL, past);
	else if (forward_target(value) == NULL)
		import_error(im,
		    "`%.60s`: the new place must be one address: "
		    "user@domain",
		    value);
	else
		import_add(im, LIST_RECIPIENTS, text, ACT_MOVED, value, NULL);
}

/* ------------------------------------------------------------- transport */

/* A route as ours: its action, or -1 after reporting. */
struct route {
	int action;
	char *argument;
};

/* host[:port] without brackets: its MX, which an address cannot have. */
static int
route_mx(struct import *im, const char *nexthop)
{
	char host[ADDR_TEXT_MAX];
	struct addr a;

	if (strlcpy(host, nexthop, sizeof(host)) < sizeof(host)) {
		host[strcspn(host, ":")] = '\0';
		if (addr_parse(&a, host) == 0) {
			import_error(im,
			    "`%.60s`: Postfix asks for its MX: an "
			    "address stands in []",
			    nexthop);
			return -1;
		}
	}
	return ACT_MX;
}

static void
route_smtp(struct import *im, struct route *r, char *nexthop, const char *key)
{
	if (*nexthop == '[') {
		r->action = ACT_SMTP;
		r->argument = host_bare(nexthop);
	} else if (*nexthop != '\0') {
		r->action = route_mx(im, nexthop);
		r->argument = nexthop;
	} else if (strpbrk(key, "@*") == NULL && *key != '.') {
		r->action = ACT_MX;
		r->argument = nexthop; /* the caller's key */
	} else {
		import_error(im,
		    "to the MX of each recipient's domain is "
		    "nothing list routes can say");
	}
}

/* value is "lmtp:..." in a buffer: there is room for a port. */
static void
route_lmtp(struct import *im, struct route *r, char *value, char *nexthop)
{
	char *host;

	if (strncmp(nexthop, "unix:", 5) == 0 && nexthop[5] != '/') {
		import_error(im,
		    "`%.60s` lies below the folder of Postfix: "
		    "write the whole path",
		    nexthop);
		return;
	}
	r->action = ACT_LMTP;
	if (strncmp(nexthop, "unix:", 5) == 0) {
		r->argument = nexthop + 5;
		return;
	}
	if (strncmp(nexthop, "inet:", 5) == 0)
		nexthop += 5;
	host = *nexthop == '[' ? host_bare(nexthop) : nexthop;
	memmove(value, host, strlen(host) + 1);
	host = strchr(value, ']');
	if (strchr(host == NULL ? value : host, ':') == NULL)
		memcpy(value + strlen(value), LMTP_PORT, sizeof(LMTP_PORT));
	r->argument = value;
}

/*
 * [host],[host]: in this order, as ours. Written over the text, which is the
 * longer one. False: one of them is to be asked for its MX.
 */
static bool
route_several(struct route *r, char *nexthop)
{
	char *out = nexthop, *one, *next;
	size_t n;

	r->argument = nexthop;
	for (one = nexthop; one != NULL; one = next) {
		if ((next = strchr(one, ',')) != NULL)
			*next++ = '\0';
		if (*one != '[')
			return false;
		one = host_bare(one);
		n = strlen(one);
		memmove(out, one, n + 1);
		out += n;
		if (next != NULL)
			*out++ = ',';
	}
	r->action = ACT_SMTP;
	return true;
}

static struct route
parse_transport(struct import *im, char *value, const char *key)
{
	struct route r = { -1, NULL };
	char *nexthop = strchr(value, ':');

	if (nexthop == NULL) {
		import_error(im, "`%.60s`: a result is transport:nexthop",
		    value);
		return r;
	}
	*nexthop++ = '\0';
	if (strcmp(value, "smtp") != 0 && strcmp(value, "relay") != 0 &&
	    strcmp(value, "lmtp") != 0)
		import_error(im,
		    "transport `%.60s` is nothing list routes can "
		    "say",
		    value);
	else if (value[0] != 'l' && strchr(nexthop, ',') != NULL &&
	    route_several(&r, nexthop))
		return r;
	else if (strpbrk(nexthop, ", \t") != NULL)
		import_error(im,
		    "several next hops are hosts in [] with commas between");
	else if (value[0] == 'l')
		route_lmtp(im, &r, value, nexthop);
	else
		route_smtp(im, &r, nexthop, key);
	return r;
}

void
transport_line(struct import *im, char *text)
{
	char *value = logical_value(text);
	struct route r = parse_transport(im, value, text);

	if (r.argument != NULL && r.argument[0] == '\0')
		r.argument = text;
	if (strchr(text, '@') == NULL)
		name_add(im, text, r.action == -1 ? NAME_WRONG : r.action,
		    r.argument, NULL);
	else if (r.action != -1)
		import_add(im, LIST_ROUTES, text, (enum list_action)r.action,
		    r.argument, NULL);
}

void
transport_end(struct import *im)
{
	names_write(im, LIST_ROUTES, -1);
}
