/*
 * Any octets as what a client says that was refused at the greeting. Any split
 * has the same answers, and these are 503 five times at most and 221 once.
 */
#include <sys/epoll.h>
#include <sys/socket.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "worker/refused.h"

#define NO  "503 5.5.1 you were refused, say QUIT\r\n"
#define BYE "221 2.0.0 mx.example closing connection\r\n"

int LLVMFuzzerTestOneInput(const unsigned char *, size_t);

static struct refused all;

static void
require(bool condition)
{
	if (!condition)
		abort();
}

/* Say it piece by piece, the first piece before the refusal; what was heard. */
static size_t
talk(int epoll, const char *p, size_t len, size_t step, char heard[512])
{
	size_t n = len < step ? len : step;
	int fds[2];
	ssize_t got;

	require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
	refused_take(&all, epoll, fds[1], p, n, true);
	for (p += n, len -= n; len > 0 && all.beside.n == 1; p += n, len -= n) {
		n = len < step ? len : step;
		if (send(fds[0], p, n, MSG_NOSIGNAL) != (ssize_t)n)
			break;
		refused_hear(&all, 0);
	}
	got = recv(fds[0], heard, 512, 0);
	while (refused_let_go(&all))
		;
	close(fds[0]);
	return got > 0 ? (size_t)got : 0;
}

static void
check_answers(const char *heard, size_t len)
{
	int n = 0;

	for (; len > strlen(NO) - 1 && memcmp(heard, NO, strlen(NO)) == 0;
	     n++) {
		heard += strlen(NO);
		len -= strlen(NO);
	}
	require(n <= 5);
	require(len == 0 ||
	    (n < 5 && len == strlen(BYE) && memcmp(heard, BYE, len) == 0));
}

int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	const char *p = (const char *)data;
	char whole[512], parts[512];
	size_t step, n, m;
	int epoll;

	if (size == 0 || size > 500)
		return 0;
	step = 1 + data[0] % 50;
	require((epoll = epoll_create1(EPOLL_CLOEXEC)) != -1);
	refused_start(&all, "mx.example", 0);
	n = talk(epoll, p + 1, size - 1, size, whole);
	m = talk(epoll, p + 1, size - 1, step, parts);
	require(n == m && memcmp(whole, parts, n) == 0);
	check_answers(whole, n);
	close(epoll);
	return 0;
}
