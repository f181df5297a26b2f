/*
 * A record is action, argument, expiry, file, line and text. Of entries that
 * share a rule only the line differs.
 */
#include <string.h>

#include "lists/value.h"

#define LINE_MAX 11 /* digits of a line and a NUL */

static size_t
encode(struct value *v, const struct entry *e)
{
	const struct rule *rule = e->rule;
	struct list_entry le;
	const char *p = v->octets;
	size_t len;
	int i;

	memset(&le, 0, sizeof(le));
	le.action = (enum list_action)rule->action;
	le.argument = rule->argument;
	le.text = rule->text;
	le.file = rule->file;
	le.line = e->line;
	le.until = rule->until;
	len = record_encode(v->octets, &le);
	v->rule = NULL;
	if (len == 0)
		return 0;
	for (i = 0; i < 4; i++)
		p += strlen(p) + 1;
	v->head = (size_t)(p - v->octets);
	v->tail = strlen(rule->text) + 1;
	if (v->head + LINE_MAX + v->tail <= sizeof(v->octets))
		v->rule = rule;
	return len;
}

size_t
value_encode(struct value *v, const struct entry *e)
{
	char digits[LINE_MAX], *d = digits + sizeof(digits), *p;
	uint32_t line = e->line;
	size_t n;

	if (v->rule != e->rule || v->rule == NULL)
		return encode(v, e);
	*--d = '\0';
	do
		*--d = (char)('0' + line % 10);
	while ((line /= 10) != 0);
	n = (size_t)(digits + sizeof(digits) - d);
	p = v->octets + v->head;
	memcpy(p, d, n);
	memcpy(p + n, e->rule->text, v->tail);
	return v->head + n + v->tail;
}
