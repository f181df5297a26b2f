/* Addresses, prefixes, names, mailboxes and times from any octets. */
#include <stdlib.h>
#include <string.h>

#include "lists/key.h"
#include "lists/name.h"
#include "lists/source.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* What is taken must come back the same from its own text. */
static void
round_trip(enum list_id id, const char *text, size_t len)
{
	struct key k, again;
	char out[KEY_MAX];
	const char *why;

	if (key_parse(&k, id, text, len, &why) == -1)
		return;
	key_format(out, id, k.text, k.len);
	if (key_parse(&again, id, out, strlen(out), &why) == -1 ||
	    strcmp(k.text, again.text) != 0)
		abort();
}

/* What is stored of a route is read again, whole, and is the same again. */
static void
targets_again(enum list_action action, const char *stored)
{
	char again[SOURCE_ARG_MAX + 1];
	const char *rest = stored, *why;
	struct list_target t;
	int n = 0;

	if (argument_parse(again, action, stored, strlen(stored), &why) == -1 ||
	    strcmp(again, stored) != 0 || strlen(stored) > TARGETS_MAX)
		abort();
	do {
		if ((rest = list_target(&t, rest)) == NULL ||
		    (t.port == 0) != (t.text[0] == '/') || ++n > TARGETS_MOST)
			abort();
	} while (*rest != '\0');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), argument[SOURCE_ARG_MAX + 1];
	char name[NAME_TEXT_MAX], until[UNTIL_MAX];
	const char *why;
	struct prefix p;
	struct addr a;
	struct list_target target;
	bool hostbits;
	int64_t t;
	int i;

	if (text == NULL)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	addr_parse(&a, text);
	prefix_parse(&p, text, &hostbits);
	name_canonical(name, text, size);
	t = until_parse(text, size, &why);
	if (t != -1 && until_format(t, until)[0] == '?')
		abort();
	t = until_from(text, 1000000, &why);
	if (t != -1 && (t <= 1000000 || until_format(t, until)[0] == '?'))
		abort();
	for (i = 0; i < ACT_COUNT; i++)
		if (argument_parse(argument, (enum list_action)i, text, size,
			&why) == 0 &&
		    (i == ACT_SMTP || i == ACT_LMTP || i == ACT_MX))
			targets_again((enum list_action)i, argument);
	list_target(&target, text);
	list_target_parse(target.text, text, &why);
	if (memchr(data, '\0', size) == NULL)
		for (i = 0; i < LIST_COUNT; i++)
			round_trip((enum list_id)i, text, size);
	free(text);
	return 0;
}
