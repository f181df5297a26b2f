/*
 * Message data. A row that fails is a message that ends where its sender did
 * not end it (smuggling), one that is damaged on its way, or one refused for
 * nothing. Every row is fed whole, octet by octet and cut at every place.
 */
#include "tests/unit/fixture.h"
#include "worker/data.h"

#define BARE_CR 1
#define BARE_LF 2
#define NUL	4

/* A text of octets with its length, NUL included in the middle. */
#define T(text) text, sizeof(text) - 1

static const struct {
	const char *in;
	size_t len;
	int taken; /* octets, the end included; -1: there is no end */
	int size;  /* of the message */
	int flags;
	unsigned received;
	const char *message_id;
} rows[] = {
	/* the end */
	{ T(".\r\n"), 3, 0, 0, 0, "" },
	{ T("\r\n.\r\n"), 5, 2, 0, 0, "" },
	{ T("a\r\n.\r\n"), 6, 3, 0, 0, "" },
	{ T("a\r\n.\r\nQUIT\r\n"), 6, 3, 0, 0, "" },
	{ T("a\r\n..\r\n.\r\n"), 10, 6, 0, 0, "" },
	{ T("a\r\n.b\r\n.\r\n"), 10, 6, 0, 0, "" },
	{ T("...\r\n.\r\n"), 8, 4, 0, 0, "" },
	{ T("\r\n\r\n.\r\n"), 7, 4, 0, 0, "" },
	{ T("a.\r\n.\r\n"), 7, 4, 0, 0, "" },
	{ T(""), -1, 0, 0, 0, "" },
	{ T("."), -1, 1, 0, 0, "" },
	{ T(".\r"), -1, 2, 0, 0, "" },
	{ T("a\r\n"), -1, 3, 0, 0, "" },
	{ T("a.\r\n"), -1, 4, 0, 0, "" },
	{ T(" .\r\n"), -1, 4, 0, 0, "" },
	{ T("\r\n. \r\n"), -1, 5, 0, 0, "" },
	/* what others took for an end, and what it is */
	{ T("a\n.\nb\r\n.\r\n"), 10, 7, BARE_LF, 0, "" },
	{ T("a\n.\r\nb\r\n.\r\n"), 11, 8, BARE_LF, 0, "" },
	{ T("a\r\n.\nb\r\n.\r\n"), 11, 7, BARE_LF, 0, "" },
	{ T("a\r.\rb\r\n.\r\n"), 10, 7, BARE_CR, 0, "" },
	{ T("a\r\n.\rb\r\n.\r\n"), 11, 7, BARE_CR, 0, "" },
	{ T("a\r.\r\nb\r\n.\r\n"), 11, 8, BARE_CR, 0, "" },
	{ T("a\r\n.\r\r\nb\r\n.\r\n"), 13, 9, BARE_CR, 0, "" },
	{ T("a\r\r\n.\r\n"), 7, 4, BARE_CR, 0, "" },
	{ T("a\r\n\r.\r\nb\r\n.\r\n"), 13, 10, BARE_CR, 0, "" },
	{ T("a\r\n.\0\r\nb\r\n.\r\n"), 13, 9, NUL, 0, "" },
	{ T("a\r\n\0.\r\nb\r\n.\r\n"), 13, 10, NUL, 0, "" },
	{ T("a\r\n.\r\0\nb\r\n.\r\n"), 13, 9, BARE_CR | BARE_LF | NUL, 0, "" },
	{ T("a\n\r.\r\n"), -1, 6, BARE_CR | BARE_LF, 0, "" },
	{ T("\n.\r\n"), -1, 4, BARE_LF, 0, "" },
	{ T("\r.\r\n"), -1, 4, BARE_CR, 0, "" },
	{ T("\n\r\n.\r\n"), 6, 3, BARE_LF, 0, "" },
	/* the same in a body, where whole lines are taken at once */
	{ T("\r\nabc\ndef\r\n.\r\n"), 14, 11, BARE_LF, 0, "" },
	{ T("\r\nabc\rdef\r\n.\r\n"), 14, 11, BARE_CR, 0, "" },
	{ T("\r\nabc\r\rdef\r\n.\r\n"), 15, 12, BARE_CR, 0, "" },
	{ T("\r\nabcd\r\r\n.\r\n"), 12, 9, BARE_CR, 0, "" },
	{ T("\r\nabc\n\n.\r\nx\r\n.\r\n"), 16, 13, BARE_LF, 0, "" },
	{ T("\r\nab\0cd\r\n.\r\n"), 12, 9, NUL, 0, "" },
	{ T("\r\nabc\0\r\n.\r\n"), 11, 8, NUL, 0, "" },
	{ T("\r\nab\x80xy\r\n.\r\n"), 12, 9, 0, 0, "" },
	{ T("\r\nabc\xff\r\n.\r\n"), 11, 8, 0, 0, "" },
	{ T("\xc3\xbc\r\n.\r\n"), 7, 4, 0, 0, "" },
	{ T("\r\nabc\r\n.\r\n.\r\n"), 10, 7, 0, 0, "" },
	{ T("\r\nok\r\na\rb\r\n.\r\n"), 14, 11, BARE_CR, 0, "" },
	{ T("\r\nok\r\nab\r\r\n.\r\n"), 14, 11, BARE_CR, 0, "" },
	{ T("\r\nok\r\n\nab\r\n.\r\n"), 14, 11, BARE_LF, 0, "" },
	{ T("\r\nok\r\na\0b\r\n.\r\n"), 14, 11, NUL, 0, "" },
	/* what stands behind the end is no part of it */
	{ T("\r\nok\r\n.\r\n\0\n\r"), 9, 6, 0, 0, "" },
	/* hops */
	{ T("Received: a\r\n\r\n.\r\n"), 18, 15, 0, 1, "" },
	{ T("received:\r\nRECEIVED: b\r\nX-Received: c\r\n\r\nReceived: d\r\n"
	    ".\r\n"),
	    57, 54, 0, 2, "" },
	{ T("Received : a\r\n Received: b\r\n\r\n.\r\n"), 33, 30, 0, 0, "" },
	{ T("Received: a\r\n.\r\n"), 16, 13, 0, 1, "" },
	{ T(".Received: a\r\n..Received: b\r\n.\r\n"), 32, 27, 0, 1, "" },
	/* the message-id, folded or not */
	{ T("Message-ID: <1@x>\r\n\r\n.\r\n"), 24, 21, 0, 0, "<1@x>" },
	{ T("message-id:<1@x> \t\r\n\r\n.\r\n"), 25, 22, 0, 0, "<1@x>" },
	{ T("Message-ID:\r\n <1@x>\r\n\r\n.\r\n"), 26, 23, 0, 0, "<1@x>" },
	{ T("Message-ID: \r\n\t<1@x>\r\n\r\n.\r\n"), 27, 24, 0, 0, "<1@x>" },
	{ T("Message-ID: <1@x>\r\n <2@x>\r\n\r\n.\r\n"), 32, 29, 0, 0,
	    "<1@x>" },
	{ T("Message-ID: <1@x>\r\nMessage-ID: <2@x>\r\n\r\n.\r\n"), 43, 40, 0,
	    0, "<1@x>" },
	{ T("Message-ID:\r\nSubject: a\r\n b\r\n\r\n.\r\n"), 34, 31, 0, 0, "" },
	{ T("Message-ID:\r\n\r\n <1@x>\r\n.\r\n"), 26, 23, 0, 0, "" },
	{ T("\r\nMessage-ID: <1@x>\r\n.\r\n"), 24, 21, 0, 0, "" },
	{ T("X-Message-ID: <1@x>\r\n\r\n.\r\n"), 26, 23, 0, 0, "" },
};

