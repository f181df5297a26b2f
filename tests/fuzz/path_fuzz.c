/*
 * Any octets as the argument of MAIL or RCPT. What is taken must come back the
 * same from the text that the next hop is told.
 */
#include <stdlib.h>
#include <string.h>

#include "worker/path.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
check(const struct mailbox *m)
{
	struct mailbox again;

	if (m->text[0] == '\0')
		return; /* <> or <postmaster> */
	if (!utf8_is_text(m->text, strlen(m->text)) ||
	    !utf8_is_ascii(m->domain, strlen(m->domain)))
		abort();
	if (mailbox_from_text(m->text, &again) == -1 ||
	    strcmp(again.local, m->local) != 0 ||
	    strcmp(again.domain, m->domain) != 0 ||
	    strcmp(again.text, m->text) != 0)
		abort();
}

static void
parse(const char *text, size_t len, enum path_kind kind)
{
	const char *p = text, *status;
	struct mailbox m;
	struct param par;

	if (path_parse(&p, text + len, kind, &m, &status) != NULL)
		p = text;
	else
		check(&m);
	if (p > text + len || (p > text && p[-1] != '>'))
		abort();
	while (param_next(&p, text + len, &par) == 1)
		if (par.key_len == 0 || p > text + len ||
		    (par.value != NULL &&
			par.value + par.value_len > text + len))
			abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	if (text == NULL)
		abort();
	memcpy(text, data, size);
	parse(text, size, PATH_SENDER);
	parse(text, size, PATH_RECIPIENT);
	free(text);
	return 0;
}
