/*
 * Other protocols by how they begin. A row that fails is a browser that was
 * made to send mail, or a client of SMTP that is cut off.
 */
#include "tests/unit/fixture.h"
#include "worker/foreign.h"

static const struct {
	const char *line, *protocol;
} lines[] = {
	{ "GET / HTTP/1.1", "http" },
	{ "POST /x HTTP/1.0", "http" },
	{ "HEAD /", "http" },
	{ "PUT /", "http" },
	{ "DELETE /", "http" },
	{ "OPTIONS sip:x SIP/2.0", "http" },
	{ "TRACE /", "http" },
	{ "CONNECT 127.0.0.1:25 HTTP/1.0", "http" },
	{ "PATCH /", "http" },
	{ "PROPFIND /", "http" },
	{ "PRI * HTTP/2.0", "http" },
	{ "SSH-2.0-OpenSSH_9.2", "ssh" },
	/* these may be a client's mistake */
	{ "GET", NULL },
	{ "GETX /", NULL },
	{ "get / HTTP/1.1", NULL },
	{ " GET /", NULL },
	{ "HELO GET ", NULL },
	{ "SSH", NULL },
	{ "PRI * HTTP", NULL },
	{ "", NULL },
};

static void
test_lines(void **state)
{
	const char *got;
	char *copy;
	size_t i, len;

	(void)state;
	for (i = 0; i < NITEMS(lines); i++) {
		len = strlen(lines[i].line);
		copy = malloc(len); /* a read behind it would be seen */
		assert_true(copy != NULL || len == 0);
		memcpy(copy, lines[i].line, len);
		got = foreign_line(copy, len);
		free(copy);
		if (lines[i].protocol == NULL)
			assert_null(got);
		else
			assert_string_equal(got, lines[i].protocol);
	}
}

/* Whatever can begin a line of text may begin a session. */
static void
test_octets(void **state)
{
	int c;

	(void)state;
	for (c = ' '; c < 0x7f; c++)
		assert_null(foreign_octet((char)c));
	assert_null(foreign_octet('\t'));
	assert_null(foreign_octet('\r'));
	assert_null(foreign_octet('\n'));
	assert_string_equal(foreign_octet(0x16), "tls");
	assert_string_equal(foreign_octet(4), "socks");
	assert_string_equal(foreign_octet(5), "socks");
	assert_string_equal(foreign_octet(0), "binary");
	assert_string_equal(foreign_octet(0x1b), "binary");
	for (c = 0x7f; c <= 0xff; c++)
		assert_string_equal(foreign_octet((char)c), "binary");
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_octets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
