/*
 * Log lines. A row that fails is a line that a client could forge, or one that
 * a script cannot take apart. Descriptor 2 is a pipe while a line is sent.
 */
#include <fcntl.h>

#include "tests/unit/fixture.h"
#include "worker/log.h"

static struct pipe_log {
	int saved;
	int fds[2];
} plog;

static void
divert(void)
{
	assert_int_equal(pipe2(plog.fds, O_NONBLOCK), 0);
	plog.saved = dup(STDERR_FILENO);
	dup2(plog.fds[1], STDERR_FILENO);
	log_open(1);
}

/* Back to the real stderr; what was logged, without "lictord[PID]: ". */
static size_t
collect(char *out, size_t size)
{
	char buf[8192], head[32];
	ssize_t n;
	size_t len;

	dup2(plog.saved, STDERR_FILENO);
	close(plog.saved);
	n = read(plog.fds[0], buf, sizeof(buf) - 1);
	close(plog.fds[0]);
	close(plog.fds[1]);
	out[0] = '\0';
	if (n <= 0)
		return 0;
	buf[n] = '\0';
	len = (size_t)snprintf(head, sizeof(head),
	    "lictord[%d]: ", (int)getpid());
	assert_memory_equal(buf, head, len);
	assert_int_equal(buf[n - 1], '\n');
	buf[n - 1] = '\0';
	return strlcpy(out, buf + len, size);
}

static const struct {
	const char *value;
	size_t len;
	const char *out;
} values[] = {

#define T(text) text, sizeof(text) - 1
	{ T("plain"), "event=x key=plain" },
	{ T("<a@b.example>"), "event=x key=<a@b.example>" },
	{ T("two words"), "event=x key=\"two words\"" },
	{ T(" "), "event=x key=\" \"" },
	{ T("a=b"), "event=x key=\"a=b\"" },
	{ T("a\"b"), "event=x key=\"a\\\"b\"" },
	{ T("a\\b"), "event=x key=\"a\\\\b\"" },
	{ T("a\nevent=refuse"), "event=x key=\"a\\x0aevent=refuse\"" },
	{ T("a\r\nb"), "event=x key=\"a\\x0d\\x0ab\"" },
	{ T("a\tb"), "event=x key=\"a\\x09b\"" },
	{ T("a\0b"), "event=x key=\"a\\x00b\"" },
	{ T("\x1b[2J"), "event=x key=\"\\x1b[2J\"" },
	{ T("\x7f"), "event=x key=\"\\x7f\"" },
	{ T("\xc3\xbc"), "event=x key=\"\\xc3\\xbc\"" },
	{ T("%s%n"), "event=x key=%s%n" },
	{ T(""), "event=x" },
};

static void
test_values(void **state)
{
	struct logline l;
	char out[4096];
	size_t i;

	(void)state;
	for (i = 0; i < NITEMS(values); i++) {
		divert();
		log_start(&l, LOG_USUAL, "x");
		log_octets(&l, "key", values[i].value, values[i].len);
		log_send(&l);
		collect(out, sizeof(out));
		assert_string_equal(out, values[i].out);
	}
}

static void
test_kinds(void **state)
{
	struct logline l;
	char out[4096];

	(void)state;
	divert();
	log_start(&l, LOG_ODD, "x");
	log_text(&l, "none", NULL);
	log_text(&l, "empty", "");
	log_text(&l, "text", "a b");
	log_number(&l, "n", INT64_MIN);
	log_format(&l, "fmt", "<%s>", "\n");
	log_send(&l);
	collect(out, sizeof(out));
	assert_string_equal(out,
	    "event=x text=\"a b\" n=-9223372036854775808 fmt=\"<\\x0a>\"");
	divert();
	log_event(LOG_BAD, "worker", "%s: %d", "fork failed", 11);
	collect(out, sizeof(out));
	assert_string_equal(out, "event=worker text=\"fork failed: 11\"");
}

/* A value is cut, and the keys behind it are there all the same. */
static void
test_long_value(void **state)
{
	char text[3000], out[4096];
	struct logline l;

	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	divert();
	log_start(&l, LOG_USUAL, "x");
	log_text(&l, "a", text);
	log_format(&l, "b", "%s", text);
	log_text(&l, "c", "end");
	log_send(&l);
	collect(out, sizeof(out));
	assert_int_equal(strlen(out),
	    strlen("event=x a= b= c=end") + 2 * LOG_VALUE_MAX);
	assert_string_equal(out + strlen(out) - 6, " c=end");
}

/* The longest line a client can cause stays one line of bounded length. */
static void
test_long_line(void **state)
{
	char text[LOG_VALUE_MAX], out[4096], key[16];
	struct logline l;
	size_t len;
	int i;

	(void)state;
	memset(text, '\n', sizeof(text));
	divert();
	log_start(&l, LOG_USUAL, "x");
	for (i = 0; i < 50; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		log_octets(&l, key, text, sizeof(text));
	}
	log_send(&l);
	len = collect(out, sizeof(out));
	assert_true(len <= LOG_LINE_MAX);
	assert_null(strchr(out, '\n'));
	assert_int_equal(out[len - 1], '"');
}

/* A log that cannot be written holds nobody, and the loss is told. */
static void
test_dropped(void **state)
{
	char fill[4096], out[4096];
	struct logline l;

	(void)state;
	divert();
	memset(fill, 'x', sizeof(fill));
	while (write(plog.fds[1], fill, sizeof(fill)) > 0)
		;
	log_event(LOG_NOTE, "x", "lost");
	log_event(LOG_NOTE, "x", "lost");
	while (read(plog.fds[0], fill, sizeof(fill)) > 0)
		;
	log_start(&l, LOG_NOTE, "x");
	log_send(&l);
	collect(out, sizeof(out));
	assert_string_equal(out, "event=x dropped=2");
	divert();
	log_start(&l, LOG_NOTE, "x");
	log_send(&l);
	collect(out, sizeof(out));
	assert_string_equal(out, "event=x");
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_long_value),
		cmocka_unit_test(test_long_line),
		cmocka_unit_test(test_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
