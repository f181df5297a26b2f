/*
 * Waiting. A failure here is a client that holds a worker for ever with an
 * octet now and then, or a signal that cuts a session at the wrong place.
 * Signals are tested in children, whose exit code is the step that failed.
 */
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>

#include <signal.h>

#include "tests/unit/fixture.h"
#include "worker/lineio.h"
#include "worker/wait.h"

#define CHECK(condition)                                                       \
	do {                                                                   \
		if (!(condition))                                              \
			return __LINE__ % 251 + 1;                             \
	} while (0)

static void
in_child(int (*run)(void))
{
	int status;
	pid_t pid = fork();

	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		alarm(10);
		_exit(run());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status != 0)
		fail_msg("child: status %#x (line %% 251 + 1 in the middle)",
		    (unsigned)status);
}

static void
pair(int fds[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0,
			     fds),
	    0);
}

/* As the session's sockets are: they block, for so long at most. */
static void
blocking_pair(int fds[2], int limit_ms)
{
	struct timeval limit = { limit_ms / 1000, limit_ms % 1000 * 1000 };
	int i;

	pair(fds);
	for (i = 0; i < 2; i++) {
		assert_int_equal(wait_limit_recv(fds[i]), 0);
		assert_int_equal(wait_let_block(fds[i], true), 0);
		if (limit_ms > 0)
			assert_int_equal(setsockopt(fds[i], SOL_SOCKET,
					     SO_RCVTIMEO, &limit,
					     sizeof(limit)),
			    0);
	}
}

/* A child that writes an octet every millisecond until it is killed. */
static pid_t
drip(int fd)
{
	pid_t pid = fork();

	assert_int_not_equal(pid, -1);
	for (; pid == 0; usleep(1000))
		if (write(fd, "x", 1) != 1)
			_exit(0);
	return pid;
}

