/*
 * Any bytes through the scan of the configuration. Beside the sanitizers'
 * own finds: lines are kept, every item lies within the text, and bad bytes
 * never reach a message.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config_report.h"
#include "daemon/config_scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
check_message(void *arg, const char *message)
{
	(void)arg;
	for (; *message != '\0'; message++)
		assert((unsigned char)*message >= ' ' || *message == '\t' ||
		    *message == '\n');
}

static size_t
count_lines(const char *text, size_t len)
{
	size_t i, n = 0;

	for (i = 0; i < len; i++)
		n += text[i] == '\n';
	return n;
}

static void
check_item(const struct scan *s, const struct scan_item *it, size_t len)
{
	size_t i;

	assert(it->begin < it->end && it->end <= len);
	assert(it->section >= -1 && it->section < (long)s->nitems);
	for (i = 0; i < it->nvalues; i++)
		assert(it->lines[i] >= it->line);
	if (!it->is_section)
		(void)config_scan_line(s, it, it->nvalues);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct config_log log = { .path = "fuzz", .report = check_message };
	char *text = malloc(len + 1);
	struct scan s;
	size_t i, lines;

	if (text == NULL)
		abort();
	memcpy(text, data, len);
	text[len] = '\0';
	lines = count_lines(text, len);
	config_scan(&s, &log, text, len);
	assert(strlen(text) == len);
	assert(count_lines(text, len) == lines);
	for (i = 0; i < s.nitems; i++)
		check_item(&s, &s.items[i], len);
	config_scan_free(&s);
	free(text);
	return 0;
}
