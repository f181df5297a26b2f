/*
 * Any octets as what a connection begins with: no read behind them, the same
 * outcome however they are cut, and a header that is right names a client that
 * can be one, or nobody.
 */
#include <stdlib.h>
#include <string.h>

#include "worker/proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
require(bool condition)
{
	if (!condition)
		abort();
}

/* From memory of just that size: a read behind it would be seen. */
static enum proxy_state
parse(const uint8_t *data, size_t len, struct proxy_header *h)
{
	char *copy = malloc(len > 0 ? len : 1);
	enum proxy_state r;

	require(copy != NULL);
	if (len > 0)
		memcpy(copy, data, len);
	r = proxy_parse(copy, len, h);
	free(copy);
	return r;
}

static void
check_header(const struct proxy_header *h, size_t size)
{
	char text[ADDR_TEXT_MAX];
	struct addr again;

	require(h->len >= sizeof("PROXY UNKNOWN\r\n") - 1 && h->len <= size);
	require(h->len <= 16 + 2048);
	if (h->local) {
		require(h->source.family == 0);
		return;
	}
	require(h->source.family == 4 || h->source.family == 6);
	require(h->destination.family == 4 || h->destination.family == 6);
	addr_format(&h->source, text);
	require(addr_parse(&again, text) == 0);
	require(addr_equal(&again, &h->source));
	require(strcmp(text, "0.0.0.0") != 0 && strcmp(text, "::") != 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proxy_header whole, part;
	enum proxy_state r, cut = PROXY_MORE;
	size_t n;

	r = parse(data, size, &whole);
	require(r == PROXY_DONE || r == PROXY_MORE || r == PROXY_WRONG);
	for (n = 0; n <= size && cut == PROXY_MORE; n++)
		cut = parse(data, n, &part);
	require(cut == r);
	if (r != PROXY_DONE)
		return 0;
	check_header(&whole, size);
	require(n - 1 == whole.len && part.len == whole.len);
	require(part.local == whole.local);
	require(part.source_port == whole.source_port);
	require(part.local || addr_equal(&part.source, &whole.source));
	return 0;
}
