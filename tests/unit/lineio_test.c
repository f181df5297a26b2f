/*
 * Lines from a client, over a socket. A row that fails is a command that is
 * lost, or the tail of a line that is taken for one.
 */
#include <sys/socket.h>

#include <errno.h>
#include <signal.h>

#include "tests/unit/fixture.h"
#include "worker/lineio.h"
#include "worker/wait.h"

static struct wire {
	int client;
	int gateway;
	struct waiting waiting;
	struct lineio io;
} w;

static void
wire_open(int type)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, fds), 0);
	w.client = fds[0];
	w.gateway = fds[1];
	wait_init(&w.waiting);
	io_init(&w.io, &w.waiting, w.gateway);
}

static void
wire_close(void)
{
	if (w.client != -1)
		close(w.client);
	close(w.gateway);
}

static void
client_sends(const char *p, size_t len)
{
	assert_int_equal(write(w.client, p, len), (ssize_t)len);
}

/*
 * Take all lines that are there and append them to out: each in brackets, "+"
 * for one that was too long, "$" at the end of the connection.
 */
static void
take_lines(char *out, size_t size)
{
	const char *line;
	char one[80];
	size_t len;

	for (;;) {
		switch (io_line(&w.io, clock_ms() + 1, &line, &len)) {
		case IO_OK:
			snprintf(one, sizeof(one), "[%.*s]",
			    len > 60 ? 60 : (int)len, line);
			strlcat(out, one, size);
			continue;
		case IO_LONG:
			strlcat(out, "+", size);
			strlcat(out, w.io.head[0] == 'x' ? "" : "?", size);
			continue;
		case IO_EOF:
			strlcat(out, "$", size);
			return;
		case IO_LATE:
			return;
		default:
			fail_msg("the connection failed");
		}
	}
}

static const struct {
	const char *in, *out;
} rows[] = {
	{ "NOOP\r\n", "[NOOP]" },
	{ "\r\n", "[]" },
	{ "A\r\nB\r\nC\r\n", "[A][B][C]" },
	{ "A\r\n\r\n\r\nB", "[A][][]" },
	{ "A\nB\r\n", "[A\nB]" },
	{ "A\rB\r\n", "[A\rB]" },
	{ "A\r\r\n", "[A\r]" },
	{ "\nA\r\n", "[\nA]" },
	{ "A\n\r\n", "[A\n]" },
	{ "A\r", "" },
	{ "A\n", "" },
};

/* The client's CRLF may be cut anywhere, and lines may come together. */
static void
test_lines_in_any_split(void **state)
{
	size_t i, cut, len;
	char out[256];

	(void)state;
	for (i = 0; i < NITEMS(rows); i++) {
		len = strlen(rows[i].in);
		for (cut = 0; cut < len; cut++) {
			wire_open(SOCK_STREAM);
			out[0] = '\0';
			if (cut > 0) {
				client_sends(rows[i].in, cut);
				take_lines(out, sizeof(out));
			}
			client_sends(rows[i].in + cut, len - cut);
			take_lines(out, sizeof(out));
			if (strcmp(out, rows[i].out) != 0)
				fail_msg("row %zu cut at %zu: %s", i, cut, out);
			wire_close();
		}
	}
}

/* len is that of the long line with its CRLF; odd stands at its place. */
static const struct {
	size_t len;
	const char *odd;
	size_t place;
	const char *out;
} longs[] = {
	{ LINE_OCTETS, "", 0, NULL }, /* just fits */
	{ LINE_OCTETS + 1, "", 0, "+[NOOP]" },
	{ LINE_OCTETS + 2, "", 0, "+[NOOP]" },
	{ 5000, "\nQUIT\n", LINE_OCTETS + 10, "+[NOOP]" },
	{ 5000, "\rQUIT\r", LINE_OCTETS - 2, "+[NOOP]" },
	{ 5000, "\n\r", LINE_OCTETS, "+[NOOP]" },
	{ 65535, "", 0, "+[NOOP]" },
	{ 65536, "", 0, "+[NOOP]" },
	{ 65537, "", 0, "+[NOOP]" },
	{ 65538, "", 0, "+[NOOP]" },
	{ 100000, "", 0, "+[NOOP]" },
};

static void
check_long(size_t i, size_t cut)
{
	static const char next[] = "NOOP\r\n";
	static char text[100000 + sizeof(next)];
	size_t len = longs[i].len + sizeof(next) - 1;
	char out[256] = "";

	memset(text, 'x', sizeof(text));
	memcpy(text + longs[i].place, longs[i].odd, strlen(longs[i].odd));
	memcpy(text + longs[i].len - 2, "\r\n", 2);
	memcpy(text + longs[i].len, next, sizeof(next));
	wire_open(SOCK_STREAM);
	if (cut > 0 && cut < len) {
		client_sends(text, cut);
		take_lines(out, sizeof(out));
	} else {
		cut = 0;
	}
	client_sends(text + cut, len - cut);
	take_lines(out, sizeof(out));
	if (longs[i].out == NULL)
		assert_true(
		    out[0] == '[' && strcmp(strchr(out, ']'), "][NOOP]") == 0);
	else if (strcmp(out, longs[i].out) != 0)
		fail_msg("row %zu cut at %zu: %s", i, cut, out);
	wire_close();
}

