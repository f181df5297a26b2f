/*
 * Text that grows, without printf(3).
 */
#include <string.h>

#include "worker/text.h"

void
text_start(struct text *t, char *buf, size_t size)
{
	t->at = buf;
	t->end = buf + size - 1;
	*t->at = '\0';
}

static void
add(struct text *t, const char *from, size_t len)
{
	size_t room = (size_t)(t->end - t->at);

	if (len > room)
		len = room;
	memcpy(t->at, from, len);
	t->at += len;
	*t->at = '\0';
}

void
text_add(struct text *t, const char *from)
{
	add(t, from, strlen(from));
}

void
text_add_number(struct text *t, int64_t number)
{
	uint64_t n = number < 0 ? -(uint64_t)number : (uint64_t)number;
	char digits[20], *p = digits + sizeof(digits);

	do
		*--p = (char)('0' + n % 10);
	while ((n /= 10) != 0);
	if (number < 0)
		text_add(t, "-");
	add(t, p, (size_t)(digits + sizeof(digits) - p));
}
