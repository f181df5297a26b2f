/*
 * Refused clients. A failure here is one that holds on for ever, that is told
 * another thing than 503 and 221, or that closes somebody else's connection.
 */
#include <sys/epoll.h>
#include <sys/socket.h>

#include <stdio.h>

#include "tests/unit/fixture.h"
#include "worker/refused.h"

#define DATA 100 /* of the first place */
#define NO   "503 5.5.1 you were refused, say QUIT\r\n"
#define BYE  "221 2.0.0 mx.example closing connection\r\n"

static struct refused all;
static int epoll;

static int
begin(void **state)
{
	(void)state;
	refused_start(&all, "mx.example", DATA);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	return epoll == -1;
}

static int
end(void **state)
{
	(void)state;
	while (refused_let_go(&all))
		;
	assert_int_equal(all.beside.n, 0);
	return epoll != -1 && close(epoll) == -1;
}

/* A client that said octets before it was refused; its end. */
static int
take(const char *octets, size_t len, bool quits)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0,
			     fds),
	    0);
	refused_take(&all, epoll, fds[1], octets, len, quits);
	return fds[0];
}

/* All that is to be heard just now; end: and that it is over. */
static void
hears(int fd, const char *want, bool over)
{
	char buf[1024];
	size_t n = 0;
	ssize_t got;

	while ((got = recv(fd, buf + n, sizeof(buf) - n, 0)) > 0)
		n += (size_t)got;
	assert_int_equal(n, strlen(want));
	assert_memory_equal(buf, want, n);
	assert_int_equal(got, over ? 0 : -1);
}

/* What epoll has to tell is told to those whom it concerns. */
static void
turn(void)
{
	struct epoll_event ev[REFUSED_MOST];
	int i, n = epoll_wait(epoll, ev, REFUSED_MOST, 0);

	for (i = 0; i < n; i++) {
		assert_in_range(ev[i].data.u64, DATA, DATA + REFUSED_MOST - 1);
		refused_hear(&all, ev[i].data.u64 - DATA);
	}
}

static void
say(int fd, const char *octets, size_t len)
{
	assert_int_equal(send(fd, octets, len, MSG_NOSIGNAL), len);
	turn();
}

static const struct {
	const char *said, *heard;
	bool over;
} rows[] = {
	{ "", "", false },
	{ "NOOP\r\n", NO, false },
	{ "\r\n", NO, false },
	{ "NOOP\r\nNOOP", NO, false },
	{ "QUIT\r\n", BYE, true },
	{ "quit \r\n", BYE, true },
	{ "QUIT x\r\n", NO, false },
	{ "QUIT             x\r\n", NO, false },
	{ "QUITX\r\n", NO, false },
	{ "QUIT\n", "", false },
	{ "QUIT\r", "", false },
	{ "QUIT\r\r\n", NO, false },
	{ "QUIT\n\r\n", NO, false },
	{ "QUI", "", false },
	{ "EHLO x\r\nQUIT\r\nNOOP\r\n", NO BYE, true },
	{ "1\r\n2\r\n3\r\n4\r\n5\r\nQUIT\r\n", NO NO NO NO NO, true },
	{ "GET / HTTP/1.0\r\nQUIT\r\n", "", true },
};

/* Said in one piece, octet for octet, and before the refusal. */
static void
test_rows(void **state)
{
	size_t i, j, len;
	int fd;

	(void)state;
	for (i = 0; i < NITEMS(rows); i++) {
		len = strlen(rows[i].said);
		fd = take(rows[i].said, len, true);
		turn();
		hears(fd, rows[i].heard, rows[i].over);
		close(fd);
		fd = take("", 0, true);
		if (len > 0)
			say(fd, rows[i].said, len);
		hears(fd, rows[i].heard, rows[i].over);
		close(fd);
		fd = take("", 0, true);
		for (j = 0; j < len &&
		     send(fd, rows[i].said + j, 1, MSG_NOSIGNAL) == 1;
		     j++)
			turn();
		hears(fd, rows[i].heard, rows[i].over);
		close(fd);
		turn();
		turn();
	}
	assert_int_equal(all.beside.n, 0);
}

static void
test_one_that_was_cut_off_hears_nothing_more(void **state)
{
	int fd = take("NOOP\r\n", 6, false);

	(void)state;
	hears(fd, "", true);
	say(fd, "NOOP\r\n", 6);
	assert_int_equal(all.beside.n, 1);
	assert_in_range(refused_ms(&all), 1, 1000);
	close(fd);
	turn();
	assert_int_equal(all.beside.n, 0);
	assert_int_equal(refused_ms(&all), -1);
}