/* Reported once, skipped to its CRLF, and its tail is no command. */
static void
test_long_lines(void **state)
{
	static const size_t cuts[] = { 0, 1, LINE_OCTETS - 3, LINE_OCTETS - 2,
		LINE_OCTETS - 1, LINE_OCTETS, LINE_OCTETS + 1, LINE_OCTETS + 2,
		LINE_OCTETS + 12, 4997, 4998, 4999, 5000, 5001, 65533, 65534,
		65535, 65536, 65537, 65538, 99998, 99999, 100000 };
	size_t i, j;

	(void)state;
	for (i = 0; i < NITEMS(longs); i++)
		for (j = 0; j < NITEMS(cuts); j++)
			check_long(i, cuts[j]);
}

static void
test_end_of_connection(void **state)
{
	char out[64] = "";

	(void)state;
	wire_open(SOCK_STREAM);
	client_sends("A\r\nB", 4);
	close(w.client);
	w.client = -1;
	take_lines(out, sizeof(out));
	assert_string_equal(out, "[A]$");
	wire_close();
}

/* RFC 2920: a group of commands is answered in one write. */
static void
test_output_is_gathered(void **state)
{
	char buf[8192];
	int i;

	(void)state;
	wire_open(SOCK_SEQPACKET);
	for (i = 0; i < 100; i++)
		io_put(&w.io, "250 2.0.0 ok\r\n", 14, clock_ms() + 1000);
	assert_int_equal(recv(w.client, buf, sizeof(buf), 0), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(io_flush(&w.io, clock_ms() + 1000), IO_OK);
	assert_int_equal(recv(w.client, buf, sizeof(buf), 0), 1400);
	assert_int_equal(recv(w.client, buf, sizeof(buf), 0), -1);
	wire_close();
}

/* What waits is flushed before the gateway waits for the client. */
static void
test_output_before_waiting(void **state)
{
	const char *line;
	char buf[64];
	size_t len;

	(void)state;
	wire_open(SOCK_STREAM);
	io_put(&w.io, "220 hello\r\n", 11, clock_ms() + 1000);
	assert_int_equal(io_line(&w.io, clock_ms() + 1, &line, &len), IO_LATE);
	assert_int_equal(recv(w.client, buf, sizeof(buf), 0), 11);
	wire_close();
}

/* More than the buffers hold arrives complete and in order. */
static void
test_much_output(void **state)
{
	char out[10000], in[10000];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(out); i++)
		out[i] = (char)(i * 7 / 3);
	wire_open(SOCK_STREAM);
	io_put(&w.io, out, sizeof(out), clock_ms() + 1000);
	assert_int_equal(io_flush(&w.io, clock_ms() + 1000), IO_OK);
	assert_int_equal(recv(w.client, in, sizeof(in), 0), sizeof(in));
	assert_memory_equal(in, out, sizeof(in));
	wire_close();
}

/* A client that does not read holds nobody beyond the deadline. */
static void
test_client_does_not_read(void **state)
{
	int64_t deadline = clock_ms() + 100;
	char piece[4096];
	int i;

	(void)state;
	memset(piece, 'x', sizeof(piece));
	wire_open(SOCK_STREAM);
	for (i = 0; i < 1000; i++)
		io_put(&w.io, piece, sizeof(piece), deadline);
	io_flush(&w.io, deadline);
	assert_true(w.io.failed);
	assert_in_range(clock_ms() - deadline, 0, 1000);
	assert_int_equal(io_flush(&w.io, deadline), IO_FAILED);
	wire_close();
}

static void
test_client_is_gone(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	wire_open(SOCK_STREAM);
	close(w.client);
	w.client = -1;
	io_put(&w.io, "x", 1, clock_ms() + 1000);
	assert_int_equal(io_flush(&w.io, clock_ms() + 1000), IO_FAILED);
	assert_int_equal(io_flush(&w.io, clock_ms() + 1000), IO_FAILED);
	wire_close();
}

/* A way of octets that has some in hand where poll(2) sees none. */
static struct {
	const char *hand;	     /* what a read gives, line by line */
	int blocked;		     /* a write wants POLLIN so often first */
	char out[64];		     /* what was written */
	int waits_to_read, finishes; /* POLLOUT wanted by reads; ends said */
} far;

