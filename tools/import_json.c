/*
 * Spamhaus DROP as JSON lines: an object a line, the last one with the count
 * and the time of the whole. Without it the file was cut off.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "tools/import.h"

#define SEEN_METADATA 1

static const char *
string_of(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

/* {"type":"metadata","timestamp":N,"records":N,"copyright":"...", ...} */
static void
json_metadata(struct import *im, const json_t *object)
{
	static const char *const kept[] = { "copyright", "terms" };
	const json_t *records = json_object_get(object, "records");
	const json_t *timestamp = json_object_get(object, "timestamp");
	const char *credit;
	size_t i;

	im->own.seen |= SEEN_METADATA;
	for (i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		if ((credit = string_of(object, kept[i])) != NULL)
			import_credit(im, credit);
	if (!json_is_integer(records))
		import_fail(im, "the metadata has no number `records`");
	else if (json_integer_value(records) != (json_int_t)im->own.entries)
		import_fail(im,
		    "the feed has %lld entries, it says, and %zu were read",
		    (long long)json_integer_value(records), im->own.entries);
	if (json_is_integer(timestamp))
		import_date(im, (int64_t)json_integer_value(timestamp));
	else if (im->max_age > 0)
		import_fail(im,
		    "the metadata has no number `timestamp` (-a 0 takes it)");
}

/* {"cidr":"192.0.2.0/24","sblid":"SBL1","rir":"ripencc"} */
static void
json_entry(struct import *im, const json_t *object, char *line, size_t size)
{
	const char *cidr = string_of(object, "cidr");
	const char *id = string_of(object, "sblid");

	im->own.entries++;
	if (cidr == NULL && json_object_get(object, "asn") != NULL) {
		import_fail(im, "a list of AS numbers has no networks");
		im->stop = true;
	} else if (cidr == NULL) {
		import_error(im, "there is no text `cidr`");
	} else {
		import_add(im, LIST_BANNED, cidr, ACT_REJECT, NULL, NULL);
		/* The line is ours, and longer than what stood in it. */
		if (id != NULL && strlcpy(line, id, size) < size)
			import_comment(im, line);
	}
}

void
drop_json_line(struct import *im, char *text)
{
	json_error_t error;
	json_t *object;
	size_t size = strlen(text) + 1;
	const char *type;

	if (*text == '\0')
		return;
	object = json_loads(text, JSON_REJECT_DUPLICATES, &error);
	if (im->own.seen & SEEN_METADATA) {
		import_fail(im, "something stands behind the metadata");
		im->stop = true;
	} else if (!json_is_object(object)) {
		import_error(im, "no JSON object: %.120s",
		    object == NULL ? error.text : "another value");
		im->own.entries++;
	} else if ((type = string_of(object, "type")) == NULL) {
		json_entry(im, object, text, size);
	} else if (strcmp(type, "metadata") == 0) {
		json_metadata(im, object);
	} else {
		import_error(im, "`%.60s` is no type that is known here", type);
	}
	json_decref(object);
}

void
drop_json_end(struct import *im)
{
	im->line = 0;
	if ((im->own.seen & SEEN_METADATA) == 0)
		import_fail(im,
		    "there is no metadata at its end: the file was "
		    "cut off");
}
