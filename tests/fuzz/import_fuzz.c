/*
 * The formats of lictor-import: the first octet names the format, the second
 * the list of -l, and the rest is the file. What is written must be a source
 * that parses.
 */
#include <stdlib.h>
#include <string.h>

#include "lists/source.h"
#include "tools/import.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
parse_again(enum list_id id, const char *text, size_t size)
{
	struct report r = { .send = NULL };
	struct source s;

	source_init(&s, id);
	source_parse_text(&s, "again", text, size, &r);
	source_merge(&s, &r);
	if (r.errors != 0)
		abort();
	source_free(&s);
}

/* The list it says it is for. */
static int
list_of(const char *text)
{
	const char *p = strstr(text, "\n# for list ");
	char name[16];

	if (p == NULL)
		return -1;
	p += strlen("\n# for list ");
	strlcpy(name, p, sizeof(name));
	name[strcspn(name, "\n")] = '\0';
	return list_by_name(name);
}

/* The same list as -l LIST names; none where it need not be given. */
static int
choose_list(const struct import_format *f, unsigned choice)
{
	int id, n = (int)(choice % (LIST_COUNT + 1));

	if (n < LIST_COUNT && (f->lists & BIT(n)) != 0)
		return n;
	if ((f->flags & IMPORT_NAMED) == 0)
		return -1;
	for (id = 0; (f->lists & BIT(id)) == 0; id++)
		continue;
	return id;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct import im;
	char *text, *written;
	size_t n;
	FILE *out, *nowhere = fopen("/dev/null", "w");

	if (size < 2 || nowhere == NULL || size > 100000) {
		if (nowhere != NULL)
			fclose(nowhere);
		return 0;
	}
	import_init(&im, &import_formats[data[0] % import_nformats]);
	im.list = choose_list(im.format, data[1]);
	im.lenient = (im.format->flags & IMPORT_APART) && data[1] >= 128;
	im.messages = nowhere;
	text = malloc(size);
	if (text == NULL)
		abort();
	memcpy(text, data + 2, size - 2);
	import_text(&im, "fuzz", text, size - 2);
	out = open_memstream(&written, &n);
	if (out == NULL)
		abort();
	if (import_finish(&im, out) == 0 && fflush(out) == 0 &&
	    list_of(written) != -1)
		parse_again((enum list_id)list_of(written), written, n);
	else if (fflush(out) != 0 || (n != 0 && list_of(written) != -1))
		abort();
	fclose(out);
	free(written);
	import_free(&im);
	fclose(nowhere);
	return 0;
}
