/*
 * Replies of a next hop. A row that fails is a refusal that a sender sees as
 * success, or a broken hop that is believed.
 */
#include "tests/unit/fixture.h"
#include "worker/hop_reply.h"

#define T(text) text, sizeof(text) - 1

static const struct {
	const char *in;
	size_t len;
	enum hop_reply_state state;
	int code;
	const char *status, *text, *lines; /* of each line, joined by | */
} rows[] = {
	/* one line */
	{ T("250 ok\r\n"), REPLY_DONE, 250, "", "ok", "ok" },
	{ T("250 2.0.0 ok\r\n"), REPLY_DONE, 250, "2.0.0", "ok", "2.0.0 ok" },
	{ T("550 5.1.1 no\r\n"), REPLY_DONE, 550, "5.1.1", "no", "5.1.1 no" },
	{ T("250\r\n"), REPLY_DONE, 250, "", "", "" },
	{ T("250 \r\n"), REPLY_DONE, 250, "", "", "" },
	{ T("250 2.0.0\r\n"), REPLY_DONE, 250, "2.0.0", "", "2.0.0" },
	{ T("250 ok\n"), REPLY_DONE, 250, "", "ok", "ok" },
	{ T("354 go\r\n"), REPLY_DONE, 354, "", "go", "go" },
	{ T("599 x\r\n"), REPLY_DONE, 599, "", "x", "x" },
	{ T("200 x\r\n"), REPLY_DONE, 200, "", "x", "x" },
	/* several */
	{ T("250-a\r\n250-b\r\n250 c\r\n"), REPLY_DONE, 250, "", "a", "a|b|c" },
	{ T("550-5.7.1 a\r\n550 5.7.1 b\r\n"), REPLY_DONE, 550, "5.7.1", "a",
	    "5.7.1 a|5.7.1 b" },
	{ T("250-a\r\n250\r\n"), REPLY_DONE, 250, "", "a", "a|" },
	{ T("250-\r\n250 b\r\n"), REPLY_DONE, 250, "", "", "|b" },
	{ T("250-a\r\n"), REPLY_MORE, 250, "", "a", "a" },
	{ T("250"), REPLY_MORE, 0, "", "", "" },
	{ T(""), REPLY_MORE, 0, "", "", "" },
	/* enhanced codes that are none, or of another class */
	{ T("550 2.1.1 no\r\n"), REPLY_DONE, 550, "", "2.1.1 no", "2.1.1 no" },
	{ T("550 5.1 no\r\n"), REPLY_DONE, 550, "", "5.1 no", "5.1 no" },
	{ T("550 5.1.1no\r\n"), REPLY_DONE, 550, "", "5.1.1no", "5.1.1no" },
	{ T("550 5.1234.1 no\r\n"), REPLY_DONE, 550, "", "5.1234.1 no",
	    "5.1234.1 no" },
	{ T("550 5.999.999 no\r\n"), REPLY_DONE, 550, "5.999.999", "no",
	    "5.999.999 no" },
	{ T("550 5..1 no\r\n"), REPLY_DONE, 550, "", "5..1 no", "5..1 no" },
	{ T("550 5.1. no\r\n"), REPLY_DONE, 550, "", "5.1. no", "5.1. no" },
	/* what a client must not be told as it is */
	{ T("550 a\tb\x1b[1mc\xff\r\n"), REPLY_DONE, 550, "", "a?b?[1mc?",
	    "a\tb\x1b[1mc\xff" },
	{ T("550 a\rb\r\n"), REPLY_DONE, 550, "", "a?b", "a\rb" },
	/* no replies */
	{ T("\r\n"), REPLY_BROKEN, 0, "", "", "" },
	{ T("25\r\n"), REPLY_BROKEN, 0, "", "", "" },
	{ T("2x0 ok\r\n"), REPLY_BROKEN, 0, "", "", "" },
	{ T("250ok\r\n"), REPLY_BROKEN, 0, "", "", "" },
	{ T("250\tok\r\n"), REPLY_BROKEN, 0, "", "", "" },
	{ T("150 ok\r\n"), REPLY_BROKEN, 0, "", "", "" },
	{ T("600 ok\r\n"), REPLY_BROKEN, 0, "", "", "" },
	{ T("000 ok\r\n"), REPLY_BROKEN, 0, "", "", "" },
	{ T(" 250 ok\r\n"), REPLY_BROKEN, 0, "", "", "" },
	{ T("HTTP/1.1 200 OK\r\n"), REPLY_BROKEN, 0, "", "", "" },
	{ T("250-a\r\n550 b\r\n"), REPLY_BROKEN, 250, "", "a", "a" },
	{ T("250-a\r\nb\r\n"), REPLY_BROKEN, 250, "", "a", "a" },
	{ T("250 o\0k\r\n"), REPLY_BROKEN, 0, "", "", "" },
	{ T("\0"), REPLY_BROKEN, 0, "", "", "" },
};

