/*
 * Lines of Postfix tables: one that begins with a blank goes on with the one
 * before; blank lines and comments end nothing. The lines lie one behind the
 * other in memory, so there is room to join them where they are.
 */
#include <string.h>

#include "tools/import.h"

#define JOINED_LIMIT 65536 /* octets of a line with those that go on */

void
logical_flush(struct import *im)
{
	unsigned here = im->line;
	char *text = im->joined;

	im->joined = NULL;
	if (text == NULL)
		return;
	im->line = im->joined_line;
	im->own.entries++;
	im->format->line(im, text);
	im->line = here;
}

void
logical_line(struct import *im, char *text)
{
	char *word = text + strspn(text, " \t");
	size_t n;

	if (*word == '\0' || *word == '#')
		return;
	if (word == text) {
		logical_flush(im);
		im->joined = text;
		im->joined_line = im->line;
	} else if (im->joined == NULL) {
		import_error(im, "the first line begins with a blank");
	} else {
		n = strlen(im->joined);
		if (n + strlen(text) > JOINED_LIMIT)
			import_error(im, "lines that go on are too long");
		else
			memmove(im->joined + n, text, strlen(text) + 1);
	}
}

char *
logical_value(char *text)
{
	bool quoted = false;

	for (; *text != '\0' && (quoted || (*text != ' ' && *text != '\t'));
	     text++) {
		if (*text == '\\' && text[1] != '\0')
			text++;
		else if (*text == '"')
			quoted = !quoted;
	}
	return import_word(text);
}
