/*
 * The parser of DNS answers: whatever a packet holds, what comes out of it is
 * within its bounds, every name is one, and every text can be shown.
 */
#include <stdlib.h>
#include <string.h>

#include "worker/dns.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* Those of a mail domain may be the root. */
static void
see_names(const struct dns_answer *a, bool root)
{
	char again[NAME_TEXT_MAX];
	unsigned i;

	for (i = 0; i < a->n; i++) {
		if (root && a->names[i][0] == '\0')
			continue;
		if (name_canonical(again, a->names[i], strlen(a->names[i])) ==
			-1 ||
		    strcmp(again, a->names[i]) != 0)
			abort();
	}
}

static void
see_text(const struct dns_answer *a)
{
	size_t i, len = strnlen(a->text, sizeof(a->text));

	if (len == sizeof(a->text))
		abort();
	for (i = 0; i < len; i++)
		if (a->text[i] < ' ' || a->text[i] > '~')
			abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* A, PTR, MX, TXT, AAAA */
	static const int types[] = { 1, 12, 15, 16, 28 };
	struct dns_answer a;
	uint8_t *copy;
	size_t i;

	if (size > 4096 || (copy = malloc(size + 1)) == NULL)
		return 0;
	memcpy(copy, data, size); /* of its exact size: a sanitizer sees more */
	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		memset(&a, 0, sizeof(a));
		dns_parse_packet(copy, size, types[i], &a);
		if ((types[i] != 16 && a.n > DNS_ADDRS) ||
		    ((types[i] == 12 || types[i] == 15) && a.n > DNS_NAMES))
			abort();
		if (types[i] == 12 || types[i] == 15)
			see_names(&a, types[i] == 15);
		if (types[i] == 16)
			see_text(&a);
	}
	free(copy);
	return 0;
}