/* Feed it in pieces of step octets, the first one of cut octets. */
static size_t
feed(struct data_scan *d, const char *in, size_t len, size_t cut, size_t step)
{
	size_t n, piece, at = 0;
	char *copy;

	data_start(d);
	while (at < len && !d->done) {
		piece = at == 0 && cut > 0 ? cut : step;
		if (piece > len - at)
			piece = len - at;
		copy = malloc(piece); /* a read behind it would be seen */
		assert_non_null(copy);
		memcpy(copy, in + at, piece);
		n = data_take(d, copy, piece);
		free(copy);
		at += n;
		if (!d->done)
			assert_int_equal(n, piece);
	}
	return at;
}

static void
check_row(size_t i, size_t cut, size_t step)
{
	bool ends = rows[i].taken != -1;
	struct data_scan d;
	size_t taken;
	int flags;

	taken = feed(&d, rows[i].in, rows[i].len, cut, step);
	flags = (d.bare_cr ? BARE_CR : 0) | (d.bare_lf ? BARE_LF : 0) |
	    (d.nul ? NUL : 0);
	if (d.done != ends || d.size != rows[i].size ||
	    flags != rows[i].flags || d.received != rows[i].received ||
	    strcmp(d.message_id, rows[i].message_id) != 0 ||
	    (ends && taken != (size_t)rows[i].taken) ||
	    d.wire != (int64_t)taken - (ends ? DATA_END_OCTETS : 0))
		fail_msg("row %zu, cut %zu, step %zu: done %d taken %zu "
			 "size %lld wire %lld flags %d received %u id %s",
		    i, cut, step, d.done, taken, (long long)d.size,
		    (long long)d.wire, flags, d.received, d.message_id);
}

