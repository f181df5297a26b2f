/*
 * Text that grows, in all that is usual without printf(3).
 */
#include <stdbool.h>
#include <stdio.h>
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

/* The number at *p, and p behind it; a precision is small. */
static size_t
take_number(const char **p)
{
	size_t n = 0;

	for (; **p >= '0' && **p <= '9'; (*p)++)
		n = n * 10 + (size_t)(**p - '0');
	return n;
}

/* One conversion, p behind its %. False: it is not one of ours. */
static bool
convert(struct text *t, const char **p, va_list *ap)
{
	size_t most = SIZE_MAX;
	const char *from;

	if (**p == '.') {
		++*p;
		most = take_number(p);
		if (**p != 's')
			return false;
	}
	switch (*(*p)++) {
	case 's':
		from = va_arg(*ap, const char *);
		if (from != NULL)
			add(t, from, strnlen(from, most));
		return true;
	case 'd':
		text_add_number(t, va_arg(*ap, int));
		return true;
	case 'u':
		text_add_number(t, va_arg(*ap, unsigned));
		return true;
	case '%':
		add(t, "%", 1);
		return true;
	case 'l':
		if (strncmp(*p, "ld", 2) != 0)
			return false;
		*p += 2;
		text_add_number(t, va_arg(*ap, long long));
		return true;
	default:
		return false;
	}
}

static void
print(struct text *t, const char *fmt, va_list *ap)
{
	const char *p = fmt;
	char *begun = t->at;
	va_list again;
	size_t n;

	va_copy(again, *ap);
	for (;;) {
		n = strcspn(p, "%");
		add(t, p, n);
		p += n;
		if (*p == '\0')
			break;
		p++;
		if (convert(t, &p, ap))
			continue;
		t->at = begun;
		vsnprintf(t->at, (size_t)(t->end - t->at) + 1, fmt, again);
		t->at += strlen(t->at);
		break;
	}
	va_end(again);
}

void
text_args(struct text *t, const char *fmt, va_list ap)
{
	va_list copy;

	va_copy(copy, ap); /* whose address can be taken */
	print(t, fmt, &copy);
	va_end(copy);
}

void
text_print(struct text *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	print(t, fmt, &ap);
	va_end(ap);
}

void
text_set(char *buf, size_t size, const char *fmt, ...)
{
	struct text t;
	va_list ap;

	text_start(&t, buf, size);
	va_start(ap, fmt);
	print(&t, fmt, &ap);
	va_end(ap);
}
