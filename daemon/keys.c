/*
 * Keeping and using the private keys: see the header. What comes over the
 * channel of requests is a stranger's, should a worker ever be taken over:
 * nothing that it holds makes the helper wait, log or end.
 */
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/helper.h"
#include "daemon/keys.h"
#include "worker/log.h"
#include "worker/sandbox.h"
#include "worker/settings.h"
#include "worker/signer.h"
#include "worker/tls.h"
#include "worker/wait.h"

#define START_MS 5000 /* until the helper is to be ready */

/* A record of the helper's; text is empty: it is ready. */
#define RECORD_MAX 2048

/* -------------------------------------------------------------- the helper */

/* By the one call that its sandbox lets through. */
static void
put_record(int fd, const void *record, size_t size)
{
	struct iovec iov = { (void *)(uintptr_t)record, size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void
tell_master(void *arg, const char *message)
{
	const int *master = arg;

	/* With its NUL: an empty record would be the end of the channel. */
	put_record(*master, message, strlen(message) + 1);
}

/* Memory that holds keys is neither dumped nor read by a debugger. */
static void
keep_secret(void)
{
	const struct rlimit none = { 0, 0 };

	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

struct tls_keys *
keys_read(const struct tls_context *tls, const struct settings *set, int master)
{
	return tls_keys_new(tls, set, tell_master, &master);
}

/* The socket that came with a request, or -1. */
static int
answer_socket(struct msghdr *msg)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(msg);
	int fd;

	if (c == NULL || c->cmsg_level != SOL_SOCKET ||
	    c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(sizeof(fd)))
		return -1;
	memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

static void
answer_request(const struct tls_keys *keys, const struct sign_request *request,
    int fd)
{
	struct sign_answer answer;

	tls_keys_sign(keys, request, &answer);
	put_record(fd, &answer, sizeof(answer));
}

/* One request. The length of the record, or -1 with errno. */
static ssize_t
take_request(const struct tls_keys *keys, int requests)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control;

	struct sign_request request;
	struct iovec iov = { &request, sizeof(request) };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };
	ssize_t n;
	int fd;

	n = recvmsg(requests, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n == -1 || (fd = answer_socket(&msg)) == -1)
		return n;
	if (n == sizeof(request))
		answer_request(keys, &request, fd);
	close(fd);
	return n;
}

/*
 * Signals are blocked: only the end of the channel ends it. An empty record
 * is none.
 */
static void
serve(const struct tls_keys *keys, int requests)
{
	struct pollfd pfd = { .fd = requests, .events = POLLIN | POLLRDHUP };

	for (;;) {
		if (poll(&pfd, 1, -1) == -1)
			continue;
		if (take_request(keys, requests) == 0 &&
		    (pfd.revents & (POLLHUP | POLLRDHUP)) != 0)
			return;
	}
}

int
keys_serve(struct tls_keys *keys, const struct sandbox *box, int master,
    int requests)
{
	keep_secret();
	if (sandbox_enter(box) == -1) {
		tell_master(&master, "keys: sandbox");
		return 1;
	}
	tell_master(&master, "");
	serve(keys, requests);
	tls_keys_free(keys);
	return 0;
}

/* -------------------------------------------------------------- the master */

int
keys_hear(struct helper *h, keys_report *report, void *arg)
{
	char text[RECORD_MAX];
	ssize_t n;

	while ((n = recv(h->fd, text, sizeof(text) - 1, MSG_DONTWAIT)) > 0) {
		text[n] = '\0';
		if (text[0] == '\0')
			return 1;
		report(arg, text);
	}
	return n == -1 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

int
keys_wait(struct helper *h, keys_report *report, void *arg)
{
	struct pollfd pfd = { .fd = h->fd, .events = POLLIN };
	int64_t deadline = clock_ms() + START_MS, left;
	int heard = 0;

	while (h->fd != -1 && heard == 0 && (left = deadline - clock_ms()) > 0)
		if (poll(&pfd, 1, (int)left) > 0)
			heard = keys_hear(h, report, arg);
	if (heard != 1)
		report(arg, "keys: the helper does not start");
	return heard == 1 ? 0 : -1;
}

int
keys_check(const struct settings *set, keys_report *report, void *arg)
{
	struct tls_context *tls;
	struct tls_keys *keys;
	int status = -1;
	pid_t pid;

	if (set->tls.certificate.n == 0)
		return 0;
	if ((tls = tls_context_new(set, report, arg)) == NULL)
		return -1;
	if ((pid = fork()) == 0) {
		keys = tls_keys_new(tls, set, report, arg);
		_exit(keys != NULL ? 0 : 1);
	}
	if (pid != -1)
		waitpid(pid, &status, 0);
	else
		report(arg, strerror(errno));
	tls_context_free(tls);
	return status == 0 ? 0 : -1;
}