static void
test_rows_in_any_split(void **state)
{
	size_t i, cut;

	(void)state;
	for (i = 0; i < NITEMS(rows); i++) {
		check_row(i, 0, rows[i].len + 1);
		check_row(i, 0, 1);
		check_row(i, 0, 2);
		check_row(i, 0, 3);
		for (cut = 1; cut < rows[i].len; cut++)
			check_row(i, cut, rows[i].len);
	}
}

/* A header line may be longer than what is kept of it. */
static void
test_long_header(void **state)
{
	static const char id[] = "Message-ID: <", end[] = "\r\n\r\n.\r\n";
	struct data_scan d;
	char text[2000];
	size_t len = strlen(id);

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text, id, len);
	memcpy(text + 1500, end, strlen(end));
	len = 1500 + strlen(end);
	assert_int_equal(feed(&d, text, len, 0, 7), len);
	assert_true(d.done);
	assert_int_equal(strlen(d.message_id), sizeof(d.message_id) - 1);
	assert_int_equal(d.size, 1504);
}

static const struct {
	const char *in, *out;
} unstuffed[] = {
	{ "", "" },
	{ "a\r\n", "a\n" },
	{ "\r\n", "\n" },
	{ "\r\n\r\n", "\n\n" },
	{ "..\r\n", ".\n" },
	{ ".a\r\n", "a\n" },
	{ "a\r\n..\r\n...\r\nb.\r\n", "a\n.\n..\nb.\n" },
	{ "a.b\r\n", "a.b\n" },
	{ ".\xff\r\n", "\xff\n" },
	{ "a\r\n..", "a\n." },
	/* what is refused by default, passed on as it is */
	{ "a\rb\r\n", "a\rb\n" },
	{ "a\r\r\n", "a\r\n" },
	{ "a\nb\r\n", "a\nb\n" },
	{ "a\n..b\r\n", "a\n..b\n" },
	{ "a\r.\r\n", "a\r.\n" },
	{ ".\rb\r\n", "\rb\n" },
};

static void
unstuff(size_t i, size_t cut, size_t step)
{
	const char *in = unstuffed[i].in;
	size_t len = strlen(in), piece, n = 0, at = 0;
	char out[64], *copy, *room;
	struct data_unstuff u;

	data_unstuff_start(&u);
	while (at < len) {
		piece = at == 0 && cut > 0 ? cut : step;
		if (piece > len - at)
			piece = len - at;
		copy = malloc(piece);
		room = malloc(piece + 1);
		assert_true(copy != NULL && room != NULL);
		memcpy(copy, in + at, piece);
		at += piece;
		piece = data_unstuff(&u, copy, piece, room);
		memcpy(out + n, room, piece);
		n += piece;
		free(copy);
		free(room);
	}
	out[n] = '\0';
	if (strcmp(out, unstuffed[i].out) != 0)
		fail_msg("row %zu, cut %zu, step %zu: %s", i, cut, step, out);
}

static void
test_unstuff_in_any_split(void **state)
{
	size_t i, cut;

	(void)state;
	for (i = 0; i < NITEMS(unstuffed); i++) {
		unstuff(i, 0, 100);
		unstuff(i, 0, 1);
		unstuff(i, 0, 2);
		for (cut = 1; cut < strlen(unstuffed[i].in); cut++)
			unstuff(i, cut, 100);
	}
}

/* ----------------------------------------------------------------- mending */

#define DATA true
#define BDAT false

