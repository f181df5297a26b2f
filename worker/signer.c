/*
 * Asking for a signature: see the header.
 */
#include <sys/socket.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "worker/signer.h"
#include "worker/wait.h"

enum outcome {
	ANSWERED,
	LOST, /* the helper died with the request */
	FAILED
};

/* Wait for one descriptor; false: the deadline, or the worker must go. */
static bool
wait_fd(struct waiting *w, int fd, short events, int64_t deadline_ms)
{
	enum wait_result r;

	wait_set(w, WAIT_KEYS, fd);
	r = wait_for(w, WAIT_KEYS, events, deadline_ms);
	wait_set(w, WAIT_KEYS, -1);
	return r == WAIT_READY;
}

/* Send the request, and with it the socket to answer on. */
static ssize_t
send_request(int channel, const struct sign_request *request, int answer_fd)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control;

	struct iovec iov = { .iov_base = (void *)(uintptr_t)request,
		.iov_len = sizeof(*request) };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };

	memset(&control, 0, sizeof(control));
	control.head.cmsg_level = SOL_SOCKET;
	control.head.cmsg_type = SCM_RIGHTS;
	control.head.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.head), &answer_fd, sizeof(int));
	return sendmsg(channel, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* The channel is full while there is no helper, or under a heavy load. */
static int
post(int channel, struct waiting *w, int64_t deadline_ms,
    const struct sign_request *request, int answer_fd)
{
	while (send_request(channel, request, answer_fd) == -1) {
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN ||
		    !wait_fd(w, channel, POLLOUT, deadline_ms))
			return -1;
	}
	return 0;
}

static enum outcome
take_answer(int fd, struct waiting *w, int64_t deadline_ms,
    struct sign_answer *answer)
{
	ssize_t n;

	do {
		if (!wait_fd(w, fd, POLLIN, deadline_ms))
			return FAILED;
		n = recv(fd, answer, sizeof(*answer), MSG_DONTWAIT);
	} while (n == -1 && (errno == EAGAIN || errno == EINTR));
	if (n == 0 || (n == -1 && errno == ECONNRESET))
		return LOST;
	if (n != sizeof(*answer) || answer->len == 0 ||
	    answer->len > sizeof(answer->octets))
		return FAILED;
	return ANSWERED;
}

static enum outcome
ask_once(int channel, struct waiting *w, int64_t deadline_ms,
    const struct sign_request *request, struct sign_answer *answer)
{
	enum outcome r = FAILED;
	int fds[2], posted;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
		0, fds) == -1)
		return FAILED;
	posted = post(channel, w, deadline_ms, request, fds[1]);
	close(fds[1]); /* from now on its end is the helper's */
	if (posted == 0)
		r = take_answer(fds[0], w, deadline_ms, answer);
	close(fds[0]);
	return r;
}

int
signer_ask(int channel, struct waiting *w, int64_t deadline_ms,
    const struct sign_request *request, struct sign_answer *answer)
{
	enum outcome r;

	do {
		r = ask_once(channel, w, deadline_ms, request, answer);
	} while (r == LOST);
	return r == ANSWERED ? 0 : -1;
}
