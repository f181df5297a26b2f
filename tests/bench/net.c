/*
 * Sockets and the clock for the bench programs. Every function answers 0 or a
 * descriptor, or -1 with errno; nothing here prints.
 */
#include <sys/resource.h>
#include <sys/socket.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/net.h"

enum {
	BACKLOG = 4096,
	TEXT_MAX = 64
};

static socklen_t
length(const struct sockaddr_storage *ss)
{
	return ss->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) :
					   sizeof(struct sockaddr_in);
}

static const struct sockaddr *
generic(const struct sockaddr_storage *ss)
{
	return (const struct sockaddr *)ss;
}

static int
bad(int error)
{
	errno = error;
	return -1;
}

static int
address(struct sockaddr_storage *ss, const char *text, uint16_t port)
{
	struct sockaddr_in *in = (struct sockaddr_in *)ss;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ss;

	memset(ss, 0, sizeof(*ss));
	if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		if (ntohl(in->sin_addr.s_addr) >> 24 != IN_LOOPBACKNET)
			return bad(EPERM);
		return 0;
	}
	if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		if (!IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr))
			return bad(EPERM);
		return 0;
	}
	return bad(EINVAL);
}

int
net_endpoint(struct sockaddr_storage *ss, const char *text)
{
	char buf[TEXT_MAX], *host = buf, *colon;
	const char *trouble;
	size_t n;
	uint16_t port;

	if (strlcpy(buf, text, sizeof(buf)) >= sizeof(buf))
		return bad(EINVAL);
	if ((colon = strrchr(buf, ':')) == NULL)
		return bad(EINVAL);
	*colon = '\0';
	port = (uint16_t)strtonum(colon + 1, 1, UINT16_MAX, &trouble);
	if (trouble != NULL)
		return bad(EINVAL);
	n = strlen(host);
	if (n > 2 && host[0] == '[' && host[n - 1] == ']') {
		host[n - 1] = '\0';
		host++;
	}
	return address(ss, host, port);
}

int
net_source(struct net_source *from, const char *text)
{
	char buf[TEXT_MAX], *slash;
	const char *trouble;
	const struct sockaddr_in *in = (struct sockaddr_in *)&from->base;
	uint32_t len, size;

	memset(from, 0, sizeof(*from));
	if (strlcpy(buf, text, sizeof(buf)) >= sizeof(buf))
		return bad(EINVAL);
	if ((slash = strchr(buf, '/')) != NULL)
		*slash = '\0';
	if (address(&from->base, buf, 0) == -1)
		return -1;
	from->n = 1;
	from->first = ntohl(in->sin_addr.s_addr);
	if (slash == NULL)
		return 0;
	len = (uint32_t)strtonum(slash + 1, 8, 30, &trouble);
	if (trouble != NULL || from->base.ss_family != AF_INET)
		return bad(EINVAL);
	size = UINT32_C(1) << (32 - len);
	from->first = (from->first & ~(size - 1)) + 1;
	from->n = size - 2; /* neither the first nor the last address */
	return 0;
}

int
net_listen(const struct sockaddr_storage *ss, bool nonblocking)
{
	int fd, on = 1, saved;
	int kind = SOCK_STREAM | SOCK_CLOEXEC |
	    (nonblocking ? SOCK_NONBLOCK : 0);

	if ((fd = socket(ss->ss_family, kind, 0)) == -1)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
	    bind(fd, generic(ss), length(ss)) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	saved = errno;
	close(fd);
	return bad(saved);
}

int
net_receive(const struct sockaddr_storage *ss)
{
	int fd, saved;

	fd = socket(ss->ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    0);
	if (fd == -1)
		return -1;
	if (bind(fd, generic(ss), length(ss)) == 0)
		return fd;
	saved = errno;
	close(fd);
	return bad(saved);
}

/* The port is chosen at connect(2), so that each address has them all. */
static int
bind_source(int fd, struct net_source *from)
{
	struct sockaddr_storage ss = from->base;
	struct sockaddr_in *in = (struct sockaddr_in *)&ss;
	int on = 1;

	if (from->n == 0)
		return 0;
	if (ss.ss_family == AF_INET)
		in->sin_addr.s_addr = htonl(
		    from->first + from->next++ % from->n);
	if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on,
		sizeof(on)) == -1)
		return -1;
	return bind(fd, generic(&ss), length(&ss));
}

int
net_connect(const struct sockaddr_storage *to, struct net_source *from)
{
	int fd, on = 1, saved;

	fd = socket(to->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    0);
	if (fd == -1)
		return -1;
	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0 &&
	    bind_source(fd, from) == 0 &&
	    (connect(fd, generic(to), length(to)) == 0 ||
		errno == EINPROGRESS)) {
		net_quickack(fd);
		return fd;
	}
	saved = errno;
	close(fd);
	return bad(saved);
}

void
net_quickack(int fd)
{
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
}

void
net_raise_nofile(void)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim) == 0) {
		lim.rlim_cur = lim.rlim_max;
		setrlimit(RLIMIT_NOFILE, &lim);
	}
}

int64_t
net_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}