static void
test_it_is_let_go_of_in_time(void **state)
{
	int first = take("", 0, true), second = take("", 0, true);

	(void)state;
	assert_in_range(refused_ms(&all), 9000, 10000);
	all.client[0].until_ms = clock_ms() - 1;
	all.beside.due_ms = all.client[0].until_ms;
	assert_int_equal(refused_ms(&all), 0);
	say(second, "NOOP\r\n", 6); /* which sees to it that nobody is late */
	refused_expire(&all);
	hears(first, "", true);
	hears(second, NO, false);
	assert_in_range(refused_ms(&all), 9000, 10000);
	close(first);
	close(second);
}

static void
test_who_came_first_makes_room(void **state)
{
	int fd[REFUSED_MOST + 1];
	size_t i;

	(void)state;
	for (i = 0; i < REFUSED_MOST; i++) {
		fd[i] = take("", 0, true);
		all.client[i].until_ms -= (int64_t)(REFUSED_MOST - i);
	}
	fd[i] = take("", 0, true);
	hears(fd[0], "", true);
	for (i = 1; i < NITEMS(fd); i++) {
		say(fd[i], "QUIT\r\n", 6);
		hears(fd[i], BYE, true);
	}
	for (i = 0; i < NITEMS(fd); i++)
		close(fd[i]);
	assert_false(refused_let_go(&all));
	refused_hear(&all, 0); /* nobody is there */
	refused_hear(&all, REFUSED_MOST);
}

/* An endless line costs us as little as a short one. */
static void
test_who_says_too_much_has_to_go(void **state)
{
	char octets[512];
	int i, fd = take("", 0, true), silent = take("", 0, false);

	(void)state;
	memset(octets, 'x', sizeof(octets));
	for (i = 0; i < 65536 / 512; i++) {
		say(fd, octets, sizeof(octets));
		say(silent, octets, sizeof(octets));
	}
	turn();
	assert_int_equal(all.beside.n, 2);
	say(fd, "x", 1);
	say(silent, "x", 1);
	turn();
	assert_int_equal(all.beside.n, 0);
	hears(fd, "", true);
	close(fd);
	close(silent);
}

/* With octets of theirs unread they would hear that the connection is lost. */
static void
test_they_may_read_what_was_said_before_we_leave(void **state)
{
	int fd = take("NOOP\r\n", 6, true), silent;

	(void)state;
	close(epoll);
	epoll = -1;
	silent = take("", 0, false);
	assert_int_equal(all.beside.n, 2);
	assert_int_equal(send(fd, "NOOP\r\n", 6, MSG_NOSIGNAL), 6);
	assert_int_equal(send(silent, "NOOP\r\n", 6, MSG_NOSIGNAL), 6);
	shutdown(fd, SHUT_WR);
	shutdown(silent, SHUT_WR);
	refused_see_off(&all);
	assert_int_equal(all.beside.n, 0);
	hears(fd, NO, true);
	hears(silent, "", true);
	close(fd);
	close(silent);
}

/* Nor does the worker wait for one that has had its time for that. */
static void
test_who_was_told_long_ago_is_not_waited_for(void **state)
{
	int64_t begun_ms = clock_ms();
	int fd = take("", 0, true);

	(void)state;
	all.client[0].until_ms -= 2000;
	refused_see_off(&all);
	assert_true(all.client[0].until_ms < begun_ms);
	assert_int_equal(all.beside.n, 0);
	hears(fd, "", true);
	close(fd);
}

/* A session waits for its own client, and they are answered meanwhile. */
static void
test_beside_a_session(void **state)
{
	int fd = take("", 0, true), late = take("", 0, true);
	int64_t until = clock_ms() + 100;
	struct waiting w;

	(void)state;
	wait_init(&w);
	w.beside = &all.beside;
	all.client[1].until_ms = clock_ms() + 20;
	all.beside.due_ms = all.client[1].until_ms;
	assert_int_equal(send(fd, "NOOP\r\nQUIT\r\n", 12, 0), 12);
	assert_int_equal(wait_for(&w, WAIT_CLIENT, 0, until), WAIT_LATE);
	assert_true(clock_ms() >= until);
	hears(fd, NO BYE, true);
	hears(late, "", true);
	assert_int_equal(all.beside.n, 0);
	close(fd);
	close(late);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_rows, begin, end),
		cmocka_unit_test_setup_teardown(
		    test_one_that_was_cut_off_hears_nothing_more, begin, end),
		cmocka_unit_test_setup_teardown(test_it_is_let_go_of_in_time,
		    begin, end),
		cmocka_unit_test_setup_teardown(test_who_came_first_makes_room,
		    begin, end),
		cmocka_unit_test_setup_teardown(
		    test_who_says_too_much_has_to_go, begin, end),
		cmocka_unit_test_setup_teardown(
		    test_they_may_read_what_was_said_before_we_leave, begin,
		    end),
		cmocka_unit_test_setup_teardown(
		    test_who_was_told_long_ago_is_not_waited_for, begin, end),
		cmocka_unit_test_setup_teardown(test_beside_a_session, begin,
		    end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