static char seen[65536];

static void
see(void *arg, const char *line)
{
	unsigned *n = arg;

	if ((*n)++ > 0)
		strlcat(seen, "|", sizeof(seen));
	strlcat(seen, line, sizeof(seen));
}

static enum hop_reply_state
feed(struct hop_reply *r, const char *in, size_t len, size_t cut, size_t step,
    size_t *used)
{
	enum hop_reply_state state = REPLY_MORE;
	size_t n, piece;
	unsigned lines = 0;
	char *copy;

	hop_reply_start(r);
	seen[0] = '\0';
	for (*used = 0; *used < len && state == REPLY_MORE; *used += n) {
		piece = *used == 0 && cut > 0 ? cut : step;
		if (piece > len - *used)
			piece = len - *used;
		copy = malloc(piece);
		assert_non_null(copy);
		memcpy(copy, in + *used, piece);
		state = hop_reply_take(r, copy, piece, &n, see, &lines);
		free(copy);
		assert_true(n == piece || state != REPLY_MORE);
	}
	return state;
}

static void
check_row(size_t i, size_t cut, size_t step)
{
	static struct hop_reply r;
	enum hop_reply_state state;
	size_t used;

	state = feed(&r, rows[i].in, rows[i].len, cut, step, &used);
	if (state != rows[i].state || r.code != rows[i].code ||
	    strcmp(r.status, rows[i].status) != 0 ||
	    strcmp(r.text, rows[i].text) != 0 ||
	    strcmp(seen, rows[i].lines) != 0)
		fail_msg("row %zu, cut %zu, step %zu: %d %d [%s] [%s] [%s]", i,
		    cut, step, state, r.code, r.status, r.text, seen);
	if (state == REPLY_DONE)
		assert_int_equal(used, rows[i].len);
}

static void
test_rows_in_any_split(void **state)
{
	size_t i, cut;

	(void)state;
	for (i = 0; i < NITEMS(rows); i++) {
		check_row(i, 0, rows[i].len + 1);
		check_row(i, 0, 1);
		check_row(i, 0, 3);
		for (cut = 1; cut < rows[i].len; cut++)
			check_row(i, cut, rows[i].len);
	}
}

/* What is behind a reply belongs to the next one. */
static void
test_two_replies(void **state)
{
	static const char in[] = "250 a\r\n550 b\r\n";
	static struct hop_reply r;
	size_t used;

	(void)state;
	assert_int_equal(feed(&r, in, strlen(in), 0, 100, &used), REPLY_DONE);
	assert_int_equal(used, 7);
	assert_int_equal(feed(&r, in + 7, strlen(in) - 7, 0, 100, &used),
	    REPLY_DONE);
	assert_int_equal(r.code, 550);
	assert_string_equal(r.text, "b");
}

/* 2048 octets with CRLF are a line, one more is none; text is cut. */
static void
test_line_length(void **state)
{
	static char in[HOP_LINE_OCTETS + 2];
	static struct hop_reply r;
	size_t used, len;

	(void)state;
	for (len = HOP_LINE_OCTETS; len <= HOP_LINE_OCTETS + 1; len++) {
		memset(in, 'x', sizeof(in));
		memcpy(in, "250 ", 4);
		memcpy(in + len - 2, "\r\n", 2);
		assert_int_equal(feed(&r, in, len, 0, 100, &used),
		    len == HOP_LINE_OCTETS ? REPLY_DONE : REPLY_BROKEN);
		if (len == HOP_LINE_OCTETS)
			assert_int_equal(strlen(r.text), sizeof(r.text) - 1);
	}
}

static void
test_number_of_lines(void **state)
{
	static char in[(HOP_LINES + 1) * 7 + 1];
	static struct hop_reply r;
	size_t used, i, n;

	(void)state;
	for (n = HOP_LINES; n <= HOP_LINES + 1; n++) {
		in[0] = '\0';
		for (i = 1; i < n; i++)
			strlcat(in, "250-x\r\n", sizeof(in));
		strlcat(in, "250 x\r\n", sizeof(in));
		assert_int_equal(feed(&r, in, strlen(in), 0, 11, &used),
		    n == HOP_LINES ? REPLY_DONE : REPLY_BROKEN);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows_in_any_split),
		cmocka_unit_test(test_two_replies),
		cmocka_unit_test(test_line_length),
		cmocka_unit_test(test_number_of_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