static const struct {
	bool stuffed;
	const char *in;
	size_t len;
	const char *out;
	int flags;
} mended[] = {
	{ DATA, T(""), "", 0 },
	{ DATA, T("a\r\n"), "a\r\n", 0 },
	{ DATA, T("\r\n\r\n"), "\r\n\r\n", 0 },
	{ DATA, T("a\r\n..b\r\n"), "a\r\n..b\r\n", 0 },
	{ DATA, T("a\r\n.b\r\n"), "a\r\nb\r\n", 0 },
	{ DATA, T("..\r\n...\r\n"), "..\r\n...\r\n", 0 },
	/* each kind of line end is one line end */
	{ DATA, T("a\nb\r\n"), "a\r\nb\r\n", BARE_LF },
	{ DATA, T("a\rb\r\n"), "a\r\nb\r\n", BARE_CR },
	{ DATA, T("a\r\r\nb\r\n"), "a\r\nb\r\n", BARE_CR },
	{ DATA, T("a\r\r\r\r\n"), "a\r\n", BARE_CR },
	{ DATA, T("a\r\rb\r\n"), "a\r\nb\r\n", BARE_CR },
	{ DATA, T("a\n\nb\r\n"), "a\r\n\r\nb\r\n", BARE_LF },
	{ DATA, T("a\n\rb\r\n"), "a\r\n\r\nb\r\n", BARE_CR | BARE_LF },
	{ DATA, T("\r\n\r\r\n"), "\r\n\r\n", BARE_CR },
	{ DATA, T("\n"), "\r\n", BARE_LF },
	{ DATA, T("\rx"), "\r\nx\r\n", BARE_CR },
	/* a dot behind a line end that was none is text */
	{ DATA, T("a\n.\r\nb\r\n"), "a\r\n..\r\nb\r\n", BARE_LF },
	{ DATA, T("a\r.\r\nb\r\n"), "a\r\n..\r\nb\r\n", BARE_CR },
	{ DATA, T("a\n.\nb\r\n"), "a\r\n..\r\nb\r\n", BARE_LF },
	{ DATA, T("a\r.\rb\r\n"), "a\r\n..\r\nb\r\n", BARE_CR },
	{ DATA, T("a\n..b\r\n"), "a\r\n...b\r\n", BARE_LF },
	/* and one behind a CRLF was stuffed, whatever comes then */
	{ DATA, T("a\r\n.\nb\r\n"), "a\r\n\r\nb\r\n", BARE_LF },
	{ DATA, T("a\r\n.\r\r\nb\r\n"), "a\r\n\r\nb\r\n", BARE_CR },
	{ DATA, T("a\r\r\n.b\r\n"), "a\r\nb\r\n", BARE_CR },
	{ DATA, T(".\nQUIT\r\n"), "\r\nQUIT\r\n", BARE_LF },
	{ DATA, T(".\r.\r\n"), "\r\n..\r\n", BARE_CR },
	/* in chunks no dot is stuffed, and the last line may have no end */
	{ BDAT, T(""), "", 0 },
	{ BDAT, T("a"), "a\r\n", 0 },
	{ BDAT, T("a\r"), "a\r\n", BARE_CR },
	{ BDAT, T("a\n"), "a\r\n", BARE_LF },
	{ BDAT, T("."), "..\r\n", 0 },
	{ BDAT, T(".\r\n"), "..\r\n", 0 },
	{ BDAT, T("a\r\n.\r\nb"), "a\r\n..\r\nb\r\n", 0 },
	{ BDAT, T("a\r\n..\r\n"), "a\r\n...\r\n", 0 },
	{ BDAT, T("a\n.\nb\n"), "a\r\n..\r\nb\r\n", BARE_LF },
	{ BDAT, T("a\r\r\n.\r\r\n"), "a\r\n..\r\n", BARE_CR },
};

static void
mend(size_t i, size_t cut, size_t step)
{
	size_t len = mended[i].len, piece, n = 0, at = 0;
	struct data_mend m;
	char out[64], *room;

	data_mend_start(&m, mended[i].stuffed);
	while (at < len) {
		piece = at == 0 && cut > 0 ? cut : step;
		if (piece > len - at)
			piece = len - at;
		room = malloc(2 * piece + 4);
		assert_non_null(room);
		cut = data_mend(&m, mended[i].in + at, piece, room);
		at += piece;
		memcpy(out + n, room, cut);
		n += cut;
		free(room);
	}
	n += data_mend_end(&m, out + n);
	out[n] = '\0';
	if (strcmp(out, mended[i].out) != 0 ||
	    m.bare_cr != ((mended[i].flags & BARE_CR) != 0) ||
	    m.bare_lf != ((mended[i].flags & BARE_LF) != 0))
		fail_msg("row %zu, step %zu: %s", i, step, out);
}

static void
test_mend_in_any_split(void **state)
{
	size_t i, cut;

	(void)state;
	for (i = 0; i < NITEMS(mended); i++) {
		mend(i, 0, 100);
		mend(i, 0, 1);
		mend(i, 0, 2);
		for (cut = 1; cut < mended[i].len; cut++)
			mend(i, cut, 100);
	}
}

static void
test_longest_line(void **state)
{
	static const struct {
		const char *in;
		int64_t longest;
	} lines[] = {
		{ ".\r\n", 0 },
		{ "\r\n.\r\n", 0 },
		{ "abc\r\nab\r\n\r\n.\r\n", 3 },
		{ "a\r\n.abc\r\n.\r\n", 3 },
		{ "a\r\n..\r\n.\r\n", 1 },
		{ "a\r\n\r\nabcd\r\n.\r\n", 4 },
	};
	struct data_scan d;
	size_t i, step;

	(void)state;
	for (i = 0; i < NITEMS(lines); i++)
		for (step = 1; step < 30; step++) {
			feed(&d, lines[i].in, strlen(lines[i].in), 0, step);
			assert_int_equal(d.longest, lines[i].longest);
		}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows_in_any_split),
		cmocka_unit_test(test_long_header),
		cmocka_unit_test(test_unstuff_in_any_split),
		cmocka_unit_test(test_mend_in_any_split),
		cmocka_unit_test(test_longest_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