static void
stop(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void
test_deadline_under_a_stream(void **state)
{
	int64_t start = clock_ms();
	enum wait_result r;
	struct waiting wt;
	unsigned octets = 0;
	int fds[2];
	pid_t pid;
	char c;

	(void)state;
	pair(fds);
	pid = drip(fds[0]);
	wait_init(&wt);
	wait_set(&wt, WAIT_CLIENT, fds[1]);
	while (
	    (r = wait_for(&wt, WAIT_CLIENT, POLLIN, start + 150)) == WAIT_READY)
		octets += read(fds[1], &c, 1) == 1;
	stop(pid);
	assert_int_equal(r, WAIT_LATE);
	assert_true(octets > 10);
	assert_in_range(clock_ms() - start, 150, 1000);
	close(fds[0]);
	close(fds[1]);
}

static void
test_line_under_a_stream(void **state)
{
	static struct lineio io;
	int64_t start = clock_ms();
	struct waiting wt;
	const char *line;
	size_t len;
	int fds[2];
	pid_t pid;

	(void)state;
	blocking_pair(fds, 0);
	pid = drip(fds[0]);
	wait_init(&wt);
	io_init(&io, &wt, fds[1]);
	assert_int_equal(io_line(&io, start + 400, &line, &len), IO_LATE);
	stop(pid);
	assert_in_range(clock_ms() - start, 400, 1250);
	close(fds[0]);
	close(fds[1]);
}

/* What nobody waits for neither ends a wait nor keeps it busy. */
static void
test_other_source(void **state)
{
	struct rusage before, after;
	struct waiting wt;
	int client[2], hop[2];
	int64_t cpu;

	(void)state;
	pair(client);
	pair(hop);
	wait_init(&wt);
	wait_set(&wt, WAIT_CLIENT, client[1]);
	wait_set(&wt, WAIT_HOP, hop[1]);
	assert_int_equal(write(hop[0], "x", 1), 1);
	close(hop[0]); /* it hangs up */
	getrusage(RUSAGE_SELF, &before);
	assert_int_equal(wait_for(&wt, WAIT_CLIENT, POLLIN, clock_ms() + 300),
	    WAIT_LATE);
	getrusage(RUSAGE_SELF, &after);
	timersub(&after.ru_utime, &before.ru_utime, &after.ru_utime);
	timersub(&after.ru_stime, &before.ru_stime, &after.ru_stime);
	cpu = (after.ru_utime.tv_sec + after.ru_stime.tv_sec) * 1000000 +
	    after.ru_utime.tv_usec + after.ru_stime.tv_usec;
	assert_in_range(cpu, 0, 50000);
	assert_int_equal(wait_for(&wt, WAIT_HOP, POLLIN, clock_ms() + 300),
	    WAIT_READY);
	close(client[0]);
	close(client[1]);
	close(hop[1]);
}

/* Whoever is gone is ready: the read will tell. */
static void
test_hang_up_is_ready(void **state)
{
	struct waiting wt;
	int fds[2];

	(void)state;
	pair(fds);
	close(fds[0]);
	wait_init(&wt);
	wait_set(&wt, WAIT_CLIENT, fds[1]);
	assert_int_equal(wait_for(&wt, WAIT_CLIENT, POLLIN, clock_ms() + 1000),
	    WAIT_READY);
	close(fds[1]);
}

static void
test_past_deadline(void **state)
{
	struct waiting wt;
	int fds[2];

	(void)state;
	pair(fds);
	assert_int_equal(write(fds[0], "x", 1), 1);
	wait_init(&wt);
	wait_set(&wt, WAIT_CLIENT, fds[1]);
	assert_int_equal(wait_for(&wt, WAIT_CLIENT, POLLIN, clock_ms()),
	    WAIT_LATE);
	close(fds[0]);
	close(fds[1]);
}

/* Octets that come soon, and such that come behind the limit of recv(2). */
static void
test_octets(void **state)
{
	static const unsigned pauses_ms[] = { 0, 20, 2 * WAIT_RECV_MS };
	struct waiting wt;
	int fds[2];
	size_t i;
	ssize_t n;
	pid_t pid;
	char c;

	(void)state;
	blocking_pair(fds, 0);
	wait_init(&wt);
	wait_set(&wt, WAIT_HOP, fds[1]);
	for (i = 0; i < NITEMS(pauses_ms); i++) {
		if ((pid = fork()) == 0) {
			usleep(pauses_ms[i] * 1000);
			_exit(write(fds[0], "abc" + i, 1) != 1);
		}
		assert_int_equal(wait_octets(&wt, WAIT_HOP, &c, 1,
				     clock_ms() + 5000, &n),
		    WAIT_READY);
		assert_int_equal(n, 1);
		assert_int_equal(c, "abc"[i]);
		waitpid(pid, NULL, 0);
	}
	close(fds[0]);
	assert_int_equal(wait_octets(&wt, WAIT_HOP, &c, 1, clock_ms() + 5000,
			     &n),
	    WAIT_READY);
	assert_int_equal(n, 0);
	close(fds[1]);
}

/* A deadline that is nearer than the limit of recv(2) is kept. */
static void
test_octets_near_deadline(void **state)
{
	int64_t start = clock_ms();
	struct waiting wt;
	int fds[2];
	ssize_t n;
	char c;

	(void)state;
	blocking_pair(fds, 8000);
	wait_init(&wt);
	wait_set(&wt, WAIT_CLIENT, fds[1]);
	assert_int_equal(wait_octets(&wt, WAIT_CLIENT, &c, 1,
			     start + WAIT_RECV_MS - 1, &n),
	    WAIT_LATE);
	assert_in_range(clock_ms() - start, WAIT_RECV_MS - 1, 4000);
	close(fds[0]);
	close(fds[1]);
}

/* Other work on the same line: it may end the silence, or not. */
static int64_t
say_something(void *arg, bool readable)
{
	static int calls;

	(void)readable;
	if (++calls == 1)
		return clock_ms() + 20;
	assert_int_equal(write(*(int *)arg, "x", 1), 1);
	return 0;
}

static void
look_beside(struct beside *b)
{
	assert_int_equal(b->fds[0].revents, POLLIN);
	b->n = 0;
	b->fds[0].fd = -1;
}

/* Whatever else is to be looked after does not wait for the octets. */
static void
test_octets_with_other_work(void **state)
{
	struct beside beside = { .n = 1, .look = look_beside };
	int64_t start = clock_ms();
	struct waiting wt;
	int fds[2], other[2], i;
	ssize_t n;
	char c;

	(void)state;
	blocking_pair(fds, 8000);
	pair(other);
	wait_init(&wt);
	wait_set(&wt, WAIT_CLIENT, fds[1]);
	wait_background(&wt, -1, say_something, &fds[0]);
	assert_int_equal(wait_octets(&wt, WAIT_CLIENT, &c, 1, start + 6000, &n),
	    WAIT_READY);
	assert_int_equal(n, 1);

	for (i = 0; i < BESIDE_MOST; i++)
		beside.fds[i] = (struct pollfd){ .fd = -1, .events = POLLIN };
	beside.fds[0].fd = other[1];
	beside.due_ms = start + 60000;
	wt.beside = &beside;
	assert_int_equal(write(other[0], "x", 1), 1);
	assert_int_equal(wait_octets(&wt, WAIT_CLIENT, &c, 1, start + 600, &n),
	    WAIT_LATE);
	assert_int_equal(beside.n, 0);
	assert_in_range(clock_ms() - start, 600, 4000);
	for (i = 0; i < 2; i++) {
		close(fds[i]);
		close(other[i]);
	}
}

static void
count_up(void *arg)
{
	++*(int *)arg;
}

/* SIGTERM is seen while waiting and told once; the wait goes on. */
static int
leave(void)
{
	struct waiting wt;
	int fds[2], told = 0;

	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
	wait_signals();
	kill(getpid(), SIGTERM);
	CHECK(!wait_leaving());
	wait_init(&wt);
	wt.left = count_up;
	wt.arg = &told;
	wait_set(&wt, WAIT_CLIENT, fds[1]);
	CHECK(told == 0 && !wait_leaving());
	CHECK(wait_for(&wt, WAIT_CLIENT, POLLIN, clock_ms() + 50) == WAIT_LATE);
	CHECK(told == 1 && wait_leaving() && !wait_hurried());
	CHECK(wait_for(&wt, WAIT_CLIENT, POLLIN, clock_ms() + 10) == WAIT_LATE);
	CHECK(told == 1);
	CHECK(write(fds[0], "x", 1) == 1);
	CHECK(wait_for(&wt, WAIT_CLIENT, POLLIN, clock_ms() + 1000) ==
	    WAIT_READY);
	return 0;
}

/* SIGQUIT ends a wait at once, but not that between dot and reply. */
static int
hurry(void)
{
	int64_t start;
	struct waiting wt;
	int fds[2];

	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
	wait_signals();
	wait_init(&wt);
	wait_set(&wt, WAIT_HOP, fds[1]);
	kill(getpid(), SIGQUIT);
	CHECK(!wait_hurried());
	wt.deaf = true;
	CHECK(wait_for(&wt, WAIT_HOP, POLLIN, clock_ms() + 50) == WAIT_LATE);
	CHECK(wait_hurried() && wait_leaving());
	CHECK(write(fds[0], "x", 1) == 1);
	CHECK(wait_for(&wt, WAIT_HOP, POLLIN, clock_ms() + 1000) == WAIT_READY);
	wt.deaf = false;
	start = clock_ms();
	CHECK(wait_for(&wt, WAIT_HOP, POLLIN, start + 5000) == WAIT_HURRIED);
	CHECK(clock_ms() - start < 1000);
	return 0;
}

/* What a terminal, a closed client or a full disk would kill with. */
static int
ignored(void)
{
	static const int signals[] = { SIGPIPE, SIGHUP, SIGINT, SIGXFSZ };
	struct waiting wt;
	size_t i;

	wait_signals();
	for (i = 0; i < NITEMS(signals); i++)
		kill(getpid(), signals[i]);
	wait_init(&wt);
	CHECK(wait_for(&wt, WAIT_CLIENT, POLLIN, clock_ms() + 10) == WAIT_LATE);
	CHECK(!wait_leaving() && !wait_hurried());
	return 0;
}

/* A signal from outside, while no wait is on, stays where it is. */
static int
only_inside(void)
{
	struct waiting wt;
	pid_t pid, parent = getpid();
	sigset_t pending;

	wait_signals();
	if ((pid = fork()) == 0) {
		kill(parent, SIGTERM);
		kill(parent, SIGQUIT);
		_exit(0);
	}
	CHECK(waitpid(pid, NULL, 0) == pid);
	CHECK(sigpending(&pending) == 0);
	CHECK(sigismember(&pending, SIGTERM) && sigismember(&pending, SIGQUIT));
	CHECK(!wait_leaving() && !wait_hurried());
	wait_init(&wt);
	CHECK(wait_for(&wt, WAIT_CLIENT, POLLIN, clock_ms() + 1000) ==
	    WAIT_HURRIED);
	return 0;
}

/* A client that never lets a wait begin does not keep the master unheard. */
static int
rush(void)
{
	int64_t start = clock_ms();
	struct waiting wt;
	int fds[2], told = 0;
	ssize_t n;
	char c;

	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
	CHECK(wait_limit_recv(fds[1]) == 0);
	wait_signals();
	wait_init(&wt);
	wt.left = count_up;
	wt.arg = &told;
	wait_set(&wt, WAIT_CLIENT, fds[1]);
	CHECK(write(fds[0], "x", 1) == 1);
	CHECK(wait_octets(&wt, WAIT_CLIENT, &c, 1, start + 6000, &n) ==
	    WAIT_READY);
	kill(getpid(), SIGTERM);
	while (!wait_leaving()) {
		CHECK(clock_ms() - start < 5000);
		CHECK(write(fds[0], "x", 1) == 1);
		CHECK(wait_octets(&wt, WAIT_CLIENT, &c, 1, start + 6000, &n) ==
		    WAIT_READY);
	}
	CHECK(clock_ms() - start >= WAIT_RECV_MS && told == 1);
	kill(getpid(), SIGQUIT);
	CHECK(wait_octets(&wt, WAIT_CLIENT, &c, 1, clock_ms() + 6000, &n) ==
	    WAIT_HURRIED);
	return 0;
}

static void
test_leave(void **state)
{
	(void)state;
	in_child(leave);
}

static void
test_hurry(void **state)
{
	(void)state;
	in_child(hurry);
}

static void
test_rush(void **state)
{
	(void)state;
	in_child(rush);
}

static void
test_ignored(void **state)
{
	(void)state;
	in_child(ignored);
}

static void
test_only_inside(void **state)
{
	(void)state;
	in_child(only_inside);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_deadline_under_a_stream),
		cmocka_unit_test(test_line_under_a_stream),
		cmocka_unit_test(test_other_source),
		cmocka_unit_test(test_hang_up_is_ready),
		cmocka_unit_test(test_past_deadline),
		cmocka_unit_test(test_octets),
		cmocka_unit_test(test_octets_near_deadline),
		cmocka_unit_test(test_octets_with_other_work),
		cmocka_unit_test(test_leave),
		cmocka_unit_test(test_hurry),
		cmocka_unit_test(test_rush),
		cmocka_unit_test(test_ignored),
		cmocka_unit_test(test_only_inside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
