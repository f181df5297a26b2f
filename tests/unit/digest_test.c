/*
 * By what a message is known. A row that fails is mail that is swallowed as a
 * copy of another, or that arrives twice.
 */
#include "tests/unit/fixture.h"
#include "worker/digest.h"

static void
digest(uint8_t out[DIGEST_OCTETS], const char *p, size_t len, size_t piece)
{
	struct digest g;
	size_t n;

	digest_start(&g);
	for (; len > 0; p += n, len -= n) {
		n = len < piece ? len : piece;
		digest_take(&g, p, n);
	}
	digest_end(&g, out);
}

static bool
same(const char *a, const char *b)
{
	uint8_t x[DIGEST_OCTETS], y[DIGEST_OCTETS];

	digest(x, a, strlen(a), SIZE_MAX);
	digest(y, b, strlen(b), SIZE_MAX);
	return memcmp(x, y, sizeof(x)) == 0;
}

#define PLAIN "From: a@b\r\nSubject: x\r\n\r\nbody\r\n"

static const struct {
	const char *a, *b;
	bool same;
} rows[] = {
	{ PLAIN, PLAIN, true },
	/* the way it came */
	{ PLAIN, "Received: from x by y; z\r\n" PLAIN, true },
	{ PLAIN, "received: from x\r\n\tby y;\r\n z\r\n" PLAIN, true },
	{ PLAIN, "Return-Path: <a@b>\r\nRECEIVED: x\r\n" PLAIN, true },
	{ "Received: x\r\n" PLAIN, "Received: y\r\n\tz\r\n" PLAIN, true },
	{ PLAIN, "From: a@b\r\nReceived: x\r\nSubject: x\r\n\r\nbody\r\n",
	    true },
	/* everything else counts */
	{ PLAIN, "From: a@b\r\nSubject: y\r\n\r\nbody\r\n", false },
	{ PLAIN, "From: a@c\r\nSubject: x\r\n\r\nbody\r\n", false },
	{ PLAIN, "From: a@b\r\nSubject: x\r\n\r\nbodY\r\n", false },
	{ PLAIN, "Subject: x\r\nFrom: a@b\r\n\r\nbody\r\n", false },
	{ PLAIN, "X: 1\r\n" PLAIN, false },
	{ PLAIN, PLAIN "more\r\n", false },
	{ PLAIN, "", false },
	{ PLAIN, "Received-SPF: x\r\n" PLAIN, false },
	{ PLAIN, "X-Received: x\r\n" PLAIN, false },
	{ PLAIN, "Receive: x\r\n" PLAIN, false },
	{ PLAIN, "Return-Path-To-Somebody: x\r\n" PLAIN, false },
	{ "X-A-Very-Long-Name-Of-A-Field: x\r\n" PLAIN,
	    "X-A-Very-Long-Name-Of-A-Field: y\r\n" PLAIN, false },
	{ "X-A-Very-Long-Name-Of-A-Field: x\r\n" PLAIN,
	    "X-A-Very-Long-Name-Of-B-Field: x\r\n" PLAIN, false },
	{ "X: 1\r\n 2\r\n" PLAIN, "X: 1\r\n 3\r\n" PLAIN, false },
	/* the rest of a field that is left out ends with the next field */
	{ "Received: x\r\n y\r\nTo: a\r\n b\r\n" PLAIN,
	    "Received: x\r\n y\r\nTo: a\r\n c\r\n" PLAIN, false },
	/* no field is one in the body */
	{ PLAIN "Received: x\r\n", PLAIN, false },
	{ PLAIN "Received: x\r\n", PLAIN "Received: y\r\n", false },
	/* nor behind what is no header at all */
	{ "no header\r\nReceived: x\r\n", "no header\r\nReceived: y\r\n",
	    false },
	{ " x\r\nReceived: x\r\n", " x\r\nReceived: y\r\n", false },
	{ ": x\r\nReceived: x\r\n", ": x\r\nReceived: y\r\n", false },
	{ "Received : x\r\n" PLAIN, "Received : y\r\n" PLAIN, false },
	{ "\r\nReceived: x\r\n", "\r\nReceived: y\r\n", false },
	{ "Received: x\r\n\r\n", "Received: y\r\n\r\n", true },
	/* names without an end */
	{ "Received", "Receive", false },
	{ "Received", "Received:", false },
	{ "", "Received:", true },
	{ "X-A-Very-Long-Name", "X-A-Very-Long-Nam", false },
};

static void
test_rows(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < NITEMS(rows); i++)
		if (same(rows[i].a, rows[i].b) != rows[i].same)
			fail_msg("row %zu: %s", i, rows[i].b);
}

static void
test_any_split(void **state)
{
	uint8_t whole[DIGEST_OCTETS], parts[DIGEST_OCTETS];
	size_t i, piece, len;

	(void)state;
	for (i = 0; i < NITEMS(rows); i++) {
		len = strlen(rows[i].b);
		digest(whole, rows[i].b, len, SIZE_MAX);
		for (piece = 1; piece < 14; piece++) {
			digest(parts, rows[i].b, len, piece);
			assert_memory_equal(whole, parts, sizeof(whole));
		}
	}
}

/* It is SHA-256, of FIPS 180-4's own example. */
static void
test_the_hash(void **state)
{
	static const uint8_t abc[4] = { 0xba, 0x78, 0x16, 0xbf };
	uint8_t out[DIGEST_OCTETS];

	(void)state;
	digest(out, "abc", 3, 1);
	assert_memory_equal(out, abc, sizeof(abc));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_any_split),
		cmocka_unit_test(test_the_hash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
