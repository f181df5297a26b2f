/*
 * Control files of qmail: rcpthosts (and morercpthosts), badmailfrom,
 * smtproutes. In all of them ".domain" is what is below the domain alone.
 */
#include <string.h>

#include "tools/import.h"

/* Comments and empty lines are none; a blank in a line is no part of it. */
static bool
is_entry(struct import *im, const char *text)
{
	if (*text == '\0' || *text == '#')
		return false;
	im->own.entries++;
	if (strpbrk(text, " \t") == NULL)
		return true;
	import_error(im, "`%.60s`: a blank in it", text);
	return false;
}

/* ------------------------------------------------------------- rcpthosts */

void
rcpthosts_line(struct import *im, char *text)
{
	if (is_entry(im, text))
		name_add(im, text, ACT_ACCEPT, NULL, NULL);
}

void
rcpthosts_end(struct import *im)
{
	names_write(im, LIST_DOMAINS, ACT_REJECT);
}

/* ----------------------------------------------------------- badmailfrom */

void
badmailfrom_line(struct import *im, char *text)
{
	if (!is_entry(im, text))
		return;
	if (strncmp(text, "@.", 2) == 0)
		import_error(im,
		    "`%.60s`: qmail knows no domains below a "
		    "domain here",
		    text);
	else
		import_add(im, LIST_SENDERS, text, ACT_REJECT, NULL, NULL);
}

/* ------------------------------------------------------------ smtproutes */

/* domain:relay:port; no domain is all of them, no relay is the MX. */
void
smtproutes_line(struct import *im, char *text)
{
	static char all[] = "*";
	char *relay = strchr(text, ':');
	int action = ACT_SMTP;

	if (!is_entry(im, text))
		return;
	if (relay == NULL) {
		import_error(im, "`%.60s`: a route is domain:relay", text);
		return;
	}
	*relay++ = '\0';
	if (*relay == '\0' || *relay == ':') {
		action = *text == '\0' || *text == '.' ? NAME_WRONG : ACT_MX;
		if (action == NAME_WRONG)
			import_error(im,
			    "to the MX of each recipient's domain "
			    "is nothing list routes can say");
		if (*relay == ':') {
			import_error(im,
			    "a port of its MX: write the route as mx:%.60s%s",
			    text, relay);
			return;
		}
		relay = text;
	}
	name_add(im, *text == '\0' ? all : text, action, host_bare(relay),
	    NULL);
}

void
smtproutes_end(struct import *im)
{
	names_write(im, LIST_ROUTES, -1);
}
