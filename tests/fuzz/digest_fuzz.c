/*
 * Any octets as a message by which it is known: any split gives the same, a
 * field Received before it changes nothing, any other one everything.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "worker/digest.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
digest(uint8_t out[DIGEST_OCTETS], const char *before, const char *p,
    size_t len, size_t piece)
{
	struct digest g;
	size_t n;

	digest_start(&g);
	digest_take(&g, before, strlen(before));
	for (; len > 0; p += n, len -= n) {
		n = len < piece ? len : piece;
		digest_take(&g, p, n);
	}
	digest_end(&g, out);
}

/* The first octet chooses the split. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t whole[DIGEST_OCTETS], other[DIGEST_OCTETS];
	const char *p = (const char *)data + 1;
	bool continued;

	if (size < 2)
		return 0;
	size--;
	digest(whole, "", p, size, SIZE_MAX);
	digest(other, "", p, size, 1 + data[0] % 32);
	if (memcmp(whole, other, sizeof(whole)) != 0)
		abort();
	continued = *p == ' ' || *p == '\t';
	digest(other, "Received: x\r\n\ty\r\n", p, size, SIZE_MAX);
	if (!continued && memcmp(whole, other, sizeof(whole)) != 0)
		abort();
	digest(other, "X: y\r\n", p, size, SIZE_MAX);
	if (memcmp(whole, other, sizeof(whole)) == 0)
		abort();
	return 0;
}
