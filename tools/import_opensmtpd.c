/*
 * Tables of OpenSMTPD as files: a value a line, or "key value" or
 * "key: value". What a table is for says -l, as nothing in it does; each
 * entry gets the first action of that list.
 */
#include <string.h>

#include "tools/import.h"

#define SEEN_LIST 1 /* "# @list": there are no values */

/* domain, or *.domain: what is below it alone. */
static void
table_domain(struct import *im, char *key, const char *value)
{
	int action = im->list == LIST_DOMAINS ? ACT_ACCEPT : ACT_REJECT;

	if (*value != '\0')
		import_error(im, "`%.60s`: a list of domains has no values",
		    key);
	else if (strncmp(key, "*.", 2) == 0 && strchr(key + 1, '*') == NULL)
		name_add(im, key + 1, action, NULL, NULL);
	else if (strchr(key, '*') != NULL)
		import_error(im,
		    "`%.60s`: a * stands only for all names "
		    "below a domain",
		    key);
	else
		name_add(im, key, action, NULL, NULL);
}

static void
table_mailbox(struct import *im, char *key, char *value)
{
	if (strchr(key, '@') == NULL)
		import_error(im,
		    "`%.60s`: a user of any domain is no key of "
		    "list %s",
		    key, list_name((enum list_id)im->list));
	else if (strchr(key, '*') != NULL)
		import_error(im,
		    "`%.60s`: all domains below one, without it, "
		    "are no key of list %s",
		    key, list_name((enum list_id)im->list));
	else if (*value == '\0')
		import_add(im, (enum list_id)im->list, key,
		    im->list == LIST_SENDERS ? ACT_REJECT : ACT_ACCEPT, NULL,
		    NULL);
	else if (im->list == LIST_SENDERS)
		import_error(im, "`%.60s`: a list of senders has no values",
		    key);
	else
		forward_add(im, key, value);
}

/* Cut off the key, at a blank or a colon; a quoted local part is whole. */
static char *
table_value(const struct import *im, char *text)
{
	char local[MAILBOX_TEXT_MAX - NAME_TEXT_MAX];
	size_t n = *text == '"' ?
	    local_parse(local, sizeof(local), text, strlen(text)) :
	    0;

	if (im->own.seen & SEEN_LIST)
		return text + strlen(text);
	n += strcspn(text + n, " \t:");
	if (text[n] == '\0')
		return text + n;
	text[n++] = '\0';
	return text + n + strspn(text + n, " \t:");
}

void
opensmtpd_line(struct import *im, char *text)
{
	char *value;

	if (*text == '#') {
		if (strncmp(text + 1 + strspn(text + 1, " \t"), "@list", 5) ==
		    0)
			im->own.seen |= SEEN_LIST;
		return;
	}
	if (*text == '\0')
		return;
	im->own.entries++;
	if (im->list == LIST_BANNED || im->list == LIST_RELAY) {
		nets_add(im, (enum list_id)im->list, text, NET_BRACKETS);
		return;
	}
	value = table_value(im, text);
	if (im->list == LIST_DOMAINS || im->list == LIST_NAMES)
		table_domain(im, text, value);
	else
		table_mailbox(im, text, value);
}

void
opensmtpd_end(struct import *im)
{
	if (im->list == LIST_RECIPIENTS)
		forwards_write(im);
	else if (im->list == LIST_DOMAINS)
		names_write(im, LIST_DOMAINS, ACT_REJECT);
	else if (im->list == LIST_NAMES)
		names_write(im, LIST_NAMES, -1);
}
