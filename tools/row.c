/*
 * What several tools print alike.
 */
#include <inttypes.h>
#include <stdio.h>

#include "lists/list.h"
#include "tools/json.h"
#include "tools/row.h"

void
row_entry(struct json *j, const char *key, const struct list_entry *e)
{
	char until[UNTIL_MAX];

	json_text(j, "list", list_name(e->list));
	json_text(j, "key", key);
	json_text(j, "action", list_action_name(e->action));
	json_text(j, "argument", e->argument);
	json_text(j, "text", e->text);
	if (e->until == 0)
		json_null(j, "until");
	else
		json_text(j, "until", until_format(e->until, until));
	json_text(j, "file", e->file);
	json_number(j, "line", e->line);
}

const char *
row_span(int64_t secs, char out[ROW_SPAN_MAX])
{
	static const struct {
		int64_t secs;
		char unit;
	} units[] = { { 86400, 'd' }, { 3600, 'h' }, { 60, 'm' }, { 1, 's' } };

	int64_t rest;
	size_t i;

	for (i = 0; i < 3 && secs < units[i].secs; i++)
		continue;
	rest = i < 3 ? secs % units[i].secs / units[i + 1].secs : 0;
	if (rest > 0)
		snprintf(out, ROW_SPAN_MAX, "%" PRId64 "%c %" PRId64 "%c",
		    secs / units[i].secs, units[i].unit, rest,
		    units[i + 1].unit);
	else
		snprintf(out, ROW_SPAN_MAX, "%" PRId64 "%c",
		    secs / units[i].secs, units[i].unit);
	return out;
}
