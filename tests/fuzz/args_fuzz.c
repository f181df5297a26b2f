/*
 * Any octets as what stands behind BDAT and as the value of a parameter: no
 * read behind them, and what is taken means what it says. The first octet
 * chooses.
 */
#include <stdlib.h>
#include <string.h>

#include "worker/args.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
require(bool condition)
{
	if (!condition)
		abort();
}

static void
check_chunk(const char *p, size_t len)
{
	size_t digits = 0;
	int64_t size = -1;
	bool last = false;

	if (bdat_parse(p, p + len, &size, &last) == -1)
		return;
	while (digits < len && p[digits] >= '0' && p[digits] <= '9')
		digits++;
	require(digits > 0 && size >= 0);
	require(digits == len || p[digits] == ' ');
	require(!last || (p[len - 1] | 0x20) == 't');
}

static void
check_value(bool (*is)(const char *, size_t), const char *p, size_t len)
{
	size_t i;

	if (!is(p, len))
		return;
	require(len > 0 && len <= 500);
	for (i = 0; i < len; i++)
		require(
		    (unsigned char)p[i] > 0x20 && p[i] != 0x7f && p[i] != '=');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool (*const values[])(const char *, size_t) = { dsn_ret,
		dsn_envid, dsn_notify, dsn_orcpt };
	char *p;

	if (size-- == 0)
		return 0;
	p = malloc(size); /* of that size: a read behind it would be seen */
	require(p != NULL || size == 0);
	if (size > 0)
		memcpy(p, data + 1, size);
	if (data[0] % 5 == 4)
		check_chunk(p, size);
	else
		check_value(values[data[0] % 5], p, size);
	free(p);
	return 0;
}
