/*
 * Asking the keys helper. A failure here is a handshake that hangs, or one
 * that fails because a helper died that has a successor.
 */
#include <sys/socket.h>
#include <sys/wait.h>

#include <errno.h>

#include "tests/unit/fixture.h"
#include "worker/signer.h"
#include "worker/wait.h"

static struct {
	int helper, worker; /* the channel */
	struct waiting waiting;
	struct sign_request request;
	struct sign_answer answer;
} s;

static void
channel_open(void)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0,
			     fds),
	    0);
	s.helper = fds[0];
	s.worker = fds[1];
	wait_init(&s.waiting);
	memset(&s.request, 0, sizeof(s.request));
	s.request.certificate = 7;
	s.request.len = 32;
}

static void
channel_close(void)
{
	close(s.worker);
	close(s.helper);
	while (waitpid(-1, NULL, 0) > 0)
		;
}

static int
ask(int ms)
{
	return signer_ask(s.worker, &s.waiting, clock_ms() + ms, &s.request,
	    &s.answer);
}

/* In a child: take one request; the socket to answer on. */
static int
take(struct sign_request *request)
{
	char control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { request, sizeof(*request) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct pollfd pfd = { .fd = s.helper, .events = POLLIN };
	int fd;

	msg.msg_control = control;
	msg.msg_controllen = sizeof(control);
	poll(&pfd, 1, 5000);
	if (recvmsg(s.helper, &msg, 0) != sizeof(*request) ||
	    CMSG_FIRSTHDR(&msg) == NULL)
		_exit(1);
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}

/* A helper that signs with the number of the certificate. */
static void
answer_one(void)
{
	struct sign_request request;
	struct sign_answer answer = { .len = 4 };
	int fd = take(&request);

	memcpy(answer.octets, &request.certificate, 4);
	if (send(fd, &answer, sizeof(answer), 0) != sizeof(answer))
		_exit(1);
	close(fd);
}

/* One that dies with the request in hand. */
static void
lose_one(void)
{
	struct sign_request request;

	close(take(&request));
}

static void
refuse_one(void)
{
	struct sign_request request;
	struct sign_answer answer = { .len = 0 };

	send(take(&request), &answer, sizeof(answer), 0);
}

static void
babble_one(void)
{
	struct sign_request request;
	struct sign_answer answer = { .len = SIGN_OCTETS + 1 };

	send(take(&request), &answer, sizeof(answer), 0);
}

static void
cut_one(void)
{
	struct sign_request request;

	send(take(&request), "x", 1, 0);
}

static void
sit_still(void)
{
	struct sign_request request;

	take(&request);
	pause();
}

/* Helpers one after the other, each for one request. */
static pid_t
helpers(void (*const todo[])(void))
{
	pid_t pid = fork();

	assert_int_not_equal(pid, -1);
	if (pid != 0)
		return pid;
	alarm(20);
	close(s.worker);
	for (; *todo != NULL; todo++)
		(*todo)();
	_exit(0);
}

static void
test_signed(void **state)
{
	static void (*const todo[])(void) = { answer_one, answer_one, NULL };

	(void)state;
	channel_open();
	helpers(todo);
	assert_int_equal(ask(5000), 0);
	assert_int_equal(s.answer.len, 4);
	assert_memory_equal(s.answer.octets, &s.request.certificate, 4);
	assert_int_equal(ask(5000), 0);
	channel_close();
}

/* A helper that died is no reason to fail while the deadline is not over. */
static void
test_helper_dies(void **state)
{
	static void (*const todo[])(
	    void) = { lose_one, lose_one, answer_one, NULL };

	(void)state;
	channel_open();
	helpers(todo);
	assert_int_equal(ask(5000), 0);
	channel_close();
}

static void
test_bad_answers(void **state)
{
	static void (*const todo[])(
	    void) = { refuse_one, babble_one, cut_one, NULL };
	int i;

	(void)state;
	channel_open();
	helpers(todo);
	for (i = 0; i < 3; i++)
		assert_int_equal(ask(5000), -1);
	channel_close();
}

/* Nobody answers: the deadline is the end. */
static void
test_deadline(void **state)
{
	static void (*const todo[])(void) = { sit_still, NULL };
	pid_t pid;

	(void)state;
	channel_open();
	assert_int_equal(ask(20), -1); /* there is no helper at all */
	while (send(s.worker, &s.request, sizeof(s.request), 0) != -1)
		;
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(ask(20), -1); /* and no room */
	channel_close();

	channel_open();
	pid = helpers(todo);
	assert_int_equal(ask(100), -1);
	kill(pid, SIGKILL);
	channel_close();
}

/* In a child: take what is there, then answer whoever is left. */
static void
drain(void)
{
	struct pollfd pfd = { .fd = s.helper, .events = POLLIN };
	struct sign_request request;
	struct sign_answer answer = { .len = 1 };
	int fd;

	while (poll(&pfd, 1, 5000) == 1 && (pfd.revents & POLLHUP) == 0) {
		fd = take(&request);
		send(fd, &answer, sizeof(answer), MSG_NOSIGNAL);
		close(fd);
	}
}

/* Requests that nobody waits for any more are in the way, and no harm. */
static void
test_full_channel(void **state)
{
	static void (*const todo[])(void) = { drain, NULL };
	int i;

	(void)state;
	channel_open();
	for (i = 0; i < 600; i++)
		assert_int_equal(ask(1), -1);
	assert_int_equal(send(s.worker, &s.request, sizeof(s.request), 0), -1);
	helpers(todo);
	assert_int_equal(ask(5000), 0);
	channel_close();
}

/* The other end is gone for good. */
static void
test_channel_ends(void **state)
{
	(void)state;
	channel_open();
	close(s.helper);
	assert_int_equal(ask(5000), -1);
	s.helper = -1;
	close(s.worker);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_signed),
		cmocka_unit_test(test_helper_dies),
		cmocka_unit_test(test_bad_answers),
		cmocka_unit_test(test_deadline),
		cmocka_unit_test(test_full_channel),
		cmocka_unit_test(test_channel_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
