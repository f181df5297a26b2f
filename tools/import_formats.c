/*
 * The formats of lictor-import as a table; the manual page and --help follow
 * its order.
 */
#include <string.h>

#include "tools/import.h"

#define FEED (IMPORT_FEED | IMPORT_APART)

const struct import_format import_formats[] = {
	{ "spamhaus-drop", BIT(LIST_BANNED), LIST_BANNED, FEED, drop_line,
	    drop_end, "Spamhaus DROP as text" },
	{ "spamhaus-json", BIT(LIST_BANNED), LIST_BANNED, FEED | IMPORT_COUNTED,
	    json_line, json_end, "Spamhaus DROP as JSON lines" },
	{ "firehol", BIT(LIST_BANNED), LIST_BANNED, FEED, firehol_line,
	    firehol_end, "FireHOL netset and ipset" },
	{ "plain", BIT(LIST_BANNED) | BIT(LIST_RELAY), LIST_BANNED, FEED,
	    plain_line, NULL, "an address or network a line" },
};

const size_t import_nformats = sizeof(import_formats) /
    sizeof(import_formats[0]);

const struct import_format *
import_format_find(const char *name)
{
	size_t i;

	for (i = 0; i < import_nformats; i++)
		if (strcmp(import_formats[i].name, name) == 0)
			return &import_formats[i];
	return NULL;
}
