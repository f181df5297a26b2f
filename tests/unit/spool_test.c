/*
 * The spool. A failure is a message that comes out other than it went in, or a
 * full disk that is not noticed before the sender is told yes.
 */
#include <sys/resource.h>

#include <errno.h>
#include <signal.h>

#include "tests/unit/fixture.h"
#include "worker/spool.h"

#define LARGEST (3 * SPOOL_MEMORY + 77)

static char message[LARGEST];

static struct reading {
	size_t len;
	int pieces;
	int give_up; /* after so many pieces; 0: never */
	char text[LARGEST];
} out;

static int
take(void *arg, const char *p, size_t len)
{
	struct reading *r = arg;

	assert_true(r->len + len <= sizeof(r->text));
	memcpy(r->text + r->len, p, len);
	r->len += len;
	return ++r->pieces == r->give_up ? -1 : 0;
}

static void
add_in_pieces(struct spool *s, size_t len, size_t piece)
{
	size_t at, n;

	for (at = 0; at < len; at += n) {
		n = len - at < piece ? len - at : piece;
		spool_add(s, message + at, n);
	}
}

static const struct {
	size_t len, piece;
	bool in_file;
} rows[] = {
	{ 0, 1, false }, { 1, 1, false }, { 5000, 7, false },
	{ SPOOL_MEMORY - 1, 4096, false }, { SPOOL_MEMORY, 4096, false },
	{ SPOOL_MEMORY, LARGEST, false }, { SPOOL_MEMORY + 1, 4096, true },
	{ SPOOL_MEMORY + 1, LARGEST, true }, { 2 * SPOOL_MEMORY, 65536, true },
	{ 2 * SPOOL_MEMORY + 1, 1000, true }, { LARGEST, LARGEST, true },
	{ LARGEST, 1, true },
	{ 10, 10, false }, /* small again, after large ones */
};

static void
spool_setup(struct spool *s)
{
	size_t i;

	for (i = 0; i < sizeof(message); i++)
		message[i] = (char)(i * 31 / 7);
	assert_int_equal(spool_open(s, "/tmp"), 0);
}

/* One spool for all rows, as in a worker: nothing of one stays for another. */
static void
test_comes_out_as_it_went_in(void **state)
{
	struct spool s;
	size_t i;

	(void)state;
	spool_setup(&s);
	for (i = 0; i < NITEMS(rows); i++) {
		spool_reset(&s);
		add_in_pieces(&s, rows[i].len, rows[i].piece);
		assert_int_equal(s.error, 0);
		out.len = 0;
		out.pieces = 0;
		assert_int_equal(spool_each(&s, (int64_t)rows[i].len, take,
				     &out),
		    0);
		assert_int_equal(out.len, rows[i].len);
		assert_memory_equal(out.text, message, rows[i].len);
		assert_int_equal(s.file_len > 0, rows[i].in_file);
	}
	spool_close(&s);
	spool_close(&s);
}

/* The end of data (".\r\n") was added, but is no part of the message. */
static void
test_the_end_is_left_out(void **state)
{
	static const size_t lens[] = { 100, SPOOL_MEMORY + 2, LARGEST };
	struct spool s;
	size_t i;

	(void)state;
	spool_setup(&s);
	for (i = 0; i < NITEMS(lens); i++) {
		spool_reset(&s);
		add_in_pieces(&s, lens[i], 5000);
		out.len = 0;
		assert_int_equal(spool_each(&s, (int64_t)lens[i] - 3, take,
				     &out),
		    0);
		assert_int_equal(out.len, lens[i] - 3);
		assert_memory_equal(out.text, message, out.len);
	}
	spool_close(&s);
}

/* A next hop that is lost in the middle ends the reading. */
static void
test_writer_gives_up(void **state)
{
	struct spool s;

	(void)state;
	spool_setup(&s);
	add_in_pieces(&s, LARGEST, 5000);
	out.len = 0;
	out.pieces = 0;
	out.give_up = 2;
	assert_int_equal(spool_each(&s, LARGEST, take, &out), -1);
	assert_int_equal(out.pieces, 2);
	assert_int_equal(s.error, 0);
	out.give_up = 0;
	spool_close(&s);
}

/* No room: it is told, nothing is handed on, and the next message is good. */
static void
test_full(void **state)
{
	struct rlimit before, small;
	struct spool s;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	spool_setup(&s);
	getrlimit(RLIMIT_FSIZE, &before);
	small = before;
	small.rlim_cur = SPOOL_MEMORY + 1000;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	add_in_pieces(&s, LARGEST, 5000);
	setrlimit(RLIMIT_FSIZE, &before);
	assert_int_equal(s.error, EFBIG);
	out.len = 0;
	assert_int_equal(spool_each(&s, LARGEST, take, &out), -1);
	assert_int_equal(out.len, 0);

	spool_reset(&s);
	assert_int_equal(s.error, 0);
	add_in_pieces(&s, LARGEST, 5000);
	assert_int_equal(spool_each(&s, LARGEST, take, &out), 0);
	assert_memory_equal(out.text, message, LARGEST);
	spool_close(&s);
}

/* The last piece goes to the file only when the message is read back. */
static void
test_full_at_the_end(void **state)
{
	struct rlimit before, small;
	struct spool s;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	spool_setup(&s);
	add_in_pieces(&s, SPOOL_MEMORY + 2000, 5000);
	getrlimit(RLIMIT_FSIZE, &before);
	small = before;
	small.rlim_cur = SPOOL_MEMORY + 1000;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	out.len = 0;
	assert_int_equal(spool_each(&s, SPOOL_MEMORY + 2000, take, &out), -1);
	setrlimit(RLIMIT_FSIZE, &before);
	assert_int_equal(s.error, EFBIG);
	assert_int_equal(out.len, 0);
	spool_close(&s);
}

static void
test_no_folder(void **state)
{
	struct spool s;

	(void)state;
	assert_int_equal(spool_open(&s, "/nonexistent"), -1);
	assert_int_equal(errno, ENOENT);
	spool_close(&s);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_comes_out_as_it_went_in),
		cmocka_unit_test(test_the_end_is_left_out),
		cmocka_unit_test(test_writer_gives_up),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_full_at_the_end),
		cmocka_unit_test(test_no_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
