/*
 * Any octets as message data. The end is where CRLF.CRLF stands and nowhere
 * else, any split gives the same result, and what goes into a file has lost
 * its CRs and its stuffed dots. The first octet chooses the split.
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

/* A piece of 1 to 2 * mean octets. */
static size_t
piece(unsigned *seed, unsigned mean, size_t left)
{
	size_t n;

	*seed = *seed * 1103515245 + 12345;
	n = 1 + (*seed >> 16) % (2 * mean);
	return n < left ? n : left;
}

static size_t
scan(struct data_scan *d, const char *p, size_t len, unsigned split)
{
	unsigned seed = split;
	size_t n, at = 0;

	data_start(d);
	if (split == 0)
		return data_take(d, p, len);
	while (at < len && !d->done) {
		n = piece(&seed, split, len - at);
		at += data_take(d, p + at, n);
	}
	return at;
}

static size_t
unstuff(const char *p, size_t len, char *out, unsigned split)
{
	struct data_unstuff u;
	unsigned seed = split;
	size_t n, at, made = 0;

	data_unstuff_start(&u);
	if (split == 0)
		return data_unstuff(&u, p, len, out);
	for (at = 0; at < len; at += n) {
		n = piece(&seed, split, len - at);
		made += data_unstuff(&u, p + at, n, out + made);
	}
	return made;
}

/* The first line that is a dot alone, both its ends being CRLF; or NULL. */
static const char *
find_end(const char *p, size_t len)
{
	const char *end;

	if (len >= 3 && memcmp(p, ".\r\n", 3) == 0)
		return p;
	end = memmem(p, len, "\r\n.\r\n", 5);
	return end == NULL ? NULL : end + 2;
}

static void
check_file(const struct data_scan *d, const char *p, size_t len, unsigned split)
{
	char *whole = malloc(len + 2), *parts = malloc(len + 2);
	size_t n, i, lines = 0;

	require(whole != NULL && parts != NULL);
	n = unstuff(p, len, whole, 0);
	require(n <= len + 1);
	require(unstuff(p, len, parts, split) == n);
	require(memcmp(whole, parts, n) == 0);
	for (i = 0; i < n; i++)
		lines += whole[i] == '\n';
	if (!d->bare_cr && !d->bare_lf) {
		require(memchr(whole, '\r', n) == NULL);
		require((int64_t)(n + lines) == d->size);
	}
	free(whole);
	free(parts);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct data_scan whole, parts;
	const char *p, *end;
	unsigned split;
	size_t taken;

	if (size-- == 0)
		return 0;
	split = 1 + data[0] % 40;
	p = (const char *)data + 1;
	taken = scan(&whole, p, size, 0);
	require(scan(&parts, p, size, split) == taken);
	require(memcmp(&whole, &parts, sizeof(whole)) == 0);
	end = find_end(p, size);
	require(whole.done == (end != NULL));
	require(taken == (end != NULL ? (size_t)(end + 3 - p) : size));
	if (end == NULL)
		return 0;
	require(whole.wire == end - p);
	require(whole.nul == (memchr(p, '\0', taken) != NULL));
	check_file(&whole, p, (size_t)whole.wire, split);
	return 0;
}