static ssize_t
far_read(void *arg, void *buf, size_t len, short *events)
{
	size_t n = strcspn(far.hand, "|");

	(void)arg;
	(void)len;
	*events = POLLIN;
	if (far.waits_to_read > 0) {
		far.waits_to_read--;
		*events = POLLOUT; /* the socket is writable: at once */
		errno = EAGAIN;
		return -1;
	}
	if (n == 0) {
		errno = EAGAIN;
		return -1;
	}
	memcpy(buf, far.hand, n);
	far.hand += n + (far.hand[n] == '|');
	return (ssize_t)n;
}

static ssize_t
far_write(void *arg, const void *buf, size_t len, short *events)
{
	size_t have = strlen(far.out);

	(void)arg;
	*events = POLLIN;
	if (far.blocked > 0) {
		far.blocked--;
		errno = EAGAIN;
		return -1;
	}
	len = len > 3 ? 3 : len; /* piece by piece */
	memcpy(far.out + have, buf, len);
	far.out[have + len] = '\0';
	return (ssize_t)len;
}

static void
far_finish(void *arg)
{
	(void)arg;
	far.finishes++;
}

static const struct io_ops far_ops = { far_read, far_write, far_finish };

static void
far_open(const char *hand)
{
	memset(&far, 0, sizeof(far));
	far.hand = hand;
	wire_open(SOCK_STREAM);
}

/* What came in the clear is not there any more behind the change. */
static void
test_change_forgets_input(void **state)
{
	char out[64] = "";
	const char *line;
	size_t len;

	(void)state;
	far_open("NOOP\r\n");
	client_sends("STARTTLS\r\nRSET\r\nQU", 18);
	assert_int_equal(io_line(&w.io, clock_ms() + 1, &line, &len), IO_OK);
	io_use(&w.io, &far_ops, NULL);
	take_lines(out, sizeof(out));
	assert_string_equal(out, "[NOOP]");
	wire_close();
}

/* Nothing is waited for while octets are in hand, before or after output. */
static void
test_octets_in_hand(void **state)
{
	const char *line;
	size_t len;

	(void)state;
	far_open("A\r\n|B\r\n|C\r\n");
	io_use(&w.io, &far_ops, NULL);
	assert_int_equal(io_line(&w.io, clock_ms() + 1, &line, &len), IO_OK);
	io_put(&w.io, "250 ok\r\n", 8, clock_ms() + 1);
	assert_int_equal(io_line(&w.io, clock_ms() + 1, &line, &len), IO_OK);
	assert_memory_equal(line, "B", len);
	assert_string_equal(far.out, "250 ok\r\n");
	far.waits_to_read = 2;
	assert_int_equal(io_line(&w.io, clock_ms() + 1000, &line, &len), IO_OK);
	assert_int_equal(io_line(&w.io, clock_ms() + 1, &line, &len), IO_LATE);
	wire_close();
}

/* A write may have to wait for the client to say something. */
static void
test_write_waits_for_input(void **state)
{
	(void)state;
	far_open("");
	io_use(&w.io, &far_ops, NULL);
	far.blocked = 2;
	client_sends("x", 1);
	io_put(&w.io, "250 ok\r\n", 8, clock_ms() + 1000);
	assert_int_equal(io_flush(&w.io, clock_ms() + 1000), IO_OK);
	assert_string_equal(far.out, "250 ok\r\n");
	wire_close();
}

/* The end is said once, after all else, and not where a write has failed. */
static void
test_end_is_said_once(void **state)
{
	(void)state;
	far_open("");
	io_use(&w.io, &far_ops, NULL);
	io_put(&w.io, "221\r\n", 5, clock_ms() + 1000);
	assert_int_equal(io_finish(&w.io, clock_ms() + 1000), IO_OK);
	assert_int_equal(io_finish(&w.io, clock_ms() + 1000), IO_OK);
	assert_string_equal(far.out, "221\r\n");
	assert_int_equal(far.finishes, 1);
	wire_close();

	far_open("");
	io_use(&w.io, &far_ops, NULL);
	far.blocked = 1000;
	io_put(&w.io, "221\r\n", 5, clock_ms() + 1);
	assert_int_not_equal(io_finish(&w.io, clock_ms() + 1), IO_OK);
	assert_int_equal(far.finishes, 0);
	wire_close();
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines_in_any_split),
		cmocka_unit_test(test_long_lines),
		cmocka_unit_test(test_end_of_connection),
		cmocka_unit_test(test_output_is_gathered),
		cmocka_unit_test(test_output_before_waiting),
		cmocka_unit_test(test_much_output),
		cmocka_unit_test(test_client_does_not_read),
		cmocka_unit_test(test_client_is_gone),
		cmocka_unit_test(test_change_forgets_input),
		cmocka_unit_test(test_octets_in_hand),
		cmocka_unit_test(test_write_waits_for_input),
		cmocka_unit_test(test_end_is_said_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
