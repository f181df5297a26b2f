/*
 * Any octets as a message whose line ends are mended, as DATA and in chunks.
 * What comes out has only whole line ends and no lone dot, whatever the split,
 * and says the same as a few slow lines say. The first octet chooses the split
 * and the way.
 */
#include <stdlib.h>
#include <string.h>

#include "worker/data.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
require(bool condition)
{
	if (!condition)
		abort();
}

static size_t
mend(const char *p, size_t len, bool stuffed, size_t step, char *out)
{
	struct data_mend m;
	size_t n, at, made = 0;

	data_mend_start(&m, stuffed);
	for (at = 0; at < len; at += n) {
		n = len - at < step ? len - at : step;
		made += data_mend(&m, p + at, n, out + made);
	}
	return made + data_mend_end(&m, out + made);
}

/* The same in another way: dots off, ends to LF, then LF to CRLF, dots on. */
static size_t
slow(const char *p, size_t len, bool stuffed, char *out)
{
	char *lines = malloc(len + 1);
	size_t i, n = 0, made = 0;

	require(lines != NULL);
	for (i = 0; i < len; i++) {
		bool start = i == 0 ||
		    (i > 1 && p[i - 2] == '\r' && p[i - 1] == '\n');

		if (stuffed && start && p[i] == '.')
			continue;
		if (p[i] != '\r')
			lines[n++] = p[i];
		else if (i + 1 == len || (p[i + 1] != '\r' && p[i + 1] != '\n'))
			lines[n++] = '\n';
	}
	if (n > 0 && lines[n - 1] != '\n')
		lines[n++] = '\n';
	for (i = 0; i < n; i++) {
		if (lines[i] == '.' && (i == 0 || lines[i - 1] == '\n'))
			out[made++] = '.';
		if (lines[i] == '\n')
			out[made++] = '\r';
		out[made++] = lines[i];
	}
	free(lines);
	return made;
}

/* Nobody behind us can find an end in it, or a line end that is none. */
static void
check_whole(const char *p, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if (p[i] == '\n')
			require(i > 0 && p[i - 1] == '\r');
		if (p[i] == '\r')
			require(i + 1 < len && p[i + 1] == '\n');
		if (p[i] == '.' && (i == 0 || p[i - 1] == '\n'))
			require(i + 1 < len && p[i + 1] == '.');
	}
	require(len == 0 || p[len - 1] == '\n');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *p = (const char *)data + 1;
	char *whole, *parts;
	bool stuffed;
	size_t n;

	if (size-- == 0)
		return 0;
	stuffed = data[0] & 1;
	whole = malloc(2 * size + 8);
	parts = malloc(2 * size + 8);
	require(whole != NULL && parts != NULL);
	n = mend(p, size, stuffed, size + 1, whole);
	require(n <= 2 * size + 4);
	check_whole(whole, n);
	require(mend(p, size, stuffed, 1 + data[0] / 2, parts) == n);
	require(memcmp(whole, parts, n) == 0);
	require(slow(p, size, stuffed, parts) == n);
	require(memcmp(whole, parts, n) == 0);
	free(whole);
	free(parts);
	return 0;
}
